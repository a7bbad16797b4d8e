CREATE OR REPLACE FUNCTION public.finish_execution(p_tenant text, p_execution uuid, p_attempt integer, p_status text, p_output jsonb, p_error_code text, p_error_message text, p_delay_seconds double precision)
 RETURNS TABLE(applied boolean, promoted integer)
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_promoted integer := 0;
  v_status text := p_status;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  -- A run that was cancelled neither tries again nor waits for a person; what it had done stays in its journal.
  SELECT CASE WHEN p_status IN ('queued', 'waiting') AND x.cancel_requested_at IS NOT NULL THEN 'cancelled'
              ELSE p_status END
    INTO v_status FROM agent_executions x
   WHERE x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running' FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    -- A worker that says it lost the run lives: what was counted as its death was a pause.
    IF p_error_code = 'claim-lost' THEN
      UPDATE agent_executions x SET crashes = x.crashes - 1
       WHERE x.id = p_execution AND x.attempt > p_attempt AND x.crashes > 0;
      UPDATE agent_executions x SET status = 'queued', parked = true, crashes = x.crashes - 1, completed_at = NULL,
             error_code = NULL, error_message = NULL
       WHERE x.id = p_execution AND x.attempt = p_attempt AND x.status = 'failed' AND x.error_code = 'worker-died'
         AND p_status = 'queued';
    END IF;
    RETURN QUERY SELECT false, promote_executions(p_tenant); RETURN;
  END IF;
  -- A run that tries again is parked until its time: the queue holds what can start.
  UPDATE agent_executions x
     SET status = v_status,
         parked = v_status = 'queued',
         output_result = coalesce(p_output, x.output_result),
         error_code = p_error_code,
         error_message = p_error_message,
         completed_at = CASE WHEN v_status IN ('completed', 'failed', 'cancelled') THEN clock_timestamp() END,
         not_before = CASE WHEN v_status IN ('queued', 'waiting') AND p_delay_seconds > 0
                           THEN clock_timestamp() + make_interval(secs => p_delay_seconds) END,
         heartbeat_at = NULL,
         token_usage = s.usage,
         cost_usd = s.cost
    FROM (SELECT jsonb_build_object('input_tokens', coalesce(sum(tokens_in), 0),
                                    'output_tokens', coalesce(sum(tokens_out), 0),
                                    'model_calls', count(*) FILTER (WHERE kind = 'model')) AS usage,
                 -- one unknown price makes the whole cost unknown, never smaller
                 CASE WHEN count(*) FILTER (WHERE kind = 'model') > 0
                       AND count(*) FILTER (WHERE kind = 'model' AND cost_usd IS NULL AND state = 'finished') = 0
                      THEN coalesce(sum(cost_usd), 0) END AS cost
            FROM execution_steps WHERE execution_id = p_execution) s
   WHERE x.id = p_execution;
  UPDATE execution_steps y SET state = 'failed', error = coalesce(y.error, p_error_message, 'The run ended here.'),
         finished_at = clock_timestamp()
   WHERE y.execution_id = p_execution AND y.state = 'started' AND y.idempotent AND v_status <> 'waiting';
  v_promoted := promote_executions(p_tenant);
  RETURN QUERY SELECT true, v_promoted;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.sweep_executions(p_stale_seconds double precision)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  v_id uuid;
  v_tenant text;
  v_count integer := 0;
  v_base bigint;
BEGIN
  PERFORM public.demand_process('worker');
  IF NOT pg_try_advisory_xact_lock(hashtextextended('deskhand.sweep', 0)) THEN
    RETURN 0;
  END IF;
  FOR v_id IN
    SELECT e.id FROM public.agent_executions e
     WHERE (e.status = 'running' AND e.heartbeat_at < clock_timestamp() - make_interval(secs => p_stale_seconds)
            OR e.status = 'queued' AND NOT e.parked AND coalesce(e.not_before, e.queued_at) < clock_timestamp() - interval '2 s')
       AND NOT EXISTS (SELECT 1 FROM public.pgqueuer q
                        WHERE q.dedupe_key = e.id::text || ':' || e.enqueue_seq::text
                          AND (q.status = 'queued' OR q.status = 'picked' AND e.status = 'queued'))
     ORDER BY e.queued_at LIMIT 500
     FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM public.enqueue_execution(v_id);
    v_count := v_count + 1;
  END LOOP;
  -- Nobody answered in time: the run goes on by itself and finds that out.
  UPDATE public.agent_executions e SET status = 'queued', parked = true, not_before = NULL
   WHERE e.status = 'waiting' AND e.not_before <= clock_timestamp();
  FOR v_tenant IN
    WITH RECURSIVE waiting AS (  -- jumps from tenant to tenant, however many runs of one are parked
      (SELECT e.tenant_id FROM public.agent_executions e WHERE e.status = 'queued' AND e.parked
        ORDER BY e.tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT e.tenant_id FROM public.agent_executions e WHERE e.status = 'queued' AND e.parked
                 AND e.tenant_id > w.tenant_id ORDER BY e.tenant_id LIMIT 1)
        FROM waiting w WHERE w.tenant_id IS NOT NULL)
    SELECT w.tenant_id FROM waiting w WHERE w.tenant_id IS NOT NULL
  LOOP
    v_count := v_count + public.promote_executions(v_tenant);
  END LOOP;
  -- The clock never goes back while work waits; before it outgrows PgQueuer's integer, all that waits moves with it.
  SELECT c.last_value - 1 INTO v_base FROM public.execution_clock c WHERE c.last_value > 1000000000;
  IF FOUND THEN
    UPDATE public.agent_executions e SET queue_tag = greatest(0, e.queue_tag - v_base)
     WHERE e.status = 'queued' AND NOT e.parked;
    UPDATE public.pgqueuer q SET priority = least(0, q.priority + v_base) WHERE q.status = 'queued';
    PERFORM setval('public.execution_clock', 1);
  END IF;
  RETURN v_count;
END
$function$

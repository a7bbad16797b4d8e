DROP FUNCTION settle_spending(uuid, numeric, integer, integer, text)
;;
DROP FUNCTION correct_spending(uuid, text, numeric, numeric)
;;
DROP FUNCTION call_tokens(jsonb, text[])
;;
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
              -- What it was about to wait for has come meanwhile: it goes on at once.
              WHEN p_status = 'waiting' AND p_error_code = 'requester' AND x.heard THEN 'queued'
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
         error_code = CASE WHEN v_status = 'queued' AND p_status = 'waiting' THEN NULL ELSE p_error_code END,
         error_message = CASE WHEN v_status = 'queued' AND p_status = 'waiting' THEN NULL ELSE p_error_message END,
         completed_at = CASE WHEN v_status IN ('completed', 'failed', 'cancelled') THEN clock_timestamp() END,
         listens_until = CASE WHEN v_status IN ('queued', 'waiting') THEN x.listens_until END,
         not_before = CASE WHEN v_status = p_status AND v_status IN ('queued', 'waiting') AND p_delay_seconds > 0
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
  -- Of a run that ended, close_steps has closed them.
  IF v_status = 'queued' AND p_status = 'queued' THEN
    UPDATE execution_steps y SET state = 'failed', error = coalesce(y.error, p_error_message, 'The run ended here.'),
           finished_at = clock_timestamp()
     WHERE y.execution_id = p_execution AND y.state = 'started' AND y.idempotent AND y.kind <> 'write';
  END IF;
  v_promoted := promote_executions(p_tenant);
  RETURN QUERY SELECT true, v_promoted;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.settle_spending(p_id uuid, p_cost numeric, p_tokens_in integer, p_tokens_out integer)
 RETURNS TABLE(budget uuid, ticket text, used_usd numeric, amount_usd numeric)
 LANGUAGE plpgsql
AS $function$
DECLARE
    s model_spending;
    c record;
    real numeric;
    highest numeric := 0;
    known boolean := p_cost IS NOT NULL OR COALESCE(p_tokens_in, 0) + COALESCE(p_tokens_out, 0) > 0;
BEGIN
    SELECT * INTO s FROM model_spending m WHERE m.id = p_id AND m.state = 'reserved' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR c IN
        SELECT x.budget, x.since, x.ticket, x.usd, b.unknown_price_usd AS price, b.amount_usd AS whole, b.warn_percent
          FROM jsonb_to_recordset(s.charges) AS x (budget uuid, since date, ticket text, usd numeric)
          LEFT JOIN budgets b ON b.id = x.budget
         ORDER BY x.budget
    LOOP
        real := CASE WHEN p_cost IS NOT NULL THEN p_cost
                     WHEN known THEN COALESCE(c.price * (COALESCE(p_tokens_in, 0) + COALESCE(p_tokens_out, 0)) / 1000000,
                                              c.usd)
                     ELSE c.usd END;
        highest := greatest(highest, real);
        UPDATE budget_use w SET reserved_usd = w.reserved_usd - c.usd, used_usd = w.used_usd + real
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket;
        UPDATE budget_use w SET warned_at = clock_timestamp()
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket AND w.warned_at IS NULL
           AND w.used_usd >= c.whole * c.warn_percent / 100
        RETURNING w.budget_id, w.ticket, w.used_usd, c.whole INTO budget, ticket, used_usd, amount_usd;
        IF FOUND THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    UPDATE model_spending m SET state = CASE WHEN known THEN 'settled' ELSE 'assumed' END, cost_usd = highest,
           tokens_in = p_tokens_in, tokens_out = p_tokens_out, settled_at = clock_timestamp()
     WHERE m.id = p_id;
END
$function$
;;
REVOKE ALL ON FUNCTION settle_spending(uuid, numeric, integer, integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION settle_spending(uuid, numeric, integer, integer) TO deskhand_app, deskhand_platform

CREATE OR REPLACE FUNCTION public.promote_executions(p_tenant text)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_room integer;
  v_starts integer;
  v_weight double precision;
  v_tag bigint;
  v_stride bigint;
  v_count integer := 0;
BEGIN
  SELECT start_room(p_tenant, t.rate_limits), execution_weight(t.rate_limits),
         execution_caps(t.rate_limits)
         - (SELECT count(*) FROM agent_executions e WHERE e.tenant_id = p_tenant AND e.status = 'running')
         - (SELECT count(*) FROM agent_executions e WHERE e.tenant_id = p_tenant AND e.status = 'queued' AND NOT e.parked)
    INTO v_starts, v_weight, v_room FROM tenant_configs t WHERE t.tenant_id = p_tenant;
  IF v_room <= 0 THEN
    RETURN 0;
  END IF;
  v_tag := next_queue_tag(p_tenant, v_weight);
  v_stride := round(100 / v_weight);
  WITH picked AS (
    SELECT e.id, e.queued_at FROM agent_executions e
     WHERE e.tenant_id = p_tenant AND e.status = 'queued' AND e.parked
       AND coalesce(e.not_before, now()) <= now()
       AND (v_starts > 0 OR e.attempt > 0)  -- the hourly limit is on runs, not on their tries
       AND (e.lane IS NULL OR (
             NOT EXISTS (SELECT 1 FROM agent_executions r
                          WHERE r.tenant_id = p_tenant AND r.lane = e.lane AND r.status = 'running')
             AND NOT EXISTS (SELECT 1 FROM agent_executions q
                          WHERE q.tenant_id = p_tenant AND q.lane = e.lane AND q.status = 'queued' AND NOT q.parked)))
     ORDER BY e.queued_at, e.id
     LIMIT CASE WHEN v_starts > 0 THEN least(v_room, v_starts) ELSE v_room END
     FOR UPDATE SKIP LOCKED
  ), tagged AS (
    SELECT p.id, v_tag + v_stride * (row_number() OVER (ORDER BY p.queued_at, p.id) - 1) AS tag FROM picked p
  ), moved AS (
    UPDATE agent_executions e SET parked = false, enqueue_seq = e.enqueue_seq + 1, queue_tag = t.tag
      FROM tagged t WHERE e.id = t.id
    RETURNING e.id, e.enqueue_seq, e.queue_tag
  ), handed AS (
    INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, status)
    SELECT -m.queue_tag, 'execution', convert_to(p_tenant || ':' || m.id::text, 'UTF8'),
           m.id::text || ':' || m.enqueue_seq::text, 'queued'
      FROM moved m ORDER BY m.queue_tag
    ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL DO NOTHING
  )
  SELECT count(*) INTO v_count FROM moved;
  RETURN v_count;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.start_execution(p_tenant text, p_execution uuid, p_worker text, p_stale_seconds double precision)
 RETURNS TABLE(verdict text, attempt integer, execution jsonb)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  e agent_executions%ROWTYPE;
  v_agent_status text;
  v_limits jsonb;
  v_active boolean;
  v_crashes integer;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  PERFORM pg_advisory_xact_lock(hashtextextended('deskhand.start/' || p_tenant, 0));
  SELECT * INTO e FROM agent_executions x WHERE x.id = p_execution FOR UPDATE;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'gone'::text, 0, NULL::jsonb; RETURN;
  END IF;
  IF e.status NOT IN ('queued', 'running') THEN
    RETURN QUERY SELECT 'ended'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;
  IF e.status = 'running' AND e.heartbeat_at > clock_timestamp() - make_interval(secs => p_stale_seconds) THEN
    RETURN QUERY SELECT 'active'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;

  SELECT a.status, t.rate_limits, t.is_active INTO v_agent_status, v_limits, v_active
    FROM agents a JOIN tenant_configs t ON t.tenant_id = a.tenant_id WHERE a.id = e.agent_id;
  IF e.cancel_requested_at IS NOT NULL OR v_agent_status IN ('suspended', 'inactive') OR NOT v_active THEN
    UPDATE agent_executions x SET status = 'cancelled', completed_at = clock_timestamp(), parked = false,
      error_code = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE 'agent-not-active' END,
      error_message = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'Cancelled on request.'
                           ELSE 'The agent is ' || v_agent_status || '; its runs are cancelled before their next effect.' END
     WHERE x.id = p_execution;
    PERFORM promote_executions(p_tenant);
    RETURN QUERY SELECT 'cancelled'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;
  IF e.status = 'queued' AND e.not_before > clock_timestamp() THEN
    UPDATE agent_executions x SET parked = true WHERE x.id = p_execution;
    PERFORM promote_executions(p_tenant);
    RETURN QUERY SELECT 'later'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;
  -- Found running: its worker died or lost it without a word. Whether tries are left after a failure that was
  -- reported is decided where it is known what failed (executions/retry.py); here only what kills workers is stopped.
  v_crashes := e.crashes + CASE WHEN e.status = 'running' THEN 1 ELSE 0 END;
  IF v_crashes >= 4 THEN
    UPDATE agent_executions x SET status = 'failed', completed_at = clock_timestamp(), parked = false,
      crashes = v_crashes, error_code = 'worker-died',
      error_message = 'The worker died ' || v_crashes || ' times on this run. Retry it once the cause is known.'
     WHERE x.id = p_execution;
    PERFORM promote_executions(p_tenant);
    RETURN QUERY SELECT 'failed'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;
  IF e.status = 'queued' AND (
       (e.lane IS NOT NULL AND EXISTS (SELECT 1 FROM agent_executions r WHERE r.tenant_id = p_tenant
          AND r.lane = e.lane AND r.status = 'running'))
       OR (SELECT count(*) FROM agent_executions r WHERE r.tenant_id = p_tenant AND r.status = 'running')
          >= execution_caps(v_limits)
       OR e.attempt = 0 AND start_room(p_tenant, v_limits) <= 0) THEN
    UPDATE agent_executions x SET parked = true WHERE x.id = p_execution;
    PERFORM promote_executions(p_tenant);
    RETURN QUERY SELECT 'parked'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;

  UPDATE agent_executions x SET status = 'running', attempt = e.attempt + 1, started_at = clock_timestamp(),
         heartbeat_at = clock_timestamp(), worker_id = p_worker, parked = false, not_before = NULL,
         crashes = v_crashes,
         error_code = NULL, error_message = NULL
   WHERE x.id = p_execution RETURNING * INTO e;
  IF e.attempt = 1 THEN
    INSERT INTO execution_starts (tenant_id, minute, starts) VALUES (p_tenant, date_trunc('minute', clock_timestamp()), 1)
    ON CONFLICT (tenant_id, minute) DO UPDATE SET starts = execution_starts.starts + 1;
  END IF;
  PERFORM move_execution_clock(e.queue_tag) FROM execution_clock c WHERE e.queue_tag > c.last_value;
  RETURN QUERY SELECT 'started'::text, e.attempt, to_jsonb(e);
END
$function$
;;
CREATE OR REPLACE FUNCTION public.begin_step(p_tenant text, p_execution uuid, p_attempt integer, p_key text, p_kind text, p_name text, p_idempotent boolean, p_mark text, p_input jsonb)
 RETURNS TABLE(verdict text, output jsonb)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  e record;
  s execution_steps%ROWTYPE;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  SELECT x.cancel_requested_at, a.status AS agent_status, t.is_active INTO e
    FROM agent_executions x JOIN agents a ON a.id = x.agent_id JOIN tenant_configs t ON t.tenant_id = x.tenant_id
   WHERE x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running' FOR NO KEY UPDATE OF x;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'fenced'::text, NULL::jsonb; RETURN;
  END IF;
  SELECT * INTO s FROM execution_steps y WHERE y.execution_id = p_execution AND y.step_key = p_key;
  IF FOUND AND s.state = 'finished' THEN
    RETURN QUERY SELECT 'replay'::text, s.output; RETURN;
  END IF;
  IF e.cancel_requested_at IS NOT NULL OR e.agent_status IN ('suspended', 'inactive') OR NOT e.is_active THEN
    RETURN QUERY SELECT 'cancelled'::text, NULL::jsonb; RETURN;
  END IF;
  IF NOT FOUND THEN
    INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name, idempotent, mark, input)
    VALUES (p_tenant, p_execution, p_key, p_attempt, p_kind, p_name, p_idempotent, p_mark, p_input);
    RETURN QUERY SELECT 'new'::text, NULL::jsonb; RETURN;
  END IF;
  IF s.state IN ('started', 'in_doubt') AND NOT s.idempotent THEN
    UPDATE execution_steps y SET state = 'in_doubt', attempt = p_attempt
     WHERE y.execution_id = p_execution AND y.step_key = p_key;
    RETURN QUERY SELECT 'in_doubt'::text, NULL::jsonb; RETURN;
  END IF;
  UPDATE execution_steps y SET state = 'started', attempt = p_attempt, started_at = clock_timestamp(), error = NULL,
         finished_at = NULL, input = p_input
   WHERE y.execution_id = p_execution AND y.step_key = p_key;
  RETURN QUERY SELECT 'again'::text, NULL::jsonb;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.end_step(p_tenant text, p_execution uuid, p_attempt integer, p_key text, p_state text, p_output jsonb, p_error text, p_tokens_in integer, p_tokens_out integer, p_cost numeric)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  UPDATE execution_steps y SET state = p_state, output = p_output, error = p_error, tokens_in = p_tokens_in,
         tokens_out = p_tokens_out, cost_usd = p_cost, finished_at = clock_timestamp()
    FROM agent_executions x
   WHERE y.execution_id = p_execution AND y.step_key = p_key AND y.attempt = p_attempt
     AND x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running';
  RETURN FOUND;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.fire_schedules(p_triggers uuid[], p_instants timestamp with time zone[], p_outcomes text[], p_moved uuid[], p_next timestamp with time zone[])
 RETURNS TABLE(fired integer, skipped integer)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  v_firing record;
  v_at text;
  v_birth text;
  v_fired integer := 0;
  v_skipped integer := 0;
BEGIN
  PERFORM public.demand_process('worker');
  FOR v_firing IN
    WITH due AS (
      SELECT g.tenant_id, g.agent_id, g.id AS trigger_id, w.instant, w.outcome, v.id AS version_id,
             CASE WHEN w.outcome = 'fired' THEN gen_random_uuid() END AS execution_id,
             g.schedule_cron, g.schedule_timezone
        FROM unnest(p_triggers, p_instants, p_outcomes) AS w (trigger_id, instant, outcome)
        JOIN public.agent_triggers g ON g.id = w.trigger_id AND g.trigger_type = 'schedule' AND NOT g.is_paused
                                    AND w.instant BETWEEN g.next_fire_at AND now()
        JOIN public.agents a ON a.tenant_id = g.tenant_id AND a.id = g.agent_id AND a.status = 'active'
        JOIN public.tenant_configs t ON t.tenant_id = g.tenant_id AND t.is_active
        JOIN public.agent_versions v ON v.agent_id = a.id AND v.version_number = a.current_version
    ), recorded AS (
      INSERT INTO public.schedule_fires (tenant_id, trigger_id, fire_at, outcome, execution_id, fired_at)
      SELECT d.tenant_id, d.trigger_id, d.instant, d.outcome, d.execution_id, clock_timestamp() FROM due d
      ON CONFLICT (trigger_id, fire_at) DO NOTHING
      RETURNING trigger_id, fire_at
    )
    SELECT d.* FROM recorded r JOIN due d ON d.trigger_id = r.trigger_id AND d.instant = r.fire_at
     ORDER BY d.tenant_id COLLATE "C", d.instant, d.trigger_id
  LOOP
    IF v_firing.outcome = 'skipped' THEN
      v_skipped := v_skipped + 1;
      CONTINUE;
    END IF;
    v_at := to_char(v_firing.instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
    SELECT r.outcome INTO v_birth
      FROM public.start_run(
             v_firing.execution_id, v_firing.tenant_id, v_firing.agent_id, v_firing.trigger_id, v_firing.version_id,
             NULL, NULL, 'live',
             jsonb_build_object('schedule', jsonb_build_object(
               'trigger_id', v_firing.trigger_id, 'cron', v_firing.schedule_cron,
               'timezone', v_firing.schedule_timezone, 'fire_at', v_at)),
             NULL, NULL, 'schedule/' || v_firing.trigger_id::text || '/' || v_at, false) r;
    v_fired := v_fired + CASE WHEN v_birth = 'started' THEN 1 ELSE 0 END;
  END LOOP;

  UPDATE public.agent_triggers g SET next_fire_at = m.next
    FROM unnest(p_moved, p_next) AS m (trigger_id, next)
   WHERE g.id = m.trigger_id AND g.next_fire_at <= now();
  RETURN QUERY SELECT v_fired, v_skipped;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.start_run(p_id uuid, p_tenant text, p_agent uuid, p_trigger uuid, p_version uuid, p_tool text, p_ticket text, p_mode text, p_payload jsonb, p_retry_of uuid, p_replay_of uuid, p_key text, p_joins boolean)
 RETURNS TABLE(outcome text, execution_id uuid)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  v_cap integer;
  v_weight double precision;
  v_inflight integer;
  v_parked boolean;
  v_tag bigint := 0;
  v_id uuid;
BEGIN
  IF p_key IS NOT NULL THEN
    SELECT x.id INTO v_id FROM public.agent_executions x WHERE x.tenant_id = p_tenant AND x.idempotency_key = p_key;
    IF FOUND THEN
      RETURN QUERY SELECT 'repeated'::text, v_id; RETURN;
    END IF;
  END IF;
  SELECT public.execution_caps(t.rate_limits), public.execution_weight(t.rate_limits) INTO v_cap, v_weight
    FROM public.tenant_configs t WHERE t.tenant_id = p_tenant;
  SELECT count(*) INTO v_inflight FROM (
    (SELECT 1 FROM public.agent_executions x WHERE x.status = 'running' AND x.tenant_id = p_tenant LIMIT v_cap)
    UNION ALL
    (SELECT 1 FROM public.agent_executions x WHERE x.status = 'queued' AND NOT x.parked AND x.tenant_id = p_tenant
      LIMIT v_cap)
  ) inflight;
  v_parked := v_inflight >= v_cap;
  IF NOT v_parked THEN
    v_tag := public.next_queue_tag(p_tenant, v_weight);
  END IF;

  INSERT INTO public.agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id, tool_type, ticket_ref, lane,
                                       mode, input_payload, retry_of, replay_of, idempotency_key, parked, enqueue_seq,
                                       queue_tag)
  VALUES (p_id, p_tenant, p_agent, p_trigger, p_version, p_tool, p_ticket, public.run_lane(p_tool, p_ticket, p_mode),
          p_mode, p_payload, p_retry_of, p_replay_of, p_key, v_parked, 1, v_tag)
  ON CONFLICT (tenant_id, agent_id, lane) WHERE status = 'queued' AND attempt = 0 AND lane IS NOT NULL AND mode = 'live'
  DO UPDATE SET input_payload = excluded.input_payload WHERE p_joins
  RETURNING id INTO v_id;
  IF v_id IS NULL THEN
    RETURN QUERY SELECT 'refused'::text, NULL::uuid; RETURN;
  ELSIF v_id <> p_id THEN
    RETURN QUERY SELECT 'joined'::text, v_id; RETURN;
  END IF;
  IF NOT v_parked THEN
    INSERT INTO public.pgqueuer (priority, entrypoint, payload, dedupe_key, status)
    VALUES (-v_tag, 'execution', convert_to(p_tenant || ':' || p_id::text, 'UTF8'), p_id::text || ':1', 'queued');
  END IF;
  RETURN QUERY SELECT 'started'::text, p_id;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.accept_event(p_tenant text, p_agent uuid, p_trigger uuid, p_revision integer, p_delivery text, p_scheme text, p_event text, p_tool text, p_ticket text, p_body_sha256 text, p_body_bytes integer, p_payload jsonb)
 RETURNS TABLE(outcome text, execution_id uuid, reason text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  v_version uuid;
  v_execution uuid := gen_random_uuid();
  v_birth text;
  v_delivery uuid;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  SELECT v.id INTO v_version
    FROM agents a
    JOIN agent_versions v ON v.agent_id = a.id AND v.version_number = a.current_version
    JOIN tenant_configs t ON t.tenant_id = a.tenant_id
   WHERE a.id = p_agent AND a.revision = p_revision AND a.status = 'active' AND t.is_active;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'stale'::text, NULL::uuid, NULL::text;
    RETURN;
  END IF;

  INSERT INTO webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, http_status, scheme, event, tool_type,
                                  ticket_ref, body_sha256, body_bytes, execution_id)
  VALUES (p_tenant, p_trigger, p_delivery, 'accepted', 202, p_scheme, p_event, p_tool, p_ticket, p_body_sha256,
          p_body_bytes, v_execution)
  ON CONFLICT (trigger_id, delivery_id) WHERE outcome <> 'rejected' DO NOTHING
  RETURNING id INTO v_delivery;
  IF v_delivery IS NULL THEN
    RETURN QUERY SELECT d.outcome::text, d.execution_id, d.reason FROM webhook_deliveries d
      WHERE d.trigger_id = p_trigger AND d.delivery_id = p_delivery AND d.outcome <> 'rejected';
    RETURN;
  END IF;

  SELECT r.outcome, r.execution_id INTO v_birth, v_execution
    FROM start_run(v_execution, p_tenant, p_agent, p_trigger, v_version, p_tool, p_ticket, 'live', p_payload, NULL, NULL,
                   NULL, true) r;
  IF v_birth = 'joined' THEN
    UPDATE webhook_deliveries d SET outcome = 'coalesced', execution_id = v_execution,
           reason = 'joined a run on this ticket that had not started yet'
     WHERE d.id = v_delivery;
    RETURN QUERY SELECT 'coalesced'::text, v_execution, 'joined a run on this ticket that had not started yet'::text;
    RETURN;
  END IF;
  RETURN QUERY SELECT 'accepted'::text, v_execution, NULL::text;
END
$function$

DROP FUNCTION move_execution_clock(bigint)
;;
DROP FUNCTION start_executions(jsonb)
;;
DROP FUNCTION begin_steps(jsonb)
;;
DROP FUNCTION end_steps(jsonb)
;;
DROP FUNCTION finish_executions(jsonb)
;;
DROP FUNCTION accept_events(jsonb)
;;
DROP FUNCTION record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer)
;;
DROP FUNCTION writes_on_ticket(text, text, text, integer)
;;
DROP FUNCTION session_proof()
;;
DROP FUNCTION demand_process(text[])
;;
CREATE OR REPLACE FUNCTION public.find_webhook_triggers(p_agent_id uuid)
 RETURNS TABLE(trigger_id uuid, tenant_id character varying, agent_id uuid, agent_name character varying, agent_status character varying, current_version integer, agent_revision integer, webhook_url character varying, hmac_secret text, previous_hmac_secret text, previous_hmac_secret_expires_at timestamp with time zone, is_paused boolean, payload_schema jsonb, tool_ids text[], tool_type character varying, tenant_is_active boolean, webhook_signing_secret_encrypted text, rate_limits jsonb)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
            SELECT t.id, t.tenant_id, a.id, a.name, a.status, a.current_version, a.revision, t.webhook_url, t.hmac_secret,
                   t.previous_hmac_secret, t.previous_hmac_secret_expires_at, t.is_paused, t.payload_schema,
                   ARRAY(SELECT o.tool_id::text FROM agent_tools o WHERE o.agent_id = a.id ORDER BY o.tool_id),
                   c.tool_type, c.is_active, c.webhook_signing_secret_encrypted, c.rate_limits
              FROM agent_triggers t
              JOIN agents a ON a.id = t.agent_id
              JOIN tenant_configs c ON c.tenant_id = t.tenant_id
             WHERE t.agent_id = p_agent_id AND t.trigger_type = 'webhook'
             ORDER BY t.created_at, t.id
        $function$
;;
CREATE OR REPLACE FUNCTION public.find_tenant_hook(p_tenant_id text, p_tool_type text)
 RETURNS TABLE(trigger_id uuid, tenant_id character varying, agent_id uuid, agent_name character varying, agent_status character varying, current_version integer, agent_revision integer, webhook_url character varying, hmac_secret text, previous_hmac_secret text, previous_hmac_secret_expires_at timestamp with time zone, is_paused boolean, payload_schema jsonb, tool_ids text[], tool_type character varying, tenant_is_active boolean, webhook_signing_secret_encrypted text, rate_limits jsonb)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
            SELECT t.id, t.tenant_id, a.id, a.name, a.status, a.current_version, a.revision, t.webhook_url, t.hmac_secret,
                   t.previous_hmac_secret, t.previous_hmac_secret_expires_at, t.is_paused, t.payload_schema,
                   ARRAY(SELECT o.tool_id::text FROM agent_tools o WHERE o.agent_id = a.id ORDER BY o.tool_id),
                   c.tool_type, c.is_active, c.webhook_signing_secret_encrypted, c.rate_limits
              FROM agent_triggers t
              JOIN agents a ON a.id = t.agent_id
              JOIN tenant_configs c ON c.tenant_id = t.tenant_id
             WHERE t.tenant_id = p_tenant_id AND t.trigger_type = 'webhook'
               AND EXISTS (SELECT 1 FROM agent_tools o WHERE o.agent_id = a.id AND o.tool_id = p_tool_type)
             ORDER BY t.created_at, t.id
        $function$
;;
CREATE OR REPLACE FUNCTION public.record_delivery(p_tenant text, p_trigger uuid, p_delivery text, p_outcome text, p_reason text, p_status integer, p_scheme text, p_event text, p_tool text, p_ticket text, p_body_sha256 text, p_body_bytes integer)
 RETURNS TABLE(outcome text, execution_id uuid, reason text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  INSERT INTO webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, reason, http_status, scheme, event,
                                  tool_type, ticket_ref, body_sha256, body_bytes)
  VALUES (p_tenant, p_trigger, p_delivery, p_outcome, p_reason, p_status, p_scheme, p_event, p_tool, p_ticket,
          p_body_sha256, p_body_bytes)
  ON CONFLICT (trigger_id, delivery_id) WHERE outcome <> 'rejected' DO NOTHING;
  IF NOT FOUND THEN
    RETURN QUERY SELECT d.outcome::text, d.execution_id, d.reason FROM webhook_deliveries d
      WHERE d.trigger_id = p_trigger AND d.delivery_id = p_delivery AND d.outcome <> 'rejected';
    RETURN;
  END IF;
  RETURN QUERY SELECT p_outcome, NULL::uuid, p_reason;
END
$function$
;;
REVOKE ALL ON FUNCTION record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer) TO deskhand_app, deskhand_platform
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
  PERFORM setval('execution_clock', e.queue_tag) FROM execution_clock c WHERE e.queue_tag > c.last_value;
  RETURN QUERY SELECT 'started'::text, e.attempt, to_jsonb(e);
END
$function$
;;
CREATE OR REPLACE FUNCTION public.heartbeat_executions(p_worker text, p_ids uuid[], p_attempts integer[])
 RETURNS TABLE(execution_id uuid, cancel_requested boolean)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  WITH mine AS (
    SELECT x.id FROM public.agent_executions x JOIN unnest(p_ids, p_attempts) AS m (id, attempt) ON m.id = x.id
     WHERE x.attempt = m.attempt AND x.status = 'running' AND x.worker_id = p_worker
     ORDER BY x.tenant_id COLLATE "C", x.id FOR NO KEY UPDATE OF x)  -- as the workers sort what they send together
  UPDATE public.agent_executions x SET heartbeat_at = clock_timestamp() FROM mine WHERE x.id = mine.id
  RETURNING x.id, x.cancel_requested_at IS NOT NULL
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
;;
CREATE OR REPLACE FUNCTION public.schedule_delay()
 RETURNS double precision
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT extract(epoch FROM min(g.next_fire_at) - now())::double precision FROM public.agent_triggers g
   WHERE g.next_fire_at IS NOT NULL AND NOT g.is_paused
$function$
;;
CREATE OR REPLACE FUNCTION public.due_schedules(p_limit integer)
 RETURNS TABLE(trigger_id uuid, cron text, zone text, policy text, max_age_seconds integer, next_fire_at timestamp with time zone, live boolean, at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
  -- A worker that freezes here would hold its triggers; the server then ends the transaction for it.
  PERFORM set_config('idle_in_transaction_session_timeout', '5s', true);
  RETURN QUERY
  SELECT g.id, g.schedule_cron::text, g.schedule_timezone::text, g.misfire_policy::text, g.misfire_max_age_seconds,
         g.next_fire_at, a.status = 'active' AND t.is_active, now()
    FROM public.agent_triggers g
    JOIN public.agents a ON a.tenant_id = g.tenant_id AND a.id = g.agent_id
    JOIN public.tenant_configs t ON t.tenant_id = g.tenant_id
   WHERE g.next_fire_at <= now() AND NOT g.is_paused AND g.trigger_type = 'schedule'
   ORDER BY g.next_fire_at
   LIMIT p_limit
     FOR NO KEY UPDATE OF g SKIP LOCKED
     FOR SHARE OF a SKIP LOCKED;
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
CREATE OR REPLACE FUNCTION public.accept_events(p_events jsonb)
 RETURNS TABLE(ordinal bigint, outcome text, execution_id uuid, reason text)
 LANGUAGE sql
AS $function$
  SELECT e.ordinal, a.outcome, a.execution_id, a.reason
    FROM ROWS FROM (jsonb_to_recordset(p_events) AS (
           tenant text, agent uuid, trigger uuid, revision integer, delivery text, scheme text, event text, tool text,
           ticket text, body_sha256 text, body_bytes integer, payload jsonb)) WITH ORDINALITY
         AS e (tenant, agent, trigger, revision, delivery, scheme, event, tool, ticket, body_sha256, body_bytes,
               payload, ordinal),
         LATERAL accept_event(e.tenant, e.agent, e.trigger, e.revision, e.delivery, e.scheme, e.event, e.tool, e.ticket,
                              e.body_sha256, e.body_bytes, e.payload) a
$function$
;;
REVOKE ALL ON FUNCTION accept_events(jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION accept_events(jsonb) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.start_executions(p_rows jsonb)
 RETURNS TABLE(ordinal bigint, verdict text, attempt integer, execution jsonb)
 LANGUAGE sql
AS $function$
  SELECT r.ordinal, a.verdict, a.attempt, a.execution
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, worker text, stale_seconds double precision)) WITH ORDINALITY
         AS r (tenant, execution, worker, stale_seconds, ordinal),
         LATERAL start_execution(r.tenant, r.execution, r.worker, r.stale_seconds) a
$function$
;;
REVOKE ALL ON FUNCTION start_executions(jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION start_executions(jsonb) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.begin_steps(p_rows jsonb)
 RETURNS TABLE(ordinal bigint, verdict text, output jsonb)
 LANGUAGE sql
AS $function$
  SELECT r.ordinal, a.verdict, a.output
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, attempt integer, key text, kind text, name text, idempotent boolean, mark text,
           input jsonb)) WITH ORDINALITY
         AS r (tenant, execution, attempt, key, kind, name, idempotent, mark, input, ordinal),
         LATERAL begin_step(r.tenant, r.execution, r.attempt, r.key, r.kind, r.name, r.idempotent, r.mark, r.input) a
$function$
;;
REVOKE ALL ON FUNCTION begin_steps(jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION begin_steps(jsonb) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.end_steps(p_rows jsonb)
 RETURNS TABLE(ordinal bigint, kept boolean)
 LANGUAGE sql
AS $function$
  SELECT r.ordinal, a.kept
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, attempt integer, key text, state text, output jsonb, error text,
           tokens_in integer, tokens_out integer, cost numeric)) WITH ORDINALITY
         AS r (tenant, execution, attempt, key, state, output, error, tokens_in, tokens_out, cost, ordinal),
         LATERAL end_step(r.tenant, r.execution, r.attempt, r.key, r.state, r.output, r.error, r.tokens_in,
                          r.tokens_out, r.cost) AS a (kept)
$function$
;;
REVOKE ALL ON FUNCTION end_steps(jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION end_steps(jsonb) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.finish_executions(p_rows jsonb)
 RETURNS TABLE(ordinal bigint, applied boolean, promoted integer)
 LANGUAGE sql
AS $function$
  SELECT r.ordinal, a.applied, a.promoted
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, attempt integer, status text, output jsonb, error_code text,
           error_message text, delay_seconds double precision)) WITH ORDINALITY
         AS r (tenant, execution, attempt, status, output, error_code, error_message, delay_seconds, ordinal),
         LATERAL finish_execution(r.tenant, r.execution, r.attempt, r.status, r.output, r.error_code,
                                  r.error_message, r.delay_seconds) a
$function$
;;
REVOKE ALL ON FUNCTION finish_executions(jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION finish_executions(jsonb) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.prune_history(p_kind text, p_keep interval, p_batch integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  v_count integer;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('deskhand.prune/' || p_kind, 0)) THEN
    RETURN 0;
  END IF;
  IF p_kind = 'executions' THEN
    DELETE FROM public.agent_executions e WHERE e.id = ANY (ARRAY(
      SELECT x.id FROM public.agent_executions x
       WHERE x.completed_at < now() - p_keep
         AND (x.status IN ('completed', 'cancelled') OR x.status = 'failed' AND x.dismissed_at IS NOT NULL)
       ORDER BY x.completed_at LIMIT p_batch FOR UPDATE SKIP LOCKED));
  ELSIF p_kind = 'deliveries' THEN
    DELETE FROM public.webhook_deliveries d WHERE d.id = ANY (ARRAY(
      SELECT x.id FROM public.webhook_deliveries x WHERE x.received_at < now() - p_keep
       LIMIT p_batch FOR UPDATE SKIP LOCKED));
  ELSIF p_kind = 'schedule_fires' THEN
    DELETE FROM public.schedule_fires f WHERE (f.trigger_id, f.fire_at) IN (
      SELECT x.trigger_id, x.fire_at FROM public.schedule_fires x WHERE x.fire_at < now() - p_keep
       LIMIT p_batch FOR UPDATE SKIP LOCKED);
  ELSIF p_kind = 'execution_starts' THEN
    DELETE FROM public.execution_starts s WHERE (s.tenant_id, s.minute) IN (
      SELECT x.tenant_id, x.minute FROM public.execution_starts x WHERE x.minute < now() - p_keep
       LIMIT p_batch FOR UPDATE SKIP LOCKED);
  ELSIF p_kind = 'queue_log' THEN
    DELETE FROM public.pgqueuer_log l WHERE l.id = ANY (ARRAY(
      SELECT x.id FROM public.pgqueuer_log x WHERE x.created < now() - p_keep
       ORDER BY x.created LIMIT p_batch FOR UPDATE SKIP LOCKED));
  ELSE
    RAISE EXCEPTION 'prune_history: unknown kind %', p_kind;
  END IF;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.queue_depth(OUT queued bigint, OUT parked bigint)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT count(*) FILTER (WHERE NOT x.parked), count(*) FILTER (WHERE x.parked)
    FROM public.agent_executions x WHERE x.status = 'queued'
$function$
;;
CREATE OR REPLACE FUNCTION public.writes_on_ticket(p_tenant text, p_tool text, p_ticket text, p_limit integer)
 RETURNS TABLE(mark text, receipt_id text, revision text, age double precision)
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  RETURN QUERY
    SELECT w.mark::text, w.output ->> 'id', w.output ->> 'revision',
           extract(epoch FROM clock_timestamp() - w.started_at)::double precision
      FROM (
        SELECT y.mark, y.output, y.started_at
          FROM agent_executions x JOIN execution_steps y ON y.execution_id = x.id AND y.tenant_id = x.tenant_id
         WHERE x.tenant_id = p_tenant AND x.tool_type = p_tool AND x.ticket_ref = p_ticket AND y.mark IS NOT NULL
           AND y.input ->> 'target' IS NULL AND y.kind = 'write' AND y.state <> 'failed'
         UNION ALL
        -- A run may write on other tickets than its own, on other desks, and file new ones: the step names which.
        SELECT y.mark, y.output, y.started_at
          FROM execution_steps y
         WHERE y.tenant_id = p_tenant AND y.input ->> 'target' IN (p_tool || '/' || p_ticket, p_tool || '/')
           AND (y.input ->> 'target' <> p_tool || '/' OR y.output ->> 'ticket_id' = p_ticket)
           AND y.mark IS NOT NULL AND y.kind = 'write' AND y.state <> 'failed'
      ) w
     ORDER BY w.started_at DESC LIMIT p_limit;
END
$function$
;;
REVOKE ALL ON FUNCTION writes_on_ticket(text, text, text, integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION writes_on_ticket(text, text, text, integer) TO deskhand_app, deskhand_platform

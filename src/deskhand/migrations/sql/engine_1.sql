-- The execution engine's hot path. Every function is one autocommit statement for its caller, so a
-- frozen worker can hold no lock; every write of a run names its fence (attempt). Functions run with
-- the caller's rights and set the tenant themselves, so row-level security applies inside them too;
-- the two that must cross tenants (heartbeat, sweep) are SECURITY DEFINER and return ids only.
-- Statements are separated by a line that holds only two semicolons.

CREATE FUNCTION execution_caps(p_rate_limits jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT greatest(1, coalesce((p_rate_limits ->> 'concurrent_executions')::integer, 5))
$$
;;
-- Hands one execution to PgQueuer. The sequence number makes the key of this hand-over unique, so a
-- job that is just finishing does not swallow the next one.
CREATE FUNCTION enqueue_execution(p_execution uuid, p_delay interval DEFAULT '0') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_tenant text;
  v_seq integer;
BEGIN
  UPDATE agent_executions SET parked = false, enqueue_seq = enqueue_seq + 1
   WHERE id = p_execution
   RETURNING tenant_id, enqueue_seq INTO v_tenant, v_seq;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
  VALUES (0, 'execution', convert_to(v_tenant || ':' || p_execution::text, 'UTF8'), now() + p_delay,
          p_execution::text || ':' || v_seq::text, 'queued')
  ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL DO NOTHING;
END
$$
;;
-- Accepts one verified event: delivery row, execution row (or coalescing into one that has not
-- started), hand-over. p_revision guards against a cached trigger that has changed since.
CREATE FUNCTION accept_event(
  p_tenant text, p_agent uuid, p_trigger uuid, p_revision integer, p_delivery text, p_scheme text, p_event text,
  p_tool text, p_ticket text, p_marks text[], p_body_sha256 text, p_body_bytes integer, p_payload jsonb
) RETURNS TABLE (outcome text, execution_id uuid, reason text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_version uuid;
  v_cap integer;
  v_execution uuid := gen_random_uuid();
  v_lane text := CASE WHEN p_ticket IS NULL THEN NULL ELSE p_tool || '/' || p_ticket END;
  v_delivery uuid;
  v_parked boolean;
  v_inserted boolean;
  v_echo boolean := false;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  SELECT v.id, execution_caps(t.rate_limits) INTO v_version, v_cap
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

  IF cardinality(p_marks) > 0 THEN
    SELECT EXISTS (SELECT 1 FROM execution_steps y WHERE y.tenant_id = p_tenant AND y.mark = ANY (p_marks)) INTO v_echo;
  END IF;
  IF v_echo THEN
    UPDATE webhook_deliveries d SET outcome = 'ignored', execution_id = NULL, reason = 'our own write, coming back'
     WHERE d.id = v_delivery;
    RETURN QUERY SELECT 'ignored'::text, NULL::uuid, 'our own write, coming back'::text;
    RETURN;
  END IF;

  SELECT count(*) >= 2 * v_cap INTO v_parked FROM (
    (SELECT 1 FROM agent_executions WHERE status = 'running' AND tenant_id = p_tenant LIMIT 2 * v_cap)
    UNION ALL
    (SELECT 1 FROM agent_executions WHERE status = 'queued' AND NOT parked AND tenant_id = p_tenant LIMIT 2 * v_cap)
  ) inflight;

  INSERT INTO agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id, tool_type, ticket_ref, lane,
                                input_payload, parked, enqueue_seq)
  VALUES (v_execution, p_tenant, p_agent, p_trigger, v_version, p_tool, p_ticket, v_lane, p_payload, v_parked, 1)
  ON CONFLICT (tenant_id, agent_id, lane) WHERE status = 'queued' AND attempt = 0 AND lane IS NOT NULL AND mode = 'live'
  DO UPDATE SET input_payload = excluded.input_payload
  RETURNING id, (id = v_execution) INTO v_execution, v_inserted;

  IF NOT v_inserted THEN
    UPDATE webhook_deliveries d SET outcome = 'coalesced', execution_id = v_execution,
           reason = 'joined a run on this ticket that had not started yet'
     WHERE d.id = v_delivery;
    RETURN QUERY SELECT 'coalesced'::text, v_execution, 'joined a run on this ticket that had not started yet'::text;
    RETURN;
  END IF;

  IF NOT v_parked THEN
    INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, status)
    VALUES (0, 'execution', convert_to(p_tenant || ':' || v_execution::text, 'UTF8'), v_execution::text || ':1', 'queued');
  END IF;
  RETURN QUERY SELECT 'accepted'::text, v_execution, NULL::text;
END
$$
;;
-- Keeps a delivery that starts nothing: ignored (a redelivery gets the same answer) or rejected.
CREATE FUNCTION record_delivery(
  p_tenant text, p_trigger uuid, p_delivery text, p_outcome text, p_reason text, p_status integer, p_scheme text,
  p_event text, p_tool text, p_ticket text, p_body_sha256 text, p_body_bytes integer
) RETURNS TABLE (outcome text, execution_id uuid, reason text)
LANGUAGE plpgsql AS $$
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
$$
;;
-- Hands over parked runs of one tenant, oldest first, as far as slots are free and their ticket is idle.
CREATE FUNCTION promote_executions(p_tenant text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_room integer;
  v_id uuid;
  v_count integer := 0;
BEGIN
  SELECT 2 * execution_caps(t.rate_limits)
         - (SELECT count(*) FROM agent_executions e WHERE e.tenant_id = p_tenant AND e.status = 'running')
         - (SELECT count(*) FROM (SELECT 1 FROM agent_executions e WHERE e.tenant_id = p_tenant AND e.status = 'queued'
              AND NOT e.parked LIMIT 2 * execution_caps(t.rate_limits)) ready)
    INTO v_room FROM tenant_configs t WHERE t.tenant_id = p_tenant;
  FOR v_id IN
    SELECT e.id FROM agent_executions e
     WHERE e.tenant_id = p_tenant AND e.status = 'queued' AND e.parked
       AND coalesce(e.not_before, now()) <= now()
       AND (e.lane IS NULL OR (
             NOT EXISTS (SELECT 1 FROM agent_executions r
                          WHERE r.tenant_id = p_tenant AND r.lane = e.lane AND r.status = 'running')
             AND NOT EXISTS (SELECT 1 FROM agent_executions q
                          WHERE q.tenant_id = p_tenant AND q.lane = e.lane AND q.status = 'queued' AND NOT q.parked)))
     ORDER BY e.queued_at, e.id
     LIMIT greatest(v_room, 0)
     FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM enqueue_execution(v_id);
    v_count := v_count + 1;
  END LOOP;
  RETURN v_count;
END
$$
;;
-- Decides whether a worker may run an execution now. The advisory lock is per tenant and its own
-- statement, so the counts after it see every start committed before.
CREATE FUNCTION start_execution(p_tenant text, p_execution uuid, p_worker text, p_stale_seconds double precision)
RETURNS TABLE (verdict text, attempt integer, execution jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  e agent_executions%ROWTYPE;
  v_agent_status text;
  v_cap integer;
  v_active boolean;
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

  SELECT a.status, execution_caps(t.rate_limits), t.is_active INTO v_agent_status, v_cap, v_active
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
    PERFORM enqueue_execution(p_execution, e.not_before - clock_timestamp());
    RETURN QUERY SELECT 'later'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;
  IF e.attempt >= e.max_attempts THEN
    UPDATE agent_executions x SET status = 'failed', completed_at = clock_timestamp(), parked = false,
      error_code = 'attempts-exhausted',
      error_message = 'The run was started ' || e.attempt || ' times and its worker died each time. Retry it once the cause is known.'
     WHERE x.id = p_execution;
    PERFORM promote_executions(p_tenant);
    RETURN QUERY SELECT 'failed'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;
  IF e.status = 'queued' AND (
       (e.lane IS NOT NULL AND EXISTS (SELECT 1 FROM agent_executions r WHERE r.tenant_id = p_tenant
          AND r.lane = e.lane AND r.status = 'running'))
       OR (SELECT count(*) FROM agent_executions r WHERE r.tenant_id = p_tenant AND r.status = 'running') >= v_cap) THEN
    UPDATE agent_executions x SET parked = true WHERE x.id = p_execution;
    RETURN QUERY SELECT 'parked'::text, e.attempt, NULL::jsonb; RETURN;
  END IF;

  UPDATE agent_executions x SET status = 'running', attempt = e.attempt + 1, started_at = clock_timestamp(),
         heartbeat_at = clock_timestamp(), worker_id = p_worker, parked = false, not_before = NULL,
         error_code = NULL, error_message = NULL
   WHERE x.id = p_execution RETURNING * INTO e;
  RETURN QUERY SELECT 'started'::text, e.attempt, to_jsonb(e);
END
$$
;;
-- Ends a run, or hands it back for another try, and fills the slot it frees. Fenced.
CREATE FUNCTION finish_execution(
  p_tenant text, p_execution uuid, p_attempt integer, p_status text, p_output jsonb, p_error_code text,
  p_error_message text, p_delay_seconds double precision
) RETURNS TABLE (applied boolean, promoted integer)
LANGUAGE plpgsql AS $$
DECLARE
  v_promoted integer := 0;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  UPDATE agent_executions x
     SET status = p_status,
         output_result = coalesce(p_output, x.output_result),
         error_code = p_error_code,
         error_message = p_error_message,
         completed_at = CASE WHEN p_status IN ('completed', 'failed', 'cancelled') THEN clock_timestamp() END,
         not_before = CASE WHEN p_status = 'queued'
                           THEN clock_timestamp() + make_interval(secs => coalesce(p_delay_seconds, 0)) END,
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
   WHERE x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running';
  IF NOT FOUND THEN
    RETURN QUERY SELECT false, 0; RETURN;
  END IF;
  UPDATE execution_steps y SET state = 'failed', error = coalesce(y.error, p_error_message, 'The run ended here.'),
         finished_at = clock_timestamp()
   WHERE y.execution_id = p_execution AND y.state = 'started' AND y.idempotent AND p_status <> 'waiting';
  IF p_status = 'queued' THEN
    PERFORM enqueue_execution(p_execution, make_interval(secs => coalesce(p_delay_seconds, 0)));
  END IF;
  v_promoted := promote_executions(p_tenant);
  RETURN QUERY SELECT true, v_promoted;
END
$$
;;
-- Intent: written before the effect, only by the run that holds the fence and was not cancelled.
CREATE FUNCTION begin_step(
  p_tenant text, p_execution uuid, p_attempt integer, p_key text, p_kind text, p_name text, p_idempotent boolean,
  p_mark text, p_input jsonb
) RETURNS TABLE (verdict text, output jsonb)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  e record;
  s execution_steps%ROWTYPE;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  SELECT x.cancel_requested_at, a.status AS agent_status, t.is_active INTO e
    FROM agent_executions x JOIN agents a ON a.id = x.agent_id JOIN tenant_configs t ON t.tenant_id = x.tenant_id
   WHERE x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running' FOR UPDATE OF x;
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
$$
;;
-- Result: written after the effect, only by the run that holds the fence.
CREATE FUNCTION end_step(
  p_tenant text, p_execution uuid, p_attempt integer, p_key text, p_state text, p_output jsonb, p_error text,
  p_tokens_in integer, p_tokens_out integer, p_cost numeric
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  UPDATE execution_steps y SET state = p_state, output = p_output, error = p_error, tokens_in = p_tokens_in,
         tokens_out = p_tokens_out, cost_usd = p_cost, finished_at = clock_timestamp()
    FROM agent_executions x
   WHERE y.execution_id = p_execution AND y.step_key = p_key AND y.attempt = p_attempt
     AND x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running';
  RETURN FOUND;
END
$$
;;
-- Keeps a worker's runs alive; returns those it still owns. A run that is missing from the answer is lost.
CREATE FUNCTION heartbeat_executions(p_worker text, p_ids uuid[], p_attempts integer[])
RETURNS TABLE (execution_id uuid, cancel_requested boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE public.agent_executions x SET heartbeat_at = clock_timestamp()
    FROM unnest(p_ids, p_attempts) AS mine(id, attempt)
   WHERE x.id = mine.id AND x.attempt = mine.attempt AND x.status = 'running' AND x.worker_id = p_worker
  RETURNING x.id, x.cancel_requested_at IS NOT NULL
$$
;;
-- Heals what no transaction could: runs of dead workers, queued runs that PgQueuer does not hold,
-- parked runs beside free slots. Returns how many were handed over.
CREATE FUNCTION sweep_executions(p_stale_seconds double precision) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_id uuid;
  v_tenant text;
  v_count integer := 0;
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
    SELECT DISTINCT e.tenant_id FROM public.agent_executions e WHERE e.status = 'queued' AND e.parked
  LOOP
    v_count := v_count + public.promote_executions(v_tenant);
  END LOOP;
  RETURN v_count;
END
$$

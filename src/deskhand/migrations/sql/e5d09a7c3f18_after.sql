CREATE OR REPLACE FUNCTION public.run_lane(p_tool text, p_ticket text, p_mode text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN p_mode <> 'dry_run' THEN p_tool || '/' || p_ticket END
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
  -- An undo goes on: an agent that did wrong is suspended first, and what it did is taken back then.
  IF e.cancel_requested_at IS NOT NULL OR (v_agent_status IN ('suspended', 'inactive') AND e.mode <> 'undo')
     OR NOT v_active THEN
    UPDATE agent_executions x SET status = 'cancelled', completed_at = clock_timestamp(), parked = false,
      listens_until = NULL, error_code = CASE WHEN e.cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE 'agent-not-active' END,
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
  -- reported is decided where it is known what failed (engine/retry.py); here only what kills workers is stopped.
  v_crashes := e.crashes + CASE WHEN e.status = 'running' THEN 1 ELSE 0 END;
  IF v_crashes >= 4 THEN
    UPDATE agent_executions x SET status = 'failed', completed_at = clock_timestamp(), parked = false,
      crashes = v_crashes, listens_until = NULL, error_code = 'worker-died',
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
    -- By the minute, so that an hour is sixty rows to sum, whatever a tenant starts in it.
    INSERT INTO execution_starts (tenant_id, minute, starts) VALUES (p_tenant, date_trunc('minute', clock_timestamp()), 1)
    ON CONFLICT (tenant_id, minute) DO UPDATE SET starts = execution_starts.starts + 1;
  END IF;
  -- Forward only, so that a run which waited long does not take the clock back for everybody.
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
  SELECT x.cancel_requested_at, x.mode, a.status AS agent_status, t.is_active INTO e
    FROM agent_executions x JOIN agents a ON a.id = x.agent_id JOIN tenant_configs t ON t.tenant_id = x.tenant_id
   -- Locked until the step is written: a worker that takes the run over meanwhile waits, and then finds the step.
   WHERE x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running' FOR NO KEY UPDATE OF x;
  IF NOT FOUND THEN
    RETURN QUERY SELECT 'fenced'::text, NULL::jsonb; RETURN;
  END IF;
  SELECT * INTO s FROM execution_steps y WHERE y.execution_id = p_execution AND y.step_key = p_key;
  -- Before the look at a cancel: what was done stays true, and a replay has no effect that a cancel could stop.
  IF FOUND AND s.state = 'finished' THEN
    RETURN QUERY SELECT 'replay'::text, s.output; RETURN;
  END IF;
  IF e.cancel_requested_at IS NOT NULL OR (e.agent_status IN ('suspended', 'inactive') AND e.mode <> 'undo')
     OR NOT e.is_active THEN
    RETURN QUERY SELECT 'cancelled'::text, NULL::jsonb; RETURN;
  END IF;
  IF NOT FOUND THEN
    INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name, idempotent, mark, input)
    VALUES (p_tenant, p_execution, p_key, p_attempt, p_kind, p_name, p_idempotent, p_mark, p_input);
    RETURN QUERY SELECT 'new'::text, NULL::jsonb; RETURN;
  END IF;
  -- Nobody knows whether the effect happened: the caller asks the desk by the mark, or a person.
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

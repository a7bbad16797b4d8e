-- A run's life, as the database sees it.
--
-- A run is a row of agent_executions. It is born 'queued' in start_run, whoever asks: an event, a schedule's time, a
-- person. Either it is handed to PgQueuer at once, or, where its tenant already has as much waiting and running as it may
-- run, it is parked: the row waits and PgQueuer knows nothing of it. PgQueuer only carries ids to workers; whether a run may go on
-- is always read from this row.
--
-- A worker that is given an id calls start_execution. It refuses a run that ended, one that another worker is
-- alive with, one whose time has not come, and one that would be too many for its tenant or the second on its
-- ticket (those are parked again). Whatever it lets through becomes 'running' with attempt raised by one. That
-- number is the fence: every later write names it, so a worker that lost its run, frozen or cut off, changes nothing.
--
-- While it runs, each effect is a step of its journal: begin_step before it, end_step after it. A step that finished
-- is answered from the journal when the run is tried again; a write that began and was never heard of again is
-- in doubt, and a person or the desk itself must say what became of it. heartbeat_executions keeps all runs of a
-- worker alive in one statement and tells it which of them it lost and which are to be cancelled.
--
-- finish_execution ends the run ('completed', 'failed', 'cancelled'), or parks it for another try ('queued', not before
-- its time), or leaves it to a person ('waiting'; it may name a time at which the sweep lets it go on unanswered). One
-- that waits for its ticket's requester listens, and an event of the ticket wakes it (wake_listener). The same
-- transaction hands over what the freed slot makes room for (promote_executions). Whoever ends a run, a trigger closes
-- its journal (close_steps). What no transaction could do, since its worker died, sweep_executions does for all tenants
-- every second: it hands over runs whose heartbeat stopped and queued runs that PgQueuer lost. A start that finds its
-- run still 'running' counts a crash, and the fourth ends the run. A worker that was only away for a while hands its runs back
-- when it wakes, which takes the crash off the count again.
--
-- While an agent, its tenant or everything is paused, its runs are born parked and stay so: nothing is refused and nothing
-- starts (run_is_paused). What runs already goes on to its end. Nobody has to wake the others once the pause is over: the
-- sweep hands them over, oldest first.
--
-- Tenants share the workers by weight (next_queue_tag), and each has limits of its own: how many run at once
-- (execution_caps) and how many start in an hour (start_room).
--
-- The rules of the hot path. Each call is one autocommit statement for its caller, so a frozen worker can hold no lock.
-- A worker's pool serves every tenant and may read the table of none: it calls the plural functions at the end, which ask
-- for a worker's proof and set each row's tenant, so that row-level security holds inside them, too. A tenant's own
-- session calls start_run and enqueue_execution with its own rights. What crosses tenants (heartbeat_executions,
-- sweep_executions, queue_depth, move_execution_clock) answers ids and counts alone, and asks for a proof as well.
-- What many runs do at the same moment goes out together: the plural functions at the end take an array of rows.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

CREATE FUNCTION execution_caps(p_rate_limits jsonb) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT greatest(1, coalesce((p_rate_limits ->> 'concurrent_executions')::integer, 5))
$$;

CREATE FUNCTION execution_weight(p_rate_limits jsonb) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT least(100, greatest(0.01, coalesce((p_rate_limits ->> 'weight')::double precision, 1)))
$$;

-- How many more runs of a tenant may start now: its hourly limit less the starts of this hour, counted by the minute.
CREATE FUNCTION start_room(p_tenant text, p_rate_limits jsonb) RETURNS integer
LANGUAGE sql VOLATILE AS $$
  SELECT greatest(1, coalesce((p_rate_limits ->> 'executions_per_hour')::integer, 2000))
         - coalesce((SELECT sum(s.starts) FROM execution_starts s WHERE s.tenant_id = p_tenant
                        AND s.minute >= date_trunc('minute', clock_timestamp() - interval '1 hour')), 0)::integer
$$;

-- Start-time fair queueing (Goyal, Vin, Cheng: SIGCOMM 1996): a job's tag is the queue's virtual time, or its tenant's
-- last tag if that is later, plus the tenant's stride. The lowest tag is served first and moves the virtual time, so
-- tenants with work waiting share the workers by weight, and one that was quiet is next at once.
CREATE FUNCTION next_queue_tag(p_tenant text, p_weight double precision) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
  SELECT greatest(c.last_value, coalesce((SELECT max(e.queue_tag) FROM agent_executions e
                    WHERE e.tenant_id = p_tenant AND e.status = 'queued' AND NOT e.parked), 0))
         + round(100 / p_weight)::bigint
    FROM execution_clock c
$$;

-- The virtual time of all tenants' queueing; only workers move it, since it decides who is served.
CREATE FUNCTION move_execution_clock(p_tag bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM public.demand_process('worker');
  PERFORM setval('public.execution_clock', p_tag);
END
$$;

-- What may have only one active run: a ticket of a desk, while runs may write to it. A dry run has no lane: it neither
-- waits for the live runs of its ticket nor holds them up. An undo has one: it must not write between a run's writes.
CREATE FUNCTION run_lane(p_tool text, p_ticket text, p_mode text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p_mode <> 'dry_run' THEN p_tool || '/' || p_ticket END
$$;

-- Whether a run may not start now, because somebody paused its agent, its tenant or everything. An undo goes on while
-- an agent or a tenant is paused: a person asks for each, and may have paused what did wrong to take it back.
CREATE FUNCTION run_is_paused(p_tenant text, p_agent uuid, p_mode text) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM public.installation_pause)
         OR (p_mode <> 'undo' AND EXISTS (SELECT 1 FROM public.pauses p WHERE p.tenant_id = p_tenant
                                             AND (p.agent_id IS NULL OR p.agent_id = p_agent)))
$$;

-- The one birth of a run, whoever asks: an event, a schedule's time, a person. The caller has set the tenant and has
-- found that agent and tenant are active. Of the live runs of one agent on one ticket at most one waits for its first
-- start: an event joins that one (p_joins) and leaves it the newest state of the ticket, anybody else is refused.
--   outcome: 'started', 'joined', 'refused', or 'repeated' where p_key was used before.
CREATE FUNCTION start_run(
  p_id uuid, p_tenant text, p_agent uuid, p_trigger uuid, p_version uuid, p_tool text, p_ticket text, p_mode text,
  p_payload jsonb, p_retry_of uuid, p_replay_of uuid, p_key text, p_joins boolean
) RETURNS TABLE (outcome text, execution_id uuid)
LANGUAGE plpgsql AS $$
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
  -- Each count stops at the cap: a tenant with ten thousand runs waiting must not pay for them at each event.
  SELECT count(*) INTO v_inflight FROM (
    (SELECT 1 FROM public.agent_executions x WHERE x.status = 'running' AND x.tenant_id = p_tenant LIMIT v_cap)
    UNION ALL
    (SELECT 1 FROM public.agent_executions x WHERE x.status = 'queued' AND NOT x.parked AND x.tenant_id = p_tenant
      LIMIT v_cap)
  ) inflight;
  -- What PgQueuer held beyond the cap would only be refused at its start, and block its place in the queue meanwhile.
  v_parked := v_inflight >= v_cap OR public.run_is_paused(p_tenant, p_agent, p_mode);
  IF NOT v_parked THEN
    v_tag := public.next_queue_tag(p_tenant, v_weight);
  END IF;

  INSERT INTO public.agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id, tool_type, ticket_ref, lane,
                                       mode, input_payload, retry_of, replay_of, idempotency_key, parked, enqueue_seq,
                                       queue_tag)
  VALUES (p_id, p_tenant, p_agent, p_trigger, p_version, p_tool, p_ticket, public.run_lane(p_tool, p_ticket, p_mode),
          p_mode, p_payload, p_retry_of, p_replay_of, p_key, v_parked, 1, v_tag)
  -- Only a run that never started takes a newer state of the ticket: one that was tried has acted on the state it had.
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
$$;

-- Hands one execution to PgQueuer. The sequence number makes the key of this hand-over unique, so a
-- job that is just finishing does not swallow the next one.
CREATE FUNCTION enqueue_execution(p_execution uuid, p_delay interval DEFAULT '0') RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  v_tenant text;
  v_tag bigint;
  v_seq integer;
BEGIN
  SELECT e.tenant_id, next_queue_tag(e.tenant_id, execution_weight(t.rate_limits)) INTO v_tenant, v_tag
    FROM agent_executions e JOIN tenant_configs t ON t.tenant_id = e.tenant_id WHERE e.id = p_execution;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE agent_executions SET parked = false, enqueue_seq = enqueue_seq + 1, queue_tag = v_tag
   WHERE id = p_execution
   RETURNING enqueue_seq INTO v_seq;
  INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, status)
  VALUES (-v_tag, 'execution', convert_to(v_tenant || ':' || p_execution::text, 'UTF8'), now() + p_delay,
          p_execution::text || ':' || v_seq::text, 'queued')
  ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL DO NOTHING;
END
$$;

-- Hands over parked runs of one tenant, oldest first, as far as slots are free and their ticket is idle. PgQueuer holds
-- no more than can start: what it held beyond would only be refused and parked again.
CREATE FUNCTION promote_executions(p_tenant text) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  v_room integer;
  v_starts integer;
  v_weight double precision;
  v_tag bigint;
  v_stride bigint;
  v_count integer := 0;
  v_is_paused boolean;
  v_paused uuid[];
BEGIN
  IF EXISTS (SELECT 1 FROM installation_pause) THEN
    RETURN 0;
  END IF;
  -- Asked once and not of each run (run_is_paused): thousands may wait for the end of a pause, and the sweep looks every
  -- second.
  SELECT coalesce(bool_or(p.agent_id IS NULL), false),
         coalesce(array_agg(p.agent_id) FILTER (WHERE p.agent_id IS NOT NULL), '{}')
    INTO v_is_paused, v_paused FROM pauses p WHERE p.tenant_id = p_tenant;
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
       AND (e.mode = 'undo' OR NOT v_is_paused AND e.agent_id <> ALL (v_paused))
       AND (v_starts > 0 OR e.attempt > 0)  -- the hourly limit is on runs, not on their tries
       AND (e.lane IS NULL OR (
             NOT EXISTS (SELECT 1 FROM agent_executions r
                          WHERE r.tenant_id = p_tenant AND r.lane = e.lane AND r.status = 'running')
             AND NOT EXISTS (SELECT 1 FROM agent_executions q
                          WHERE q.tenant_id = p_tenant AND q.lane = e.lane AND q.status = 'queued' AND NOT q.parked)))
     ORDER BY e.queued_at, e.id
     LIMIT CASE WHEN v_starts > 0 THEN least(v_room, v_starts) ELSE v_room END
     -- Another transaction is promoting or changing that run; to wait here could wait for each other.
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
$$;

-- Decides whether a worker may run an execution now. The advisory lock is per tenant and its own
-- statement, so the counts after it see every start committed before.
CREATE FUNCTION start_execution(p_tenant text, p_execution uuid, p_worker text, p_stale_seconds double precision)
RETURNS TABLE (verdict text, attempt integer, execution jsonb)
LANGUAGE plpgsql AS $$
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
  -- Also one whose worker died: it goes on from its journal once the pause is over.
  IF run_is_paused(p_tenant, e.agent_id, e.mode) THEN
    UPDATE agent_executions x SET status = 'queued', parked = true, heartbeat_at = NULL, crashes = v_crashes
     WHERE x.id = p_execution;
    PERFORM promote_executions(p_tenant);
    RETURN QUERY SELECT 'parked'::text, e.attempt, NULL::jsonb; RETURN;
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
$$;

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
$$;

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
   -- The attempt twice: of the step, which a later attempt may have begun anew, and of the run, which may have been
   -- lost.
   WHERE y.execution_id = p_execution AND y.step_key = p_key AND y.attempt = p_attempt
     AND x.id = p_execution AND x.attempt = p_attempt AND x.status = 'running';
  RETURN FOUND;
END
$$;

-- Closes the journal of a run that ends, whoever ends it: its worker, a start that finds it cancelled or too often
-- crashed, a person. A trigger, because a write that stayed 'started' would be in doubt for ever and nobody would be
-- told. The worker has asked the desks before (work/settling.py); what is open here nobody could settle, and the run
-- says so.
CREATE FUNCTION close_steps() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_doubts text;
BEGIN
  WITH closed AS (
    UPDATE execution_steps y
       SET state = CASE WHEN y.kind = 'write' OR NOT y.idempotent THEN 'in_doubt' ELSE 'failed' END,
           error = coalesce(y.error, NEW.error_message, 'The run ended here.'), finished_at = clock_timestamp()
     WHERE y.execution_id = NEW.id AND y.state IN ('started', 'in_doubt')
    RETURNING y.state, y.position, y.name || coalesce(' (mark ' || y.mark || ')', '') AS what)
  SELECT string_agg(c.what, ', ' ORDER BY c.position) INTO v_doubts FROM closed c WHERE c.state = 'in_doubt';
  IF v_doubts IS NOT NULL THEN
    NEW.error_message := concat_ws(' ', NEW.error_message, 'Nobody knows whether this was done: ' || v_doubts || '.');
  END IF;
  RETURN NEW;
END
$$;

-- A count that a model's journaled answer holds at a path; 0 where it says none. Bounded, since no figure of a gateway
-- may keep a run from ending.
CREATE FUNCTION call_tokens(p_output jsonb, p_path text[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN jsonb_typeof(p_output #> p_path) = 'number'
              THEN greatest(0, least((p_output #>> p_path)::numeric, 2147483647))::bigint ELSE 0 END
$$;

-- Ends a run, or hands it back for another try, and fills the slot it frees. Fenced.
CREATE FUNCTION finish_execution(
  p_tenant text, p_execution uuid, p_attempt integer, p_status text, p_output jsonb, p_error_code text,
  p_error_message text, p_delay_seconds double precision
) RETURNS TABLE (applied boolean, promoted integer)
LANGUAGE plpgsql AS $$
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
                                    'cached_tokens', coalesce(sum(call_tokens(output, '{usage,cache_read_tokens}'))
                                                              FILTER (WHERE kind = 'model'), 0),
                                    'reasoning_tokens',
                                    coalesce(sum(call_tokens(output, '{usage,details,reasoning_tokens}'))
                                             FILTER (WHERE kind = 'model'), 0),
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
$$;

-- Tells the run of an agent that waits for its ticket's requester that something happened there which may be the answer.
-- The run itself reads the ticket and decides: an event is a hint, and one of them may come twice, late or not at all.
-- A run that is still on its way to waiting is left a word, which finish_execution reads under the same row lock.
CREATE FUNCTION wake_listener(p_tenant text, p_agent uuid, p_tool text, p_ticket text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_id uuid;
  v_wakes boolean;
BEGIN
  PERFORM public.demand_process('door', 'worker');
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  SELECT x.id, x.status = 'waiting' AND x.error_code = 'requester' INTO v_id, v_wakes
    FROM public.agent_executions x
   WHERE x.tenant_id = p_tenant AND x.agent_id = p_agent AND x.tool_type = p_tool AND x.ticket_ref = p_ticket
     AND x.listens_until IS NOT NULL AND x.status IN ('queued', 'running', 'waiting')
     FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  UPDATE public.agent_executions x SET heard = true WHERE x.id = v_id;
  IF v_wakes THEN
    -- As many tries as a new run has, since a chatty ticket may wake it often.
    UPDATE public.agent_executions x
       SET status = 'queued', parked = true, not_before = NULL, error_code = NULL, error_message = NULL, crashes = 0,
           max_attempts = x.attempt + 15
     WHERE x.id = v_id;
    PERFORM public.promote_executions(p_tenant);
  END IF;
  RETURN v_id;
END
$$;

-- Keeps a worker's runs alive; returns those it still owns. A run that is missing from the answer is lost.
CREATE FUNCTION heartbeat_executions(p_worker text, p_ids uuid[], p_attempts integer[])
RETURNS TABLE (execution_id uuid)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH mine AS (
    SELECT x.id FROM public.agent_executions x JOIN unnest(p_ids, p_attempts) AS m (id, attempt) ON m.id = x.id
     WHERE public.demand_process('worker') AND x.attempt = m.attempt AND x.status = 'running' AND x.worker_id = p_worker
     ORDER BY x.tenant_id COLLATE "C", x.id FOR NO KEY UPDATE OF x)  -- as the workers sort what they send together
  UPDATE public.agent_executions x SET heartbeat_at = clock_timestamp() FROM mine WHERE x.id = mine.id
  RETURNING x.id
$$;

-- A worker says that it lives, and how much it has to do; what people see of it, while its runs live by their own
-- heartbeats. Whoever was silent for a day is forgotten.
CREATE FUNCTION show_worker(p_worker text, p_slots integer, p_running integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM public.demand_process('worker');
  INSERT INTO public.workers AS w (worker_id, slots, running) VALUES (p_worker, p_slots, p_running)
  ON CONFLICT (worker_id) DO UPDATE SET slots = excluded.slots, running = excluded.running, seen_at = clock_timestamp();
  DELETE FROM public.workers w WHERE w.seen_at < clock_timestamp() - interval '1 day';
END
$$;

-- A worker that stops says so, and is seen no more.
CREATE FUNCTION forget_worker(p_worker text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  PERFORM public.demand_process('worker');
  DELETE FROM public.workers w WHERE w.worker_id = p_worker;
END
$$;

-- How many runs of all tenants wait: handed over to PgQueuer, and parked. For the metrics of API and workers.
CREATE FUNCTION queue_depth(OUT queued bigint, OUT parked bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT count(*) FILTER (WHERE NOT x.parked), count(*) FILTER (WHERE x.parked)
    FROM public.agent_executions x WHERE public.demand_process('door', 'worker') AND x.status = 'queued'
$$;

-- Heals what no transaction could: runs of dead workers, queued runs that PgQueuer does not hold,
-- parked runs beside free slots. Returns how many were handed over.
CREATE FUNCTION sweep_executions(p_stale_seconds double precision) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
$$;

-- The four statements of a run, each for many runs at once: what a worker sends while a commit is under way goes out
-- together. Rows come sorted by tenant and execution (code points), so that all lock them in one order.
CREATE FUNCTION start_executions(p_rows jsonb)
RETURNS TABLE (ordinal bigint, verdict text, attempt integer, execution jsonb)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT r.ordinal, a.verdict, a.attempt, a.execution
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, worker text, stale_seconds double precision)) WITH ORDINALITY
         AS r (tenant, execution, worker, stale_seconds, ordinal),
         LATERAL start_execution(r.tenant, r.execution, r.worker, r.stale_seconds) a
   WHERE demand_process('worker')
$$;

CREATE FUNCTION begin_steps(p_rows jsonb) RETURNS TABLE (ordinal bigint, verdict text, output jsonb)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT r.ordinal, a.verdict, a.output
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, attempt integer, key text, kind text, name text, idempotent boolean, mark text,
           input jsonb)) WITH ORDINALITY
         AS r (tenant, execution, attempt, key, kind, name, idempotent, mark, input, ordinal),
         LATERAL begin_step(r.tenant, r.execution, r.attempt, r.key, r.kind, r.name, r.idempotent, r.mark, r.input) a
   WHERE demand_process('worker')
$$;

CREATE FUNCTION end_steps(p_rows jsonb) RETURNS TABLE (ordinal bigint, kept boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT r.ordinal, a.kept
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, attempt integer, key text, state text, output jsonb, error text,
           tokens_in integer, tokens_out integer, cost numeric)) WITH ORDINALITY
         AS r (tenant, execution, attempt, key, state, output, error, tokens_in, tokens_out, cost, ordinal),
         LATERAL end_step(r.tenant, r.execution, r.attempt, r.key, r.state, r.output, r.error, r.tokens_in,
                          r.tokens_out, r.cost) AS a (kept)
   WHERE demand_process('worker')
$$;

CREATE FUNCTION finish_executions(p_rows jsonb) RETURNS TABLE (ordinal bigint, applied boolean, promoted integer)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT r.ordinal, a.applied, a.promoted
    FROM ROWS FROM (jsonb_to_recordset(p_rows) AS (
           tenant text, execution uuid, attempt integer, status text, output jsonb, error_code text,
           error_message text, delay_seconds double precision)) WITH ORDINALITY
         AS r (tenant, execution, attempt, status, output, error_code, error_message, delay_seconds, ordinal),
         LATERAL finish_execution(r.tenant, r.execution, r.attempt, r.status, r.output, r.error_code,
                                  r.error_message, r.delay_seconds) a
   WHERE demand_process('worker')
$$;

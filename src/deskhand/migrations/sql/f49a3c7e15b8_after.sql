CREATE OR REPLACE FUNCTION public.run_is_paused(p_tenant text, p_agent uuid, p_mode text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  SELECT EXISTS (SELECT 1 FROM public.installation_pause)
         OR (p_mode <> 'undo' AND EXISTS (SELECT 1 FROM public.pauses p WHERE p.tenant_id = p_tenant
                                             AND (p.agent_id IS NULL OR p.agent_id = p_agent)))
$function$
;;
REVOKE ALL ON FUNCTION run_is_paused(text, uuid, text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION run_is_paused(text, uuid, text) TO deskhand_app, deskhand_platform
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
$function$
;;
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
$function$
;;
CREATE OR REPLACE FUNCTION public.show_worker(p_worker text, p_slots integer, p_running integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
  PERFORM public.demand_process('worker');
  INSERT INTO public.workers AS w (worker_id, slots, running) VALUES (p_worker, p_slots, p_running)
  ON CONFLICT (worker_id) DO UPDATE SET slots = excluded.slots, running = excluded.running, seen_at = clock_timestamp();
  DELETE FROM public.workers w WHERE w.seen_at < clock_timestamp() - interval '1 day';
END
$function$
;;
REVOKE ALL ON FUNCTION show_worker(text, integer, integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION show_worker(text, integer, integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION show_worker(text, integer, integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.forget_worker(p_worker text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
  PERFORM public.demand_process('worker');
  DELETE FROM public.workers w WHERE w.worker_id = p_worker;
END
$function$
;;
REVOKE ALL ON FUNCTION forget_worker(text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION forget_worker(text) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION forget_worker(text) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.schedule_delay()
 RETURNS double precision
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT extract(epoch FROM g.next_fire_at - now())::double precision FROM public.agent_triggers g
   WHERE public.demand_process('worker') AND g.next_fire_at IS NOT NULL AND NOT g.is_paused
     AND NOT EXISTS (SELECT 1 FROM public.installation_pause)
     AND NOT public.run_is_paused(g.tenant_id, g.agent_id, 'live')
   ORDER BY g.next_fire_at LIMIT 1
$function$
;;
CREATE OR REPLACE FUNCTION public.due_schedules(p_limit integer)
 RETURNS TABLE(trigger_id uuid, cron text, zone text, policy text, max_age_seconds integer, next_fire_at timestamp with time zone, live boolean, at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
  PERFORM public.demand_process('worker');
  -- A worker that freezes here would hold its triggers; the server then ends the transaction for it.
  PERFORM set_config('idle_in_transaction_session_timeout', '5s', true);
  RETURN QUERY
  SELECT g.id, g.schedule_cron::text, g.schedule_timezone::text, g.misfire_policy::text, g.misfire_max_age_seconds,
         g.next_fire_at, a.status = 'active' AND t.is_active, now()
    FROM public.agent_triggers g
    JOIN public.agents a ON a.tenant_id = g.tenant_id AND a.id = g.agent_id
    JOIN public.tenant_configs t ON t.tenant_id = g.tenant_id
   WHERE g.next_fire_at <= now() AND NOT g.is_paused AND g.trigger_type = 'schedule'
     -- Left as they are: once the pause is over, its times are missed ones, and the trigger's policy decides.
     AND NOT public.run_is_paused(g.tenant_id, g.agent_id, 'live')
   ORDER BY g.next_fire_at
   LIMIT p_limit
     FOR NO KEY UPDATE OF g SKIP LOCKED
     FOR SHARE OF a SKIP LOCKED;
END
$function$

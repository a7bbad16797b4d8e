-- Schedules: any number of workers look for due triggers, and each instant of each trigger fires once.
--
-- The cron expression is read in Python, between due_schedules and fire_schedules, in one transaction. All three
-- functions cross tenants. They answer ids, cron expressions and times alone, and start only what the stored rows say
-- is due: a caller can choose neither the agent, nor its version, nor the input. All ask for a worker's proof.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- Seconds until the next instant of any schedule; negative if it is due, NULL if there is none. Those whose agents
-- are paused do not count, or workers would look for them without a rest.
CREATE FUNCTION schedule_delay() RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT extract(epoch FROM g.next_fire_at - now())::double precision FROM public.agent_triggers g
   WHERE public.demand_process('worker') AND g.next_fire_at IS NOT NULL AND NOT g.is_paused
     AND NOT EXISTS (SELECT 1 FROM public.installation_pause)
     AND NOT public.run_is_paused(g.tenant_id, g.agent_id, 'live')
   ORDER BY g.next_fire_at LIMIT 1
$$;

-- Takes due triggers, oldest first, for the length of the caller's transaction; what another one holds is
-- left to it. The agent is locked too, so that it cannot be changed or suspended between here and the firing, and
-- so that a change of the agent (agent first, then trigger) and a scheduler never wait for each other.
-- NO KEY UPDATE is enough: foreign keys of executions then do not wait for us.
CREATE FUNCTION due_schedules(p_limit integer)
RETURNS TABLE (trigger_id uuid, cron text, zone text, policy text, max_age_seconds integer,
               next_fire_at timestamptz, live boolean, at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
$$;

-- Records instants, starts a run for each that fires, and moves the triggers on; one transaction with
-- due_schedules. An instant that is recorded already, or is not due, or whose agent is not active, starts nothing.
CREATE FUNCTION fire_schedules(
  p_triggers uuid[], p_instants timestamptz[], p_outcomes text[], p_moved uuid[], p_next timestamptz[]
) RETURNS TABLE (fired integer, skipped integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
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
                                    -- The database's own bounds: a caller could otherwise name an instant to start a
                                    -- run that is not due.
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
    -- UTC, since it is part of the key that makes an instant start one run; two zones would make two keys.
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
$$;

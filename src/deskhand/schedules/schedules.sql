-- Schedules: any number of workers look for due triggers, and each instant of each trigger fires once.
--
-- The cron expression is read in Python, between due_schedules and fire_schedules, in one transaction. All three
-- functions cross tenants. They answer ids, cron expressions and times alone, and start only what the stored rows say
-- is due: a caller can choose neither the agent, nor its version, nor the input.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- Seconds until the next instant of any schedule; negative if it is due, NULL if there is none.
CREATE FUNCTION schedule_delay() RETURNS double precision
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT extract(epoch FROM min(g.next_fire_at) - now())::double precision FROM public.agent_triggers g
   WHERE g.next_fire_at IS NOT NULL AND NOT g.is_paused
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
$$;

-- Records instants, starts an execution for each that fires, and moves the triggers on; one transaction with
-- due_schedules. An instant that is recorded already, or is not due, or whose agent is not active, starts nothing.
CREATE FUNCTION fire_schedules(
  p_triggers uuid[], p_instants timestamptz[], p_outcomes text[], p_moved uuid[], p_next timestamptz[]
) RETURNS TABLE (fired integer, skipped integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_fired integer;
  v_skipped integer;
  v_tenants text[];
  v_tenant text;
BEGIN
  WITH wanted AS (
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
    SELECT w.tenant_id, w.trigger_id, w.instant, w.outcome, w.execution_id, clock_timestamp() FROM wanted w
    ON CONFLICT (trigger_id, fire_at) DO NOTHING
    RETURNING trigger_id, fire_at, outcome
  ), started AS (
    -- Parked at first: how many of them may be handed over at once, promote_executions knows.
    INSERT INTO public.agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id, parked, input_payload,
                                         idempotency_key)
    SELECT w.execution_id, w.tenant_id, w.agent_id, w.trigger_id, w.version_id, true,
           jsonb_build_object('schedule', jsonb_build_object(
             'trigger_id', w.trigger_id, 'cron', w.schedule_cron, 'timezone', w.schedule_timezone,
             'fire_at', to_char(w.instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))),
           'schedule/' || w.trigger_id::text || '/' || to_char(w.instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
      FROM recorded r JOIN wanted w ON w.trigger_id = r.trigger_id AND w.instant = r.fire_at
     WHERE r.outcome = 'fired'
    ON CONFLICT DO NOTHING
    RETURNING tenant_id
  )
  SELECT (SELECT count(*) FROM started), (SELECT count(*) FROM recorded r WHERE r.outcome = 'skipped'),
         (SELECT array_agg(DISTINCT s.tenant_id::text) FROM started s)
    INTO v_fired, v_skipped, v_tenants;

  UPDATE public.agent_triggers g SET next_fire_at = m.next
    FROM unnest(p_moved, p_next) AS m (trigger_id, next)
   WHERE g.id = m.trigger_id AND g.next_fire_at <= now();

  FOREACH v_tenant IN ARRAY coalesce(v_tenants, '{}') LOOP
    PERFORM public.promote_executions(v_tenant);
  END LOOP;
  RETURN QUERY SELECT v_fired, v_skipped;
END
$$;

DROP FUNCTION run_lane(text, text, text)
;;
DROP FUNCTION start_run(uuid, text, uuid, uuid, uuid, text, text, text, jsonb, uuid, uuid, text, boolean)
;;
CREATE OR REPLACE FUNCTION public.accept_event(p_tenant text, p_agent uuid, p_trigger uuid, p_revision integer, p_delivery text, p_scheme text, p_event text, p_tool text, p_ticket text, p_marks text[], p_body_sha256 text, p_body_bytes integer, p_payload jsonb)
 RETURNS TABLE(outcome text, execution_id uuid, reason text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  v_version uuid;
  v_cap integer;
  v_weight double precision;
  v_inflight integer;
  v_tag bigint := 0;
  v_execution uuid := gen_random_uuid();
  v_lane text := CASE WHEN p_ticket IS NULL THEN NULL ELSE p_tool || '/' || p_ticket END;
  v_delivery uuid;
  v_parked boolean;
  v_inserted boolean;
  v_echo boolean := false;
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  SELECT v.id, execution_caps(t.rate_limits), execution_weight(t.rate_limits) INTO v_version, v_cap, v_weight
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

  SELECT count(*) INTO v_inflight FROM (
    (SELECT 1 FROM agent_executions WHERE status = 'running' AND tenant_id = p_tenant LIMIT v_cap)
    UNION ALL
    (SELECT 1 FROM agent_executions WHERE status = 'queued' AND NOT parked AND tenant_id = p_tenant LIMIT v_cap)
  ) inflight;
  v_parked := v_inflight >= v_cap;
  IF NOT v_parked THEN
    v_tag := next_queue_tag(p_tenant, v_weight);
  END IF;

  INSERT INTO agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id, tool_type, ticket_ref, lane,
                                input_payload, parked, enqueue_seq, queue_tag)
  VALUES (v_execution, p_tenant, p_agent, p_trigger, v_version, p_tool, p_ticket, v_lane, p_payload, v_parked, 1, v_tag)
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
    VALUES (-v_tag, 'execution', convert_to(p_tenant || ':' || v_execution::text, 'UTF8'), v_execution::text || ':1',
            'queued');
  END IF;
  RETURN QUERY SELECT 'accepted'::text, v_execution, NULL::text;
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
$function$

CREATE OR REPLACE FUNCTION public.run_lane(p_tool text, p_ticket text, p_mode text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN p_mode = 'live' THEN p_tool || '/' || p_ticket END
$function$
;;
REVOKE ALL ON FUNCTION run_lane(text, text, text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION run_lane(text, text, text) TO deskhand_app, deskhand_platform
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
REVOKE ALL ON FUNCTION start_run(uuid, text, uuid, uuid, uuid, text, text, text, jsonb, uuid, uuid, text, boolean) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION start_run(uuid, text, uuid, uuid, uuid, text, text, text, jsonb, uuid, uuid, text, boolean) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.accept_event(p_tenant text, p_agent uuid, p_trigger uuid, p_revision integer, p_delivery text, p_scheme text, p_event text, p_tool text, p_ticket text, p_marks text[], p_body_sha256 text, p_body_bytes integer, p_payload jsonb)
 RETURNS TABLE(outcome text, execution_id uuid, reason text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  v_version uuid;
  v_execution uuid := gen_random_uuid();
  v_birth text;
  v_delivery uuid;
  v_echo boolean := false;
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

  IF cardinality(p_marks) > 0 THEN
    SELECT EXISTS (SELECT 1 FROM execution_steps y WHERE y.tenant_id = p_tenant AND y.mark = ANY (p_marks)) INTO v_echo;
  END IF;
  IF v_echo THEN
    UPDATE webhook_deliveries d SET outcome = 'ignored', execution_id = NULL, reason = 'our own write, coming back'
     WHERE d.id = v_delivery;
    RETURN QUERY SELECT 'ignored'::text, NULL::uuid, 'our own write, coming back'::text;
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

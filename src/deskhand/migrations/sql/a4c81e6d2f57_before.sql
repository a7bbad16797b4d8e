DROP FUNCTION find_webhook_triggers(uuid)
;;
DROP FUNCTION find_tenant_hook(text, text)
;;
DROP FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb, jsonb, jsonb)
;;
DROP FUNCTION record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer, jsonb)
;;
CREATE OR REPLACE FUNCTION public.record_delivery(p_tenant text, p_trigger uuid, p_delivery text, p_outcome text, p_reason text, p_status integer, p_scheme text, p_event text, p_tool text, p_ticket text, p_body_sha256 text, p_body_bytes integer)
 RETURNS TABLE(outcome text, execution_id uuid, reason text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
BEGIN
  PERFORM demand_process('door', 'worker');
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
GRANT EXECUTE ON FUNCTION record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION record_delivery(text, uuid, text, text, text, integer, text, text, text, text, text, integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.find_webhook_triggers(p_agent_id uuid)
 RETURNS TABLE(trigger_id uuid, tenant_id character varying, agent_id uuid, agent_name character varying, agent_status character varying, current_version integer, agent_revision integer, webhook_url character varying, hmac_secret text, previous_hmac_secret text, previous_hmac_secret_expires_at timestamp with time zone, is_paused boolean, payload_schema jsonb, tool_ids text[], tool_type character varying, tenant_is_active boolean, webhook_signing_secret_encrypted text, rate_limits jsonb, note_word character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT t.id, t.tenant_id, a.id, a.name, a.status, a.current_version, a.revision, t.webhook_url, t.hmac_secret,
                   t.previous_hmac_secret, t.previous_hmac_secret_expires_at, t.is_paused, t.payload_schema,
                   ARRAY(SELECT o.tool_id::text FROM agent_tools o WHERE o.agent_id = a.id ORDER BY o.tool_id),
                   c.tool_type, c.is_active, c.webhook_signing_secret_encrypted, c.rate_limits, t.note_word
      FROM agent_triggers t
              JOIN agents a ON a.id = t.agent_id
              JOIN tenant_configs c ON c.tenant_id = t.tenant_id
     WHERE public.demand_process('door', 'worker') AND t.agent_id = p_agent_id AND t.trigger_type = 'webhook'
     ORDER BY t.created_at, t.id
$function$
;;
REVOKE ALL ON FUNCTION find_webhook_triggers(uuid) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_webhook_triggers(uuid) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION find_webhook_triggers(uuid) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.find_tenant_hook(p_tenant_id text, p_tool_type text)
 RETURNS TABLE(trigger_id uuid, tenant_id character varying, agent_id uuid, agent_name character varying, agent_status character varying, current_version integer, agent_revision integer, webhook_url character varying, hmac_secret text, previous_hmac_secret text, previous_hmac_secret_expires_at timestamp with time zone, is_paused boolean, payload_schema jsonb, tool_ids text[], tool_type character varying, tenant_is_active boolean, webhook_signing_secret_encrypted text, rate_limits jsonb, note_word character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT t.id, t.tenant_id, a.id, a.name, a.status, a.current_version, a.revision, t.webhook_url, t.hmac_secret,
                   t.previous_hmac_secret, t.previous_hmac_secret_expires_at, t.is_paused, t.payload_schema,
                   ARRAY(SELECT o.tool_id::text FROM agent_tools o WHERE o.agent_id = a.id ORDER BY o.tool_id),
                   c.tool_type, c.is_active, c.webhook_signing_secret_encrypted, c.rate_limits, t.note_word
      FROM agent_triggers t
              JOIN agents a ON a.id = t.agent_id
              JOIN tenant_configs c ON c.tenant_id = t.tenant_id
     WHERE public.demand_process('door', 'worker') AND t.tenant_id = p_tenant_id AND t.trigger_type = 'webhook'
       AND EXISTS (SELECT 1 FROM agent_tools o WHERE o.agent_id = a.id AND o.tool_id = p_tool_type)
     ORDER BY t.created_at, t.id
$function$
;;
REVOKE ALL ON FUNCTION find_tenant_hook(text, text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_tenant_hook(text, text) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION find_tenant_hook(text, text) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.accept_event(p_tenant text, p_agent uuid, p_trigger uuid, p_revision integer, p_delivery text, p_scheme text, p_event text, p_tool text, p_ticket text, p_body_sha256 text, p_body_bytes integer, p_payload jsonb, p_change jsonb)
 RETURNS TABLE(outcome text, execution_id uuid, reason text)
 LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
  v_continued uuid;
  v_reason text;
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

  -- First of all: the unique row is what makes one of two that bring the same delivery at once wait, and then find it.
  INSERT INTO webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, http_status, scheme, event, tool_type,
                                  ticket_ref, body_sha256, body_bytes, execution_id)
  VALUES (p_tenant, p_trigger, p_delivery, 'accepted', 202, p_scheme, p_event, p_tool, p_ticket, p_body_sha256,
          p_body_bytes, v_execution)
  ON CONFLICT (trigger_id, delivery_id) WHERE outcome <> 'rejected' DO NOTHING
  RETURNING id INTO v_delivery;
  -- A redelivery gets the first answer again; a rejected one is no answer, for nothing proved who sent it.
  IF v_delivery IS NULL THEN
    RETURN QUERY SELECT d.outcome::text, d.execution_id, d.reason FROM webhook_deliveries d
      WHERE d.trigger_id = p_trigger AND d.delivery_id = p_delivery AND d.outcome <> 'rejected';
    RETURN;
  END IF;

  -- What may be the answer that a run of this agent waits for goes to that run, instead of starting another.
  IF p_change IS NOT NULL THEN
    v_continued := coalesce(wake_listener(p_tenant, p_agent, p_tool, p_ticket),
                            find_answered(p_tenant, p_agent, p_tool, p_ticket, p_change));
  END IF;
  IF v_continued IS NOT NULL THEN
    v_reason := 'continued execution ' || v_continued || ', which asked the requester';
    UPDATE webhook_deliveries d SET outcome = 'coalesced', execution_id = v_continued, reason = v_reason
     WHERE d.id = v_delivery;
    RETURN QUERY SELECT 'coalesced'::text, v_continued, v_reason;
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
CREATE OR REPLACE FUNCTION public.accept_events(p_events jsonb)
 RETURNS TABLE(ordinal bigint, outcome text, execution_id uuid, reason text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT e.ordinal, a.outcome, a.execution_id, a.reason
    FROM ROWS FROM (jsonb_to_recordset(p_events) AS (
           tenant text, agent uuid, trigger uuid, revision integer, delivery text, scheme text, event text, tool text,
           ticket text, body_sha256 text, body_bytes integer, payload jsonb, change jsonb)) WITH ORDINALITY
         AS e (tenant, agent, trigger, revision, delivery, scheme, event, tool, ticket, body_sha256, body_bytes,
               payload, change, ordinal),
         LATERAL accept_event(e.tenant, e.agent, e.trigger, e.revision, e.delivery, e.scheme, e.event, e.tool, e.ticket,
                              e.body_sha256, e.body_bytes, e.payload, nullif(e.change, 'null'::jsonb)) a
   WHERE demand_process('door', 'worker')
$function$
;;
REVOKE ALL ON FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb, jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb, jsonb) TO deskhand_app, deskhand_platform

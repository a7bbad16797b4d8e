DROP FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb)
;;
DROP FUNCTION writes_on_ticket(text, text, text, integer)
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
REVOKE ALL ON FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text[], text, integer, jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text[], text, integer, jsonb) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.accept_events(p_events jsonb)
 RETURNS TABLE(ordinal bigint, outcome text, execution_id uuid, reason text)
 LANGUAGE sql
AS $function$
  SELECT e.ordinal, a.outcome, a.execution_id, a.reason
    FROM ROWS FROM (jsonb_to_recordset(p_events) AS (
           tenant text, agent uuid, trigger uuid, revision integer, delivery text, scheme text, event text, tool text,
           ticket text, marks text[], body_sha256 text, body_bytes integer, payload jsonb)) WITH ORDINALITY
         AS e (tenant, agent, trigger, revision, delivery, scheme, event, tool, ticket, marks, body_sha256, body_bytes,
               payload, ordinal),
         LATERAL accept_event(e.tenant, e.agent, e.trigger, e.revision, e.delivery, e.scheme, e.event, e.tool, e.ticket,
                              e.marks, e.body_sha256, e.body_bytes, e.payload) a
$function$

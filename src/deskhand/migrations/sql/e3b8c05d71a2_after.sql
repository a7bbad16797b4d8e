DROP FUNCTION find_webhook_triggers(uuid)
;;
DROP FUNCTION find_tenant_hook(text, text)
;;
DROP FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb)
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
  IF e.cancel_requested_at IS NOT NULL OR v_agent_status IN ('suspended', 'inactive') OR NOT v_active THEN
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
CREATE OR REPLACE FUNCTION public.finish_execution(p_tenant text, p_execution uuid, p_attempt integer, p_status text, p_output jsonb, p_error_code text, p_error_message text, p_delay_seconds double precision)
 RETURNS TABLE(applied boolean, promoted integer)
 LANGUAGE plpgsql
AS $function$
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
                                    'model_calls', count(*) FILTER (WHERE kind = 'model')) AS usage,
                 -- one unknown price makes the whole cost unknown, never smaller
                 CASE WHEN count(*) FILTER (WHERE kind = 'model') > 0
                       AND count(*) FILTER (WHERE kind = 'model' AND cost_usd IS NULL AND state = 'finished') = 0
                      THEN coalesce(sum(cost_usd), 0) END AS cost
            FROM execution_steps WHERE execution_id = p_execution) s
   WHERE x.id = p_execution;
  UPDATE execution_steps y SET state = 'failed', error = coalesce(y.error, p_error_message, 'The run ended here.'),
         finished_at = clock_timestamp()
   WHERE y.execution_id = p_execution AND y.state = 'started' AND y.idempotent
     AND (p_status <> 'waiting' OR v_status = 'cancelled');
  v_promoted := promote_executions(p_tenant);
  RETURN QUERY SELECT true, v_promoted;
END
$function$
;;
CREATE OR REPLACE FUNCTION public.wake_listener(p_tenant text, p_agent uuid, p_tool text, p_ticket text)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$
;;
REVOKE ALL ON FUNCTION wake_listener(text, uuid, text, text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION wake_listener(text, uuid, text, text) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION wake_listener(text, uuid, text, text) OWNER TO deskhand_platform
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
CREATE OR REPLACE FUNCTION public.find_answered(p_tenant text, p_agent uuid, p_tool text, p_ticket text, p_change jsonb)
 RETURNS uuid
 LANGUAGE sql
 STABLE
AS $function$
  SELECT x.id FROM agent_executions x
   WHERE x.tenant_id = p_tenant AND x.agent_id = p_agent AND x.tool_type = p_tool AND x.ticket_ref = p_ticket
     AND x.answered IS NOT NULL
     AND CASE WHEN p_change ->> 'note' IS NOT NULL THEN (x.answered -> 'notes') ? (p_change ->> 'note')
              ELSE p_change ->> 'revision' = x.answered ->> 'revision'
                   OR (p_change ->> 'at')::timestamptz < (x.answered ->> 'at')::timestamptz END
   ORDER BY x.queued_at DESC LIMIT 1
$function$
;;
REVOKE ALL ON FUNCTION find_answered(text, uuid, text, text, jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_answered(text, uuid, text, text, jsonb) TO deskhand_app, deskhand_platform
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
REVOKE ALL ON FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb, jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION accept_event(text, uuid, uuid, integer, text, text, text, text, text, text, integer, jsonb, jsonb) TO deskhand_app, deskhand_platform
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

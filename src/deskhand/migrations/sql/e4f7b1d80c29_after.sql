CREATE OR REPLACE FUNCTION public.keep_failure()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF NEW.status <> 'failed' THEN
    DELETE FROM enhancement_history e WHERE e.tenant_id = NEW.tenant_id AND e.id = NEW.id AND e.status = 'failed';
    RETURN NULL;
  END IF;
  INSERT INTO enhancement_history AS e
         (id, tenant_id, ticket_id, status, context_gathered, error_message, processing_time_ms, completed_at)
  VALUES (NEW.id, NEW.tenant_id, NEW.ticket_ref, 'failed',
          jsonb_build_object('agent_id', NEW.agent_id, 'tool_type', NEW.tool_type, 'error_code', NEW.error_code),
          NEW.error_message,
          least(2147483647, greatest(0, extract(epoch FROM NEW.completed_at - NEW.started_at) * 1000))::integer,
          NEW.completed_at)
  ON CONFLICT (id) DO UPDATE
     SET error_message = EXCLUDED.error_message, context_gathered = EXCLUDED.context_gathered,
         processing_time_ms = EXCLUDED.processing_time_ms, completed_at = EXCLUDED.completed_at
   WHERE e.status = 'failed';
  RETURN NULL;
END
$function$

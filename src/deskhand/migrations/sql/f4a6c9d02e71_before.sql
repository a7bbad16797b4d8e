DROP FUNCTION heartbeat_executions(text, uuid[], integer[])
;;
CREATE OR REPLACE FUNCTION public.heartbeat_executions(p_worker text, p_ids uuid[], p_attempts integer[])
 RETURNS TABLE(execution_id uuid, cancel_requested boolean)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  WITH mine AS (
    SELECT x.id FROM public.agent_executions x JOIN unnest(p_ids, p_attempts) AS m (id, attempt) ON m.id = x.id
     WHERE public.demand_process('worker') AND x.attempt = m.attempt AND x.status = 'running' AND x.worker_id = p_worker
     ORDER BY x.tenant_id COLLATE "C", x.id FOR NO KEY UPDATE OF x)  -- as the workers sort what they send together
  UPDATE public.agent_executions x SET heartbeat_at = clock_timestamp() FROM mine WHERE x.id = mine.id
  RETURNING x.id, x.cancel_requested_at IS NOT NULL
$function$
;;
REVOKE ALL ON FUNCTION heartbeat_executions(text, uuid[], integer[]) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION heartbeat_executions(text, uuid[], integer[]) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION heartbeat_executions(text, uuid[], integer[]) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

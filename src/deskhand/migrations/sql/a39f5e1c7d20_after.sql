CREATE OR REPLACE FUNCTION public.tenants_due_history(p_limit integer)
 RETURNS TABLE(tenant_id character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT t.tenant_id FROM tenant_configs t
     WHERE demand_process('worker') AND t.history_due_at <= clock_timestamp() AND t.is_active
     ORDER BY t.history_due_at LIMIT p_limit
$function$
;;
REVOKE ALL ON FUNCTION tenants_due_history(integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION tenants_due_history(integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION tenants_due_history(integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.tenants_to_refresh(p_limit integer)
 RETURNS TABLE(tenant_id character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT r.tenant_id FROM history_refreshes r JOIN tenant_configs t ON t.tenant_id = r.tenant_id
     WHERE demand_process('worker') AND r.due_at <= clock_timestamp() AND t.is_active
     GROUP BY r.tenant_id ORDER BY min(r.due_at) LIMIT p_limit
$function$
;;
REVOKE ALL ON FUNCTION tenants_to_refresh(integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION tenants_to_refresh(integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION tenants_to_refresh(integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.claim_knowledge_job(p_lease double precision)
 RETURNS TABLE(tenant_id character varying, id uuid, attempt integer)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
#variable_conflict use_column
BEGIN
  PERFORM demand_process('worker');
  RETURN QUERY
  UPDATE knowledge_jobs k
     SET state = 'running', attempt = k.attempt + 1, updated_at = clock_timestamp(),
         lease_until = clock_timestamp() + make_interval(secs => p_lease)
   WHERE k.id = (
     SELECT j.id FROM knowledge_jobs j JOIN tenant_configs t ON t.tenant_id = j.tenant_id AND t.is_active
      WHERE (j.state = 'queued' AND j.not_before <= clock_timestamp())
         OR (j.state = 'running' AND j.lease_until < clock_timestamp())
      ORDER BY j.not_before LIMIT 1 FOR UPDATE OF j SKIP LOCKED)
  RETURNING k.tenant_id, k.id, k.attempt;
END
$function$
;;
REVOKE ALL ON FUNCTION claim_knowledge_job(double precision) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION claim_knowledge_job(double precision) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION claim_knowledge_job(double precision) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.find_desk_secret(p_tenant text, p_tool text)
 RETURNS TABLE(tenant_id character varying, webhook_signing_secret_encrypted text, rate_limits jsonb)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT t.tenant_id, t.webhook_signing_secret_encrypted, t.rate_limits FROM tenant_configs t
     WHERE demand_process('door') AND t.tenant_id = p_tenant AND t.is_active AND p_tool <> ''
$function$
;;
REVOKE ALL ON FUNCTION find_desk_secret(text, text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_desk_secret(text, text) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION find_desk_secret(text, text) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.touch_history(p_events jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  v_count integer;
BEGIN
  PERFORM demand_process('door', 'worker');
  INSERT INTO history_refreshes (tenant_id, tool_type, ticket_id)
  SELECT DISTINCT e.tenant, e.tool, e.ticket
    FROM jsonb_to_recordset(p_events) AS e (tenant text, tool text, ticket text, ended boolean)
    JOIN tenant_configs t ON t.tenant_id = e.tenant
   WHERE e.ended OR EXISTS (
           SELECT 1 FROM ticket_history h
            WHERE h.tenant_id = e.tenant AND h.tool_type = e.tool AND h.ticket_id = e.ticket)
      OR EXISTS (
           SELECT 1 FROM ticket_history h
            WHERE h.tenant_id = e.tenant AND h.tool_type = e.tool AND h.desk_id = e.ticket)
   ORDER BY 1, 2, 3
  ON CONFLICT (tenant_id, tool_type, ticket_id)
  DO UPDATE SET asks = history_refreshes.asks + 1, due_at = clock_timestamp();
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END
$function$
;;
REVOKE ALL ON FUNCTION touch_history(jsonb) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION touch_history(jsonb) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION touch_history(jsonb) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

CREATE OR REPLACE FUNCTION public.tenants_in_lab(p_limit integer)
 RETURNS TABLE(tenant_id character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT r.tenant_id FROM lab_runs r JOIN tenant_configs t ON t.tenant_id = r.tenant_id
     WHERE demand_process('worker') AND r.state = 'running' AND t.is_active
     GROUP BY r.tenant_id ORDER BY min(coalesce(r.stepped_at, r.created_at)) LIMIT p_limit
$function$
;;
REVOKE ALL ON FUNCTION tenants_in_lab(integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION tenants_in_lab(integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION tenants_in_lab(integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

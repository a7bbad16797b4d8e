CREATE OR REPLACE FUNCTION public.tenants_to_notify(p_limit integer)
 RETURNS TABLE(tenant_id character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT a.tenant_id FROM approvals a JOIN tenant_configs t ON t.tenant_id = a.tenant_id
     WHERE demand_process('worker') AND a.notify_at <= clock_timestamp() AND a.state = 'waiting' AND t.is_active
     GROUP BY a.tenant_id ORDER BY min(a.notify_at) LIMIT p_limit
$function$
;;
REVOKE ALL ON FUNCTION tenants_to_notify(integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION tenants_to_notify(integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION tenants_to_notify(integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.approving_members()
 RETURNS TABLE(user_id uuid, email character varying, role character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT u.id, u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE (SELECT session_proof()) IN ('tenant', 'unsealed')
       AND m.tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '')
       AND m.role IN ('operator', 'tenant_admin') AND u.is_active
$function$
;;
REVOKE ALL ON FUNCTION approving_members() FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION approving_members() TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION approving_members() OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

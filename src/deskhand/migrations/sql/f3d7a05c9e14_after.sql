CREATE OR REPLACE FUNCTION public.find_approval_link(p_secret_hash bytea)
 RETURNS TABLE(tenant_id character varying, approval_id uuid, digest character varying, user_id uuid, email character varying, role character varying, must_sign_in boolean, roles character varying[])
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT n.tenant_id, n.approval_id, n.digest, u.id, u.email, m.role,
           m.provider_id IS NOT NULL OR u.is_platform_admin OR u.is_break_glass OR u.password_hash IS NULL
           OR COALESCE(u.password_vouched_in <> n.tenant_id, false)
           OR EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id),
           (SELECT array_agg(o.role) FROM memberships o WHERE o.user_id = u.id)
      FROM approval_notices n
      JOIN tenant_configs t ON t.tenant_id = n.tenant_id AND t.is_active
      JOIN users u ON u.id = n.user_id AND u.is_active
      JOIN memberships m ON m.user_id = u.id AND m.tenant_id = n.tenant_id AND m.role IN ('operator', 'tenant_admin')
     WHERE n.secret_hash = p_secret_hash
$function$
;;
REVOKE ALL ON FUNCTION find_approval_link(bytea) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_approval_link(bytea) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION find_approval_link(bytea) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

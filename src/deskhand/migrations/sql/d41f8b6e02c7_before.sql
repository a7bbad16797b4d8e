DROP FUNCTION find_user_session(bytea)
;;
CREATE OR REPLACE FUNCTION public.find_user_session(p_secret_hash bytea)
 RETURNS TABLE(id uuid, user_id uuid, email character varying, name character varying, is_platform_admin boolean, tenant_id character varying, role character varying, last_used_at timestamp with time zone, expires_at timestamp with time zone, ended_at timestamp with time zone, tenant_is_active boolean, tenants jsonb, second_factor character varying, has_second_factor boolean, is_break_glass boolean, method character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT s.id, u.id, u.email, u.name, u.is_platform_admin AND v.tenant_id IS NULL, s.current_tenant,
           CASE WHEN NOT u.is_active OR NOT COALESCE(p.is_active, true) THEN NULL
                WHEN s.current_tenant IS DISTINCT FROM COALESCE(v.tenant_id, s.current_tenant) THEN NULL
                WHEN s.current_tenant IS NOT NULL THEN m.role
                WHEN u.is_platform_admin THEN 'platform_admin' END,
           s.last_used_at, s.expires_at, s.ended_at, COALESCE(t.is_active, true),
           (SELECT COALESCE(jsonb_agg(jsonb_build_object('tenant_id', o.tenant_id, 'name', c.name, 'role', o.role)
                                      ORDER BY lower(c.name), o.tenant_id), '[]'::jsonb)
              FROM memberships o JOIN tenant_configs c ON c.tenant_id = o.tenant_id
             WHERE o.user_id = u.id AND o.tenant_id = COALESCE(v.tenant_id, o.tenant_id)),
           s.second_factor, EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id), u.is_break_glass, s.method
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
      LEFT JOIN identity_providers p ON p.id = s.provider_id
     CROSS JOIN LATERAL (
           SELECT CASE s.method WHEN 'password' THEN u.password_vouched_in ELSE p.tenant_id END AS tenant_id) v
      LEFT JOIN memberships m ON m.user_id = u.id AND m.tenant_id = s.current_tenant
      LEFT JOIN tenant_configs t ON t.tenant_id = s.current_tenant
     WHERE s.secret_hash = p_secret_hash
$function$
;;
REVOKE ALL ON FUNCTION find_user_session(bytea) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_user_session(bytea) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION find_user_session(bytea) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

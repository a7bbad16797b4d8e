DROP FUNCTION find_api_key(bytea)
;;
DROP FUNCTION find_user_session(bytea)
;;
DROP FUNCTION session_limit()
;;
CREATE OR REPLACE FUNCTION public.find_api_key(p_key_hash bytea)
 RETURNS TABLE(id uuid, tenant_id character varying, role character varying, prefix character varying, expires_at timestamp with time zone, revoked_at timestamp with time zone, made_with uuid, made_with_platform_key uuid, made_with_user uuid, created_at timestamp with time zone, last_used_at timestamp with time zone, tenant_is_active boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT k.id, k.tenant_id, k.role, k.prefix, LEAST(k.expires_at, o.expires_at),
           LEAST(k.revoked_at, o.revoked_at, p.revoked_at,
                 CASE WHEN k.made_with_user IS NOT NULL AND NOT COALESCE(
                   (SELECT u.is_active AND (u.is_platform_admin OR m.role = 'tenant_admin')
                      FROM users u LEFT JOIN memberships m ON m.user_id = u.id AND m.tenant_id = k.tenant_id
                     WHERE u.id = k.made_with_user), false) THEN k.created_at END),
           k.made_with, k.made_with_platform_key, k.made_with_user, k.created_at, k.last_used_at, t.is_active
      FROM api_keys k
      JOIN tenant_configs t ON t.tenant_id = k.tenant_id
      LEFT JOIN api_keys o ON o.tenant_id = k.tenant_id AND o.id = k.made_with
      LEFT JOIN platform_keys p ON p.id = k.made_with_platform_key
     WHERE k.key_hash = p_key_hash
$function$
;;
REVOKE ALL ON FUNCTION find_api_key(bytea) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION find_api_key(bytea) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION find_api_key(bytea) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.find_user_session(p_secret_hash bytea)
 RETURNS TABLE(id uuid, user_id uuid, email character varying, name character varying, is_platform_admin boolean, tenant_id character varying, role character varying, last_used_at timestamp with time zone, expires_at timestamp with time zone, ended_at timestamp with time zone, tenant_is_active boolean, tenants jsonb, second_factor character varying, has_second_factor boolean, is_break_glass boolean, method character varying, provider_id uuid, signed_in_at timestamp with time zone, within character varying)
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
           CASE WHEN s.second_factor = 'provider'
                 AND (u.is_break_glass OR NOT COALESCE(p.vouches_for_second_factor, false)) THEN NULL
                ELSE s.second_factor END,
           EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id), u.is_break_glass, s.method, s.provider_id,
           s.signed_in_at, v.tenant_id
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
CREATE OR REPLACE FUNCTION public.members_to_tell()
 RETURNS TABLE(user_id uuid, email character varying, role character varying)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT u.id, u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE (SELECT session_proof()) IN ('tenant', 'unsealed')
       AND m.tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '') AND u.is_active
$function$

DROP FUNCTION find_api_key(bytea)
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
 RETURNS TABLE(id uuid, user_id uuid, email character varying, name character varying, is_platform_admin boolean, tenant_id character varying, role character varying, last_used_at timestamp with time zone, expires_at timestamp with time zone, ended_at timestamp with time zone, tenant_is_active boolean, tenants jsonb)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT s.id, u.id, u.email, u.name, u.is_platform_admin, s.current_tenant,
           CASE WHEN NOT u.is_active THEN NULL
                WHEN s.current_tenant IS NOT NULL THEN m.role
                WHEN u.is_platform_admin THEN 'platform_admin' END,
           s.last_used_at, s.expires_at, s.ended_at, COALESCE(t.is_active, true),
           (SELECT COALESCE(jsonb_agg(jsonb_build_object('tenant_id', o.tenant_id, 'name', c.name, 'role', o.role)
                                      ORDER BY lower(c.name), o.tenant_id), '[]'::jsonb)
              FROM memberships o JOIN tenant_configs c ON c.tenant_id = o.tenant_id WHERE o.user_id = u.id)
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
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
CREATE OR REPLACE FUNCTION public.note_use(p_hash bytea, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RETURN;
    END IF;
    UPDATE api_keys SET last_used_at = p_at WHERE key_hash = p_hash AND (last_used_at IS NULL OR last_used_at < p_at);
    UPDATE user_sessions SET last_used_at = p_at WHERE secret_hash = p_hash AND last_used_at < p_at;
END
$function$
;;
REVOKE ALL ON FUNCTION note_use(bytea, timestamp with time zone) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION note_use(bytea, timestamp with time zone) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION note_use(bytea, timestamp with time zone) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

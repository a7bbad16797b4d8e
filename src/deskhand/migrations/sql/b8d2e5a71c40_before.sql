DROP FUNCTION find_api_key(bytea)
;;
DROP FUNCTION find_user_session(bytea)
;;
DROP FUNCTION note_use(bytea, timestamp with time zone)
;;
CREATE OR REPLACE FUNCTION public.find_api_key(p_key_hash bytea)
 RETURNS TABLE(id uuid, tenant_id character varying, role character varying, prefix character varying, expires_at timestamp with time zone, revoked_at timestamp with time zone, made_with uuid, made_with_platform_key uuid, tenant_is_active boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT k.id, k.tenant_id, k.role, k.prefix, LEAST(k.expires_at, o.expires_at),
           LEAST(k.revoked_at, o.revoked_at, p.revoked_at), k.made_with, k.made_with_platform_key, t.is_active
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

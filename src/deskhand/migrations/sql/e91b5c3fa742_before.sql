DROP FUNCTION find_api_key(bytea)
;;
CREATE OR REPLACE FUNCTION public.find_api_key(p_key_hash bytea)
 RETURNS TABLE(id uuid, tenant_id character varying, role character varying, prefix character varying, expires_at timestamp with time zone, revoked_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
            SELECT k.id, k.tenant_id, k.role, k.prefix, k.expires_at, k.revoked_at
              FROM api_keys k WHERE k.key_hash = p_key_hash
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

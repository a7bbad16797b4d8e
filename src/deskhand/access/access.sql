-- Whom an API key belongs to, asked before the tenant is known: by the key's hash alone.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

CREATE FUNCTION find_api_key(p_key_hash bytea)
RETURNS TABLE (id uuid, tenant_id varchar, role varchar, prefix varchar,
               expires_at timestamptz, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.tenant_id, k.role, k.prefix, k.expires_at, k.revoked_at
      FROM api_keys k WHERE k.key_hash = p_key_hash
$$;

CREATE FUNCTION find_platform_key(p_key_hash bytea)
RETURNS TABLE (id uuid, name varchar, prefix varchar, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.name, k.prefix, k.revoked_at FROM platform_keys k WHERE k.key_hash = p_key_hash
$$;

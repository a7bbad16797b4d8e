-- Whom an API key belongs to, asked before the tenant is known: by the key's hash alone.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- A session or sign-in token ends with the key it was made with, so the times answered are the earlier of both.
CREATE FUNCTION find_api_key(p_key_hash bytea)
RETURNS TABLE (id uuid, tenant_id varchar, role varchar, prefix varchar, expires_at timestamptz, revoked_at timestamptz,
               made_with uuid, made_with_platform_key uuid, tenant_is_active boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.tenant_id, k.role, k.prefix, LEAST(k.expires_at, o.expires_at),
           LEAST(k.revoked_at, o.revoked_at, p.revoked_at), k.made_with, k.made_with_platform_key, t.is_active
      FROM api_keys k
      JOIN tenant_configs t ON t.tenant_id = k.tenant_id
      LEFT JOIN api_keys o ON o.tenant_id = k.tenant_id AND o.id = k.made_with
      LEFT JOIN platform_keys p ON p.id = k.made_with_platform_key
     WHERE k.key_hash = p_key_hash
$$;

CREATE FUNCTION find_platform_key(p_key_hash bytea)
RETURNS TABLE (id uuid, name varchar, prefix varchar, revoked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.name, k.prefix, k.revoked_at FROM platform_keys k WHERE k.key_hash = p_key_hash
$$;

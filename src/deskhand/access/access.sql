-- Whom a credential belongs to, asked before the tenant is known: by the hash of its secret alone.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- A session or sign-in token ends with the key it was made with, so the times answered are the earlier of both. One that
-- a person made holds for as long as that person may make it.
CREATE FUNCTION find_api_key(p_key_hash bytea)
RETURNS TABLE (id uuid, tenant_id varchar, role varchar, prefix varchar, expires_at timestamptz, revoked_at timestamptz,
               made_with uuid, made_with_platform_key uuid, made_with_user uuid, created_at timestamptz,
               last_used_at timestamptz, tenant_is_active boolean, limited_to text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT k.id, k.tenant_id,
           -- Who is limited to companies only reads.
           CASE WHEN k.companies IS NULL AND o.companies IS NULL THEN k.role ELSE 'viewer' END,
           k.prefix, LEAST(k.expires_at, o.expires_at),
           LEAST(k.revoked_at, o.revoked_at, p.revoked_at,
                 CASE WHEN k.made_with_user IS NOT NULL AND NOT COALESCE(
                   (SELECT u.is_active AND (u.is_platform_admin OR (m.role = 'tenant_admin' AND m.companies IS NULL))
                      FROM users u LEFT JOIN memberships m ON m.user_id = u.id AND m.tenant_id = k.tenant_id
                     WHERE u.id = k.made_with_user), false) THEN k.created_at END),
           k.made_with, k.made_with_platform_key, k.made_with_user, k.created_at, k.last_used_at, t.is_active,
           COALESCE(k.companies, o.companies)
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

-- Who is signed in, and what that person may do now: a lost membership or a disabled account counts from the next
-- request on, and so does a provider that may vouch for nobody any more. `tenants` are the person's own memberships, for
-- the switcher. A session that a tenant's own provider opened stays in that tenant whatever the account may elsewhere:
-- who runs the provider can sign in as anybody it knows. So does one that a password opened which was set with a link of
-- one tenant's administrator, who may know it (docs/adr/0028-invitations-are-accepted.md); `within` names that tenant.
-- Whether the person has a second factor and the session was proved with it decides whether it may do anything but ask
-- for that (access/sessions.py). A provider's word for one counts while the provider is trusted with it, and never for
-- the account of the day on which the provider is down.
CREATE FUNCTION find_user_session(p_secret_hash bytea)
RETURNS TABLE (id uuid, user_id uuid, email varchar, name varchar, is_platform_admin boolean, tenant_id varchar,
               role varchar, last_used_at timestamptz, expires_at timestamptz, ended_at timestamptz,
               tenant_is_active boolean, tenants jsonb, second_factor varchar, has_second_factor boolean,
               is_break_glass boolean, method varchar, provider_id uuid, signed_in_at timestamptz, within varchar, limited_to text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT s.id, u.id, u.email, u.name, u.is_platform_admin AND v.tenant_id IS NULL, s.current_tenant,
           CASE WHEN NOT u.is_active OR NOT COALESCE(p.is_active, true) THEN NULL
                WHEN s.current_tenant IS DISTINCT FROM COALESCE(v.tenant_id, s.current_tenant) THEN NULL
                WHEN m.companies IS NOT NULL THEN 'viewer'
                WHEN s.current_tenant IS NOT NULL THEN m.role
                WHEN u.is_platform_admin THEN 'platform_admin' END,
           s.last_used_at, s.expires_at, s.ended_at, COALESCE(t.is_active, true),
           (SELECT COALESCE(jsonb_agg(jsonb_build_object('tenant_id', o.tenant_id, 'name', c.name, 'role',
                                      CASE WHEN o.companies IS NULL THEN o.role ELSE 'viewer' END)
                                      ORDER BY lower(c.name), o.tenant_id), '[]'::jsonb)
              FROM memberships o JOIN tenant_configs c ON c.tenant_id = o.tenant_id
             WHERE o.user_id = u.id AND o.tenant_id = COALESCE(v.tenant_id, o.tenant_id)),
           CASE WHEN s.second_factor = 'provider'
                 AND (u.is_break_glass OR NOT COALESCE(p.vouches_for_second_factor, false)) THEN NULL
                ELSE s.second_factor END,
           EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id), u.is_break_glass, s.method, s.provider_id,
           s.signed_in_at, v.tenant_id, m.companies
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
      LEFT JOIN identity_providers p ON p.id = s.provider_id
     CROSS JOIN LATERAL (
           SELECT CASE s.method WHEN 'password' THEN u.password_vouched_in ELSE p.tenant_id END AS tenant_id) v
      LEFT JOIN memberships m ON m.user_id = u.id AND m.tenant_id = s.current_tenant
      LEFT JOIN tenant_configs t ON t.tenant_id = s.current_tenant
     WHERE s.secret_hash = p_secret_hash
$$;

-- That a credential was used: what an idle session ends by, and what an administrator sees of a key. Times only go
-- forward, and a server that takes no changes goes without.
CREATE FUNCTION note_use(p_hash bytea, p_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF current_setting('transaction_read_only')::boolean THEN
        RETURN;
    END IF;
    UPDATE api_keys SET last_used_at = p_at WHERE key_hash = p_hash AND (last_used_at IS NULL OR last_used_at < p_at);
    UPDATE user_sessions SET last_used_at = p_at WHERE secret_hash = p_hash AND last_used_at < p_at;
END
$$;

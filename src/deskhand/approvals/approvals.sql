-- Who is told that calls wait for an answer, and where something waits to be told.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- Tenants in which somebody is to be told of a call by now; the longest waiting first. Ids alone, and for workers alone.
CREATE FUNCTION tenants_to_notify(p_limit integer) RETURNS TABLE (tenant_id varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT a.tenant_id FROM approvals a JOIN tenant_configs t ON t.tenant_id = a.tenant_id
     WHERE demand_process('worker') AND a.notify_at <= clock_timestamp() AND a.state = 'waiting' AND t.is_active
     GROUP BY a.tenant_id ORDER BY min(a.notify_at) LIMIT p_limit
$$;

-- Of the tenant that the session has set and proven: who may answer something, which nobody may who is limited to
-- companies. Accounts belong to no tenant, so the
-- login itself may not read them.
CREATE FUNCTION approving_members() RETURNS TABLE (user_id uuid, email varchar, role varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE (SELECT session_proof()) IN ('tenant', 'unsealed')
       AND m.tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '')
       AND m.role IN ('operator', 'tenant_admin') AND m.companies IS NULL AND u.is_active
$$;

-- What a link in a mail is for, by the hash of its secret: asked before the tenant is known. Nothing where its person may
-- not answer in the tenant any more. `must_sign_in`: the account is guarded by more than a password that its mailbox
-- could reset, or its role is a provider's word, which is asked anew at each sign-in.
CREATE FUNCTION find_approval_link(p_secret_hash bytea)
RETURNS TABLE (tenant_id varchar, approval_id uuid, digest varchar, user_id uuid, email varchar, role varchar,
               must_sign_in boolean, roles varchar[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT n.tenant_id, n.approval_id, n.digest, u.id, u.email, m.role,
           m.provider_id IS NOT NULL OR u.is_platform_admin OR u.is_break_glass OR u.password_hash IS NULL
           OR COALESCE(u.password_vouched_in <> n.tenant_id, false)
           OR EXISTS (SELECT FROM second_factors f WHERE f.user_id = u.id),
           (SELECT array_agg(o.role) FROM memberships o WHERE o.user_id = u.id)
      FROM approval_notices n
      JOIN tenant_configs t ON t.tenant_id = n.tenant_id AND t.is_active
      JOIN users u ON u.id = n.user_id AND u.is_active
      JOIN memberships m ON m.user_id = u.id AND m.tenant_id = n.tenant_id AND m.role IN ('operator', 'tenant_admin')
           AND m.companies IS NULL
     WHERE n.secret_hash = p_secret_hash
$$;

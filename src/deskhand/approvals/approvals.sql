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

-- Of the tenant that the session has set and proven: who may answer something. Accounts belong to no tenant, so the
-- login itself may not read them.
CREATE FUNCTION approving_members() RETURNS TABLE (user_id uuid, email varchar, role varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE (SELECT session_proof()) IN ('tenant', 'unsealed')
       AND m.tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '')
       AND m.role IN ('operator', 'tenant_admin') AND u.is_active
$$;

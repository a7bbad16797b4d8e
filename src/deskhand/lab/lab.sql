-- The replay lab: which tenants have a run of it under way. Everything else it does, it does in its tenant's sessions.

-- Tenants with a run of the lab that goes on; the one that was looked at longest ago first.
CREATE FUNCTION tenants_in_lab(p_limit integer) RETURNS TABLE (tenant_id varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id FROM lab_runs r JOIN tenant_configs t ON t.tenant_id = r.tenant_id
     WHERE demand_process('worker') AND r.state = 'running' AND t.is_active
     GROUP BY r.tenant_id ORDER BY min(coalesce(r.stepped_at, r.created_at)) LIMIT p_limit
$$;

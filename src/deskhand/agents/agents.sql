-- What the database itself holds about agents, whoever writes: versions never change, and the lifecycle has five steps
-- (agents/lifecycle.py has the same table).
--
-- How to change a function: docs/howto/change-a-sql-function.md.

CREATE FUNCTION keep_agent_version() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    -- The cascade of a deleted agent passes: the agent is gone by then.
    IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT 1 FROM agents WHERE id = OLD.agent_id) THEN
        RETURN OLD;
    END IF;
    RAISE restrict_violation USING MESSAGE = 'agent versions are immutable';
END
$$;

CREATE FUNCTION keep_agent_lifecycle() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF (OLD.status, NEW.status) NOT IN (
        ('draft', 'active'), ('active', 'suspended'), ('active', 'inactive'),
        ('suspended', 'active'), ('suspended', 'inactive')
    ) THEN
        RAISE check_violation USING
            MESSAGE = format('an agent cannot go from %s to %s', OLD.status, NEW.status),
            CONSTRAINT = 'agents_lifecycle';
    END IF;
    RETURN NEW;
END
$$;

-- Triggers that keep a child row under a parent of its own tenant. The foreign keys say so too, but a unique index
-- answers before a foreign key does, so "duplicate key" would tell a stranger who knows a parent's id which rows hang
-- under it. These ask first, with the caller's own rights.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

CREATE FUNCTION refuse_foreign_parent() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    parent_column text := TG_ARGV[1];
    parent_id uuid := (to_jsonb(NEW) ->> parent_column)::uuid;
    found boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE id = $1 AND tenant_id = $2)', TG_ARGV[0])
        INTO found USING parent_id, NEW.tenant_id;
    IF NOT found THEN
        RAISE foreign_key_violation USING MESSAGE =
            format('insert or update on table "%s" refers to a row of "%s" that does not exist',
                   TG_TABLE_NAME, TG_ARGV[0]);
    END IF;
    RETURN NEW;
END
$$;

-- The same refusal as refuse_foreign_parent() gives, from statements that are planned once.
CREATE FUNCTION refuse_foreign_trigger() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM public.agent_triggers p WHERE p.id = NEW.trigger_id AND p.tenant_id = NEW.tenant_id;
  IF NOT FOUND THEN
    RAISE foreign_key_violation USING MESSAGE =
      format('insert or update on table "%s" refers to a row of "agent_triggers" that does not exist', TG_TABLE_NAME);
  END IF;
  RETURN NEW;
END
$$;

CREATE FUNCTION refuse_foreign_execution() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM public.agent_executions p WHERE p.id = NEW.execution_id AND p.tenant_id = NEW.tenant_id;
  IF NOT FOUND THEN
    RAISE foreign_key_violation USING MESSAGE =
      format('insert or update on table "%s" refers to a row of "agent_executions" that does not exist', TG_TABLE_NAME);
  END IF;
  RETURN NEW;
END
$$;

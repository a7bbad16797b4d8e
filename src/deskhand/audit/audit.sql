-- The audit log's chain: each entry names the hash of the one before it, and none is changed or deleted.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

CREATE FUNCTION link_audit_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE
    newest bytea;
BEGIN
    -- The same lock as audit.repository takes before it computes the hash; here it protects the chain
    -- from a writer that forgot it.
    PERFORM pg_advisory_xact_lock(hashtextextended('deskhand.audit/' || NEW.tenant_id, 0));
    SELECT entry_hash INTO newest FROM audit_log WHERE tenant_id = NEW.tenant_id ORDER BY sequence DESC LIMIT 1;
    IF NEW.previous_hash IS DISTINCT FROM newest OR octet_length(NEW.entry_hash) <> 32 THEN
        RAISE integrity_constraint_violation USING MESSAGE = 'the entry does not continue the audit chain';
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = 'the audit log is append-only';
END
$$;

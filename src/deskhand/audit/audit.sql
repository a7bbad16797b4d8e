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

-- Nothing is changed, and nothing younger than 90 days is deleted, whoever asks.
CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.created_at < now() - interval '90 days' AND current_user = 'deskhand_platform' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE restrict_violation USING MESSAGE = 'the audit log is append-only';
END
$$;

-- Takes what is older than the installation keeps off the beginning of each chain, whole days of it, and leaves an entry in
-- the chain that says up to which one. verify() takes a chain that begins in the middle only with that entry. Returns how
-- many entries went; less than a batch: there is no more.
CREATE FUNCTION prune_audit_log(p_keep interval, p_batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    -- By the day, so that a busy log does not gain an entry about its pruning every hour.
    v_before timestamptz := date_trunc('day', now(), 'UTC') - p_keep;
    v_tenant varchar;
    v_cut record;
    v_previous bytea;
    v_id uuid;
    v_at timestamptz;
    v_details jsonb;
    v_total integer := 0;
BEGIN
    PERFORM public.demand_process('worker');
    IF p_keep IS NULL OR p_keep < interval '90 days' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the audit log is kept for 90 days at least';
    END IF;
    -- The empty tenant is the installation's own log (audit.service.PLATFORM).
    FOR v_tenant IN SELECT t.tenant_id FROM (SELECT c.tenant_id FROM public.tenant_configs c UNION ALL SELECT '') t
                     WHERE EXISTS (SELECT 1 FROM public.audit_log l
                                    WHERE l.tenant_id = t.tenant_id AND l.created_at < v_before)
                     ORDER BY 1 LOOP
        EXIT WHEN v_total >= p_batch;
        -- Whoever is writing to this chain goes first; the next round takes it.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended('deskhand.audit/' || v_tenant, 0));
        SELECT o.sequence AS through, o.entry_hash, o.number INTO v_cut
          FROM (SELECT x.sequence, x.entry_hash, row_number() OVER (ORDER BY x.sequence) AS number,
                       bool_and(x.created_at < v_before) OVER (ORDER BY x.sequence) AS is_old
                  FROM (SELECT l.sequence, l.entry_hash, l.created_at FROM public.audit_log l
                         WHERE l.tenant_id = v_tenant ORDER BY l.sequence LIMIT p_batch - v_total) x) o
         WHERE o.is_old ORDER BY o.sequence DESC LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        SELECT l.entry_hash INTO v_previous FROM public.audit_log l
         WHERE l.tenant_id = v_tenant ORDER BY l.sequence DESC LIMIT 1;
        v_id := gen_random_uuid();
        v_at := clock_timestamp();
        v_details := jsonb_build_object('entries', v_cut.number::text, 'hash', encode(v_cut.entry_hash, 'hex'),
                                        'through', v_cut.through::text);
        -- Hashed as audit.service.entry_digest() does; numbers are texts here, since those have one spelling.
        INSERT INTO public.audit_log (id, tenant_id, actor, operation, resource_type, details, previous_hash, created_at,
                                      entry_hash)
        VALUES (v_id, v_tenant, 'retention', 'audit.prune', 'audit_log', v_details, v_previous, v_at, sha256(convert_to(
            format('["%s","%s","%s","retention","audit.prune","audit_log",null,"success",{"entries":"%s","hash":"%s",'
                   '"through":"%s"},"%s"]', encode(v_previous, 'hex'), v_id, v_tenant, v_cut.number,
                   encode(v_cut.entry_hash, 'hex'), v_cut.through,
                   to_char(v_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')), 'UTF8')));
        DELETE FROM public.audit_log l WHERE l.tenant_id = v_tenant AND l.sequence <= v_cut.through;
        v_total := v_total + v_cut.number;
    END LOOP;
    RETURN v_total;
END
$$;

-- What keeps tenants apart in the database: who a session is, and under which parent a row may hang.
--
-- A session's tenant is a setting that the login may set to anything. So every table of tenants has, beside the policy
-- that compares the row with the setting, a restrictive one for deskhand_app that asks session_proof(): the session must
-- show a keyed digest of the tenant that it set, which the login alone cannot make (kit/db/proofs.py makes it; proof_keys
-- holds the key, for the owner's eyes alone). What serves many tenants is a function that belongs to deskhand_platform
-- and asks demand_process() for the proof of the process that may call it. Where such a function sets a tenant, the
-- policy of deskhand_platform shows it the rows of that one alone.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- What the session has proven to be: 'tenant' (the one it set), 'door', 'worker'; NULL if nothing, and 'unsealed' where
-- the installation has no key yet, so that nothing can be asked for. A proof is its end, its kind and the digest (RFC
-- 2104 with SHA-256, HMAC(key, "end.kind.tenant")), between dots.
CREATE FUNCTION session_proof() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_proof text := current_setting('app.proof', true);
  v_end text := split_part(v_proof, '.', 1);
  v_kind text := split_part(v_proof, '.', 2);
  v_said bytea := convert_to(v_end || '.' || v_kind || '.' || CASE v_kind
                               WHEN 'tenant' THEN coalesce(current_setting('app.current_tenant_id', true), '')
                               ELSE '' END, 'UTF8');
BEGIN
  PERFORM 1 FROM public.proof_keys k
    WHERE encode(sha256(k.outer_pad || sha256(k.inner_pad || v_said)), 'hex') = split_part(v_proof, '.', 3);
  IF FOUND THEN
    RETURN CASE WHEN v_end COLLATE "C" > to_char(extract(epoch FROM now()), 'FM0000000000') THEN v_kind END;
  END IF;
  PERFORM 1 FROM public.proof_keys;
  RETURN CASE WHEN NOT FOUND THEN 'unsealed' END;
END
$$;

-- Which client companies of its tenant the session may see, as its process has proven with a digest of tenant and scope:
-- '*' is every one, a desk's name all that is that desk's, '' what belongs to no desk, 'desk:id' one company of it.
-- Empty where nothing was named or proven: such a session sees what is shared. The policies of CompanyModel tables ask
-- it once a statement.
CREATE FUNCTION session_companies() RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_scope text := coalesce(current_setting('app.companies', true), '');
  v_proof text := current_setting('app.companies_proof', true);
  v_end text := split_part(v_proof, '.', 1);
  -- No tenant's name has a blank, so tenant and scope cannot run into each other.
  v_said bytea := convert_to(v_end || '.companies.' || coalesce(current_setting('app.current_tenant_id', true), '')
                             || ' ' || v_scope, 'UTF8');
BEGIN
  IF v_scope = '' THEN
    RETURN '{}';
  END IF;
  PERFORM 1 FROM public.proof_keys k
    WHERE encode(sha256(k.outer_pad || sha256(k.inner_pad || v_said)), 'hex') = split_part(v_proof, '.', 3);
  IF FOUND THEN
    IF v_end COLLATE "C" <= to_char(extract(epoch FROM now()), 'FM0000000000') THEN
      RETURN '{}';
    END IF;
  ELSE
    PERFORM 1 FROM public.proof_keys;
    IF FOUND THEN
      RETURN '{}';
    END IF;
  END IF;
  RETURN ARRAY(SELECT jsonb_array_elements_text(v_scope::jsonb));
END
$$;

-- Whom the session is limited to, as it says: 'desk:id' for each company. Asked only where it is limited; the policies of
-- what belongs to runs then show those of these companies alone (kit/db/limited.py).
CREATE FUNCTION session_limit() RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT ARRAY(SELECT jsonb_array_elements_text(NULLIF(current_setting('app.limited_to', true), '')::jsonb))
$$;

-- Refuses a session that has not proven to belong to one of these processes.
CREATE FUNCTION demand_process(VARIADIC p_processes text[]) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_proof text := public.session_proof();
BEGIN
  IF v_proof = 'unsealed' OR v_proof = ANY (p_processes) THEN
    RETURN true;
  END IF;
  RAISE insufficient_privilege USING MESSAGE =
    format('this session has not proven to be of: %s', array_to_string(p_processes, ', '));
END
$$;

-- Triggers that keep a child row under a parent of its own tenant. The foreign keys say so too, but a unique index
-- answers before a foreign key does, so "duplicate key" would tell a stranger who knows a parent's id which rows hang
-- under it. These ask first, with the caller's own rights.

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

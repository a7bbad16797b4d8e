-- How alike two embeddings are: the inner product, which is the cosine for the unit vectors we store, and NULL for
-- vectors of different models. A server has one of the two; migrations decide by whether it has pgvector (the schema of
-- the extension is written out, since a function that is inlined has no search_path of its own).
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- with the extension vector
CREATE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN pg_catalog.cardinality(a) OPERATOR(pg_catalog.=) pg_catalog.cardinality(b)
                THEN (OPERATOR(pg_catalog.-) (a::public.vector OPERATOR(public.<#>) b::public.vector))::real
                END
$$;

-- without the extension vector
CREATE FUNCTION embedding_similarity(a real[], b real[]) RETURNS real
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, public AS $$
    SELECT CASE WHEN cardinality(a) = cardinality(b) THEN ((SELECT sum(x * y) FROM unnest(a, b) AS t(x, y)))::real END
$$;

-- Keeps what a run about a ticket failed with, beside the notes of those that wrote one. A trigger, because a run fails
-- in more ways than one: by its worker's word, or because its workers died. One that is tried again is none that failed.
CREATE FUNCTION keep_failure() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.status <> 'failed' THEN
    DELETE FROM enhancement_history e WHERE e.tenant_id = NEW.tenant_id AND e.id = NEW.id AND e.status = 'failed';
    RETURN NULL;
  END IF;
  INSERT INTO enhancement_history AS e
         (id, tenant_id, ticket_id, status, context_gathered, error_message, processing_time_ms, completed_at)
  VALUES (NEW.id, NEW.tenant_id, NEW.ticket_ref, 'failed',
          jsonb_build_object('agent_id', NEW.agent_id, 'tool_type', NEW.tool_type, 'error_code', NEW.error_code),
          NEW.error_message,
          least(2147483647, greatest(0, extract(epoch FROM NEW.completed_at - NEW.started_at) * 1000))::integer,
          NEW.completed_at)
  ON CONFLICT (id) DO UPDATE
     SET error_message = EXCLUDED.error_message, context_gathered = EXCLUDED.context_gathered,
         processing_time_ms = EXCLUDED.processing_time_ms, completed_at = EXCLUDED.completed_at
   WHERE e.status = 'failed';
  RETURN NULL;
END
$$;

-- Tenants whose desks are to be asked for their history by now: a desk was connected, or a night has come.
CREATE FUNCTION tenants_due_history(p_limit integer) RETURNS TABLE (tenant_id varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.tenant_id FROM tenant_configs t
     WHERE demand_process('worker') AND t.history_due_at <= clock_timestamp() AND t.is_active
     ORDER BY t.history_due_at LIMIT p_limit
$$;

-- Tenants with tickets whose place in the history is to be looked at; the longest waiting first.
CREATE FUNCTION tenants_to_refresh(p_limit integer) RETURNS TABLE (tenant_id varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.tenant_id FROM history_refreshes r JOIN tenant_configs t ON t.tenant_id = r.tenant_id
     WHERE demand_process('worker') AND r.due_at <= clock_timestamp() AND t.is_active
     GROUP BY r.tenant_id ORDER BY min(r.due_at) LIMIT p_limit
$$;

-- Takes one job that may go on: queued and due, or held by a worker that was not heard of for its lease. The attempt
-- fences whoever held it before. Ids alone; what the job does happens in its tenant's sessions.
CREATE FUNCTION claim_knowledge_job(p_lease double precision)
RETURNS TABLE (tenant_id varchar, id uuid, attempt integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
  PERFORM demand_process('worker');
  RETURN QUERY
  UPDATE knowledge_jobs k
     SET state = 'running', attempt = k.attempt + 1, updated_at = clock_timestamp(),
         lease_until = clock_timestamp() + make_interval(secs => p_lease)
   WHERE k.id = (
     SELECT j.id FROM knowledge_jobs j JOIN tenant_configs t ON t.tenant_id = j.tenant_id AND t.is_active
      WHERE (j.state = 'queued' AND j.not_before <= clock_timestamp())
         OR (j.state = 'running' AND j.lease_until < clock_timestamp())
      ORDER BY j.not_before LIMIT 1 FOR UPDATE OF j SKIP LOCKED)
  RETURNING k.tenant_id, k.id, k.attempt;
END
$$;

-- The secret a desk's own address is signed with, where no agent listens there: its events still keep the history.
CREATE FUNCTION find_desk_secret(p_tenant text, p_tool text)
RETURNS TABLE (tenant_id varchar, webhook_signing_secret_encrypted text, rate_limits jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.tenant_id, t.webhook_signing_secret_encrypted, t.rate_limits FROM tenant_configs t
     WHERE demand_process('door') AND t.tenant_id = p_tenant AND t.is_active AND p_tool <> ''
$$;

-- Notes that tickets are to be looked at for the history: those whose event says that they ended, and those that are
-- in it. A ticket that waits already is looked at once more after its look, since what changed may be newer.
CREATE FUNCTION touch_history(p_events jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_count integer;
BEGIN
  PERFORM demand_process('door', 'worker');
  INSERT INTO history_refreshes (tenant_id, tool_type, ticket_id)
  SELECT DISTINCT e.tenant, e.tool, e.ticket
    FROM jsonb_to_recordset(p_events) AS e (tenant text, tool text, ticket text, ended boolean)
    JOIN tenant_configs t ON t.tenant_id = e.tenant
   WHERE e.ended OR EXISTS (
           SELECT 1 FROM ticket_history h
            WHERE h.tenant_id = e.tenant AND h.tool_type = e.tool AND h.ticket_id = e.ticket)
      OR EXISTS (
           SELECT 1 FROM ticket_history h
            WHERE h.tenant_id = e.tenant AND h.tool_type = e.tool AND h.desk_id = e.ticket)
   ORDER BY 1, 2, 3
  ON CONFLICT (tenant_id, tool_type, ticket_id)
  DO UPDATE SET asks = history_refreshes.asks + 1, due_at = clock_timestamp();
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END
$$;

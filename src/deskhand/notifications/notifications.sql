-- What people may be told of, noted where it happens, and in which tenant somebody has to see to it.
--
-- Triggers, because a fact must be noted in the transaction in which it becomes one, whoever makes it: a worker, the
-- sweep for a worker that died, a person. They note ids, names of operations and codes: nothing that a requester or a
-- model wrote. Each looks at its row alone where nothing is wrong, which is nearly always.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

CREATE FUNCTION note_fact(
  p_tenant text, p_kind text, p_key text, p_cause text, p_subject uuid, p_agent uuid, p_ticket text
) RETURNS void
LANGUAGE sql VOLATILE AS $$
  INSERT INTO public.notification_facts (tenant_id, kind, fact_key, cause, subject_id, agent_id, ticket)
  VALUES (p_tenant, p_kind, left(p_key, 250), left(p_cause, 250), p_subject, p_agent, left(p_ticket, 200))
  ON CONFLICT DO NOTHING
$$;

-- A run that failed for good, a write of it that is in doubt, and a desk or model that did not answer it. A run may come
-- here several times, and every try is a fact of its own.
CREATE FUNCTION note_run() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_try text := NEW.id::text || ':' || NEW.attempt;
  v_model text;
BEGIN
  IF NEW.status = 'failed' THEN
    PERFORM public.note_fact(NEW.tenant_id, 'failure', 'failure:' || v_try,
                             NEW.agent_id::text || ':' || coalesce(NEW.error_code, ''), NEW.id, NEW.agent_id,
                             NEW.ticket_ref);
  END IF;
  IF NEW.status = 'waiting' AND NEW.error_code = 'in-doubt'
     OR NEW.status IN ('failed', 'cancelled') AND NEW.error_message LIKE '%Nobody knows whether this was done: %' THEN
    PERFORM public.note_fact(NEW.tenant_id, 'doubt', 'doubt:' || v_try, NEW.agent_id::text, NEW.id, NEW.agent_id,
                             NEW.ticket_ref);
  END IF;
  IF NEW.error_code IN ('desk-unavailable', 'desk-auth') AND NEW.tool_type IS NOT NULL THEN
    PERFORM public.note_fact(NEW.tenant_id, 'connection', 'connection:' || v_try, 'desk:' || NEW.tool_type, NEW.id,
                             NEW.agent_id, NULL);
  ELSIF NEW.error_code IN ('model-unavailable', 'model-timeout', 'model-auth')
        OR NEW.status = 'completed' AND NEW.output_result @> '{"degraded": true}'
           -- Money that ran out is told as such.
           AND coalesce(NEW.output_result ->> 'degraded_reason', '') NOT LIKE 'The budget of %' THEN
    SELECT v.llm_config ->> 'model' INTO v_model FROM public.agent_versions v WHERE v.id = NEW.agent_version_id;
    PERFORM public.note_fact(NEW.tenant_id, 'connection', 'connection:' || v_try, 'model:' || coalesce(v_model, ''),
                             NEW.id, NEW.agent_id, NULL);
  END IF;
  RETURN NULL;
END
$$;

-- A call that waits for a person.
CREATE FUNCTION note_approval() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.note_fact(NEW.tenant_id, 'approval', 'approval:' || NEW.id, e.agent_id::text, NEW.id, e.agent_id,
                           NEW.ticket_id)
     FROM public.agent_executions e WHERE e.id = NEW.execution_id;
  RETURN NULL;
END
$$;

-- A budget at its warning, or at its end: once in a period, and of a budget for tickets once for each.
CREATE FUNCTION note_budget() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  v_of text := ':' || NEW.budget_id || ':' || NEW.period_start || ':' || NEW.ticket;
BEGIN
  IF NEW.warned_at IS NOT NULL AND OLD.warned_at IS NULL THEN
    PERFORM public.note_fact(NEW.tenant_id, 'budget_warning', 'warning' || v_of, NEW.budget_id::text, NEW.budget_id,
                             NULL, NULLIF(NEW.ticket, ''));
  END IF;
  IF NEW.reached_at IS NOT NULL AND OLD.reached_at IS NULL THEN
    PERFORM public.note_fact(NEW.tenant_id, 'budget_stop', 'stop' || v_of, NEW.budget_id::text, NEW.budget_id, NULL,
                             NULLIF(NEW.ticket, ''));
  END IF;
  RETURN NULL;
END
$$;

-- A schedule that was due and has no next time: its expression or zone cannot be read any more, or never comes again.
CREATE FUNCTION note_schedule() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.note_fact(NEW.tenant_id, 'schedule', 'schedule:' || NEW.id || ':' || OLD.next_fire_at,
                           NEW.id::text, NEW.agent_id, NEW.agent_id, NULL);
  RETURN NULL;
END
$$;

-- Tenants in which a fact is to be gathered or a message to be sent by now, or in which a worker died while one left;
-- the longest waiting first. Ids alone, and for workers alone.
CREATE FUNCTION tenants_to_tell(p_limit integer) RETURNS TABLE (tenant_id varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.tenant_id
      FROM (SELECT f.tenant_id, f.look_at AS due_at FROM notification_facts f WHERE f.look_at <= clock_timestamp()
            UNION ALL
            SELECT n.tenant_id, n.due_at FROM notifications n
             WHERE n.state IN ('open', 'ready', 'handed') AND n.due_at <= clock_timestamp()) d
      JOIN tenant_configs t ON t.tenant_id = d.tenant_id
     WHERE demand_process('worker') AND t.is_active
     GROUP BY d.tenant_id ORDER BY min(d.due_at) LIMIT p_limit
$$;

-- Of the tenant that the session has set and proven: whom a mail may go to; what happened is told of all companies,
-- so to nobody who is limited to some. Accounts belong to no tenant, so the login itself may not read them.
CREATE FUNCTION members_to_tell() RETURNS TABLE (user_id uuid, email varchar, role varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, u.email, m.role FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE (SELECT session_proof()) IN ('tenant', 'unsealed')
       AND m.tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '') AND m.companies IS NULL AND u.is_active
$$;

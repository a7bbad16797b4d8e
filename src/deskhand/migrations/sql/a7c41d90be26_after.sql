CREATE OR REPLACE FUNCTION public.keep_audit_log()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public'
AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.created_at < now() - interval '90 days' AND current_user = 'deskhand_platform' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE restrict_violation USING MESSAGE = 'the audit log is append-only';
END
$function$
;;
CREATE OR REPLACE FUNCTION public.prune_audit_log(p_keep interval, p_batch integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
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
$function$
;;
REVOKE ALL ON FUNCTION prune_audit_log(interval, integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION prune_audit_log(interval, integer) TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION prune_audit_log(interval, integer) OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.prune_history(p_kind text, p_keep interval, p_batch integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  v_count integer;
  -- Whoever calls, and whatever is configured: what is younger than this stays.
  v_least interval := CASE p_kind WHEN 'executions' THEN '1 day' WHEN 'deliveries' THEN '2 days'
                                  WHEN 'schedule_fires' THEN '1 day' WHEN 'execution_starts' THEN '2 hours'
                                  WHEN 'audit' THEN '90 days'
                                  ELSE '1 day' END;
BEGIN
  PERFORM public.demand_process('worker');
  IF p_keep IS NULL OR p_keep < v_least THEN
    RAISE invalid_parameter_value USING MESSAGE = format('prune_history: %s are kept for %s at least', p_kind, v_least);
  END IF;
  IF NOT pg_try_advisory_xact_lock(hashtextextended('deskhand.prune/' || p_kind, 0)) THEN
    RETURN 0;
  END IF;
  IF p_kind = 'executions' THEN
    DELETE FROM public.agent_executions e WHERE e.id = ANY (ARRAY(
      SELECT x.id FROM public.agent_executions x
       WHERE x.completed_at < now() - p_keep
         AND (x.status IN ('completed', 'cancelled') OR x.status = 'failed' AND x.dismissed_at IS NOT NULL)
       ORDER BY x.completed_at LIMIT p_batch FOR UPDATE SKIP LOCKED));
  ELSIF p_kind = 'deliveries' THEN
    DELETE FROM public.webhook_deliveries d WHERE d.id = ANY (ARRAY(
      SELECT x.id FROM public.webhook_deliveries x WHERE x.received_at < now() - p_keep
       LIMIT p_batch FOR UPDATE SKIP LOCKED));
  ELSIF p_kind = 'schedule_fires' THEN
    DELETE FROM public.schedule_fires f WHERE (f.trigger_id, f.fire_at) IN (
      SELECT x.trigger_id, x.fire_at FROM public.schedule_fires x WHERE x.fire_at < now() - p_keep
       LIMIT p_batch FOR UPDATE SKIP LOCKED);
  ELSIF p_kind = 'execution_starts' THEN
    DELETE FROM public.execution_starts s WHERE (s.tenant_id, s.minute) IN (
      SELECT x.tenant_id, x.minute FROM public.execution_starts x WHERE x.minute < now() - p_keep
       LIMIT p_batch FOR UPDATE SKIP LOCKED);
  ELSIF p_kind = 'queue_log' THEN
    DELETE FROM public.pgqueuer_log l WHERE l.id = ANY (ARRAY(
      SELECT x.id FROM public.pgqueuer_log x WHERE x.created < now() - p_keep
       ORDER BY x.created LIMIT p_batch FOR UPDATE SKIP LOCKED));
  ELSIF p_kind = 'audit' THEN
    RETURN public.prune_audit_log(p_keep, p_batch);
  ELSE
    RAISE EXCEPTION 'prune_history: unknown kind %', p_kind;
  END IF;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END
$function$

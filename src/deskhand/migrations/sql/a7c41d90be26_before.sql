DROP FUNCTION prune_audit_log(interval, integer)
;;
CREATE OR REPLACE FUNCTION public.keep_audit_log()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public'
AS $function$
        BEGIN
            RAISE restrict_violation USING MESSAGE = 'the audit log is append-only';
        END $function$
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
  ELSE
    RAISE EXCEPTION 'prune_history: unknown kind %', p_kind;
  END IF;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count;
END
$function$

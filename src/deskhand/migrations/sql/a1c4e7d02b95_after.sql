CREATE OR REPLACE FUNCTION public.queue_depth(OUT queued bigint, OUT parked bigint)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT count(*) FILTER (WHERE NOT x.parked), count(*) FILTER (WHERE x.parked)
    FROM public.agent_executions x WHERE x.status = 'queued'
$function$
;;
REVOKE ALL ON FUNCTION queue_depth() FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION queue_depth() TO deskhand_app
;;
GRANT CREATE ON SCHEMA public TO deskhand_platform
;;
ALTER FUNCTION queue_depth() OWNER TO deskhand_platform
;;
REVOKE CREATE ON SCHEMA public FROM deskhand_platform

CREATE OR REPLACE FUNCTION public.writes_on_ticket(p_tenant text, p_tool text, p_ticket text, p_limit integer)
 RETURNS TABLE(mark text, receipt_id text, revision text, age double precision)
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  RETURN QUERY
    SELECT y.mark::text, y.output ->> 'id', y.output ->> 'revision',
           extract(epoch FROM clock_timestamp() - y.started_at)::double precision
      FROM agent_executions x JOIN execution_steps y ON y.execution_id = x.id AND y.tenant_id = x.tenant_id
     WHERE x.tenant_id = p_tenant AND x.tool_type = p_tool AND x.ticket_ref = p_ticket AND y.mark IS NOT NULL
       AND y.kind = 'write' AND y.state <> 'failed'
     ORDER BY y.started_at DESC LIMIT p_limit;
END
$function$

CREATE OR REPLACE FUNCTION public.writes_on_ticket(p_tenant text, p_tool text, p_ticket text, p_limit integer)
 RETURNS TABLE(mark text, receipt_id text, revision text, age double precision)
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM set_config('app.current_tenant_id', p_tenant, true);
  RETURN QUERY
    SELECT w.mark::text, w.output ->> 'id', w.output ->> 'revision',
           extract(epoch FROM clock_timestamp() - w.started_at)::double precision
      FROM (
        SELECT y.mark, y.output, y.started_at
          FROM agent_executions x JOIN execution_steps y ON y.execution_id = x.id AND y.tenant_id = x.tenant_id
         WHERE x.tenant_id = p_tenant AND x.tool_type = p_tool AND x.ticket_ref = p_ticket AND y.mark IS NOT NULL
           AND y.input ->> 'target' IS NULL AND y.kind = 'write' AND y.state <> 'failed'
         UNION ALL
        -- A run may write on other tickets than its own, on other desks, and file new ones: the step names which.
        SELECT y.mark, y.output, y.started_at
          FROM execution_steps y
         WHERE y.tenant_id = p_tenant AND y.input ->> 'target' IN (p_tool || '/' || p_ticket, p_tool || '/')
           AND (y.input ->> 'target' <> p_tool || '/' OR y.output ->> 'ticket_id' = p_ticket)
           AND y.mark IS NOT NULL AND y.kind = 'write' AND y.state <> 'failed'
      ) w
     ORDER BY w.started_at DESC LIMIT p_limit;
END
$function$

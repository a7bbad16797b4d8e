CREATE OR REPLACE FUNCTION public.budget_stop(p_amount numeric, p_stop_percent integer, p_extra numeric, p_until timestamp with time zone)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
    SELECT p_amount * p_stop_percent / 100 + CASE WHEN p_until > clock_timestamp() THEN p_extra ELSE 0 END
$function$
;;
REVOKE ALL ON FUNCTION budget_stop(numeric, integer, numeric, timestamp with time zone) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION budget_stop(numeric, integer, numeric, timestamp with time zone) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.budget_period_start(p_period text, p_zone text)
 RETURNS date
 LANGUAGE sql
 STABLE
AS $function$
    SELECT date_trunc(p_period, clock_timestamp() AT TIME ZONE p_zone)::date
$function$
;;
REVOKE ALL ON FUNCTION budget_period_start(text, text) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION budget_period_start(text, text) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.reserve_spending(p_execution uuid, p_agent uuid, p_ticket text, p_model text, p_most numeric, p_tokens bigint, p_seconds double precision)
 RETURNS TABLE(spending uuid, refused text, budget uuid, stop_usd numeric, used_usd numeric, reserved_usd numeric, most_usd numeric, first_time boolean)
 LANGUAGE plpgsql
AS $function$
DECLARE
    b budgets;
    u budget_use;
    amount numeric;
    stop numeric;
    since date;
    of_ticket text;
    charged jsonb := '[]'::jsonb;
    highest numeric := 0;
    why text;
BEGIN
    BEGIN
        -- In one order for everybody, so that two calls never wait for each other's budgets.
        FOR b IN SELECT * FROM budgets WHERE scope = 'tenant' OR agent_id = p_agent OR (scope = 'ticket' AND p_ticket <> '')
                  ORDER BY id
        LOOP
            amount := COALESCE(p_most, b.unknown_price_usd * p_tokens / 1000000);
            since := budget_period_start(b.period, b.timezone);
            stop := budget_stop(b.amount_usd, b.stop_percent, b.extra_usd, b.extra_until);
            of_ticket := CASE WHEN b.scope = 'ticket' THEN p_ticket ELSE '' END;
            IF amount IS NULL THEN
                why := 'price';
                RAISE EXCEPTION USING ERRCODE = 'DHBUD';
            END IF;
            INSERT INTO budget_use (tenant_id, budget_id, period_start, ticket)
            VALUES (b.tenant_id, b.id, since, of_ticket) ON CONFLICT DO NOTHING;
            UPDATE budget_use w SET reserved_usd = w.reserved_usd + amount
             WHERE w.budget_id = b.id AND w.period_start = since AND w.ticket = of_ticket
               AND w.used_usd + w.reserved_usd + amount <= stop;
            IF NOT FOUND THEN
                SELECT * INTO u FROM budget_use w
                 WHERE w.budget_id = b.id AND w.period_start = since AND w.ticket = of_ticket;
                why := CASE WHEN u.used_usd + amount <= stop THEN 'busy' ELSE 'used' END;
                RAISE EXCEPTION USING ERRCODE = 'DHBUD';
            END IF;
            charged := charged || jsonb_build_object('budget', b.id, 'since', since, 'ticket', of_ticket, 'usd', amount);
            highest := greatest(highest, amount);
        END LOOP;
    EXCEPTION WHEN SQLSTATE 'DHBUD' THEN
        -- What the budgets before this one had reserved is taken back with the block.
        spending := NULL;
        refused := why;
        budget := b.id;
        stop_usd := stop;
        used_usd := u.used_usd;
        reserved_usd := u.reserved_usd;
        most_usd := amount;
        first_time := false;
        IF why = 'used' THEN
            -- Also where the use itself was made in the block: then there is nothing yet, and the call alone is too dear.
            INSERT INTO budget_use (tenant_id, budget_id, period_start, ticket)
            VALUES (b.tenant_id, b.id, since, of_ticket) ON CONFLICT DO NOTHING;
            UPDATE budget_use w SET reached_at = clock_timestamp()
             WHERE w.budget_id = b.id AND w.period_start = since AND w.ticket = of_ticket AND w.reached_at IS NULL;
            first_time := FOUND;
        END IF;
        RETURN NEXT;
        RETURN;
    END;
    IF charged <> '[]'::jsonb THEN
        INSERT INTO model_spending (tenant_id, execution_id, agent_id, ticket, model, charges, reserved_usd, expires_at)
        VALUES (NULLIF(current_setting('app.current_tenant_id', true), ''), p_execution, p_agent, p_ticket, p_model,
                charged, highest, clock_timestamp() + make_interval(secs => p_seconds))
        RETURNING id INTO spending;
    END IF;
    RETURN NEXT;
END
$function$
;;
REVOKE ALL ON FUNCTION reserve_spending(uuid, uuid, text, text, numeric, bigint, double precision) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION reserve_spending(uuid, uuid, text, text, numeric, bigint, double precision) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.settle_spending(p_id uuid, p_cost numeric, p_tokens_in integer, p_tokens_out integer)
 RETURNS TABLE(budget uuid, ticket text, used_usd numeric, amount_usd numeric)
 LANGUAGE plpgsql
AS $function$
DECLARE
    s model_spending;
    c record;
    real numeric;
    highest numeric := 0;
    known boolean := p_cost IS NOT NULL OR COALESCE(p_tokens_in, 0) + COALESCE(p_tokens_out, 0) > 0;
BEGIN
    SELECT * INTO s FROM model_spending m WHERE m.id = p_id AND m.state = 'reserved' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR c IN
        SELECT x.budget, x.since, x.ticket, x.usd, b.unknown_price_usd AS price, b.amount_usd AS whole, b.warn_percent
          FROM jsonb_to_recordset(s.charges) AS x (budget uuid, since date, ticket text, usd numeric)
          LEFT JOIN budgets b ON b.id = x.budget
         ORDER BY x.budget
    LOOP
        real := CASE WHEN p_cost IS NOT NULL THEN p_cost
                     WHEN known THEN COALESCE(c.price * (COALESCE(p_tokens_in, 0) + COALESCE(p_tokens_out, 0)) / 1000000,
                                              c.usd)
                     ELSE c.usd END;
        highest := greatest(highest, real);
        UPDATE budget_use w SET reserved_usd = w.reserved_usd - c.usd, used_usd = w.used_usd + real
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket;
        UPDATE budget_use w SET warned_at = clock_timestamp()
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket AND w.warned_at IS NULL
           AND w.used_usd >= c.whole * c.warn_percent / 100
        RETURNING w.budget_id, w.ticket, w.used_usd, c.whole INTO budget, ticket, used_usd, amount_usd;
        IF FOUND THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    UPDATE model_spending m SET state = CASE WHEN known THEN 'settled' ELSE 'assumed' END, cost_usd = highest,
           tokens_in = p_tokens_in, tokens_out = p_tokens_out, settled_at = clock_timestamp()
     WHERE m.id = p_id;
END
$function$
;;
REVOKE ALL ON FUNCTION settle_spending(uuid, numeric, integer, integer) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION settle_spending(uuid, numeric, integer, integer) TO deskhand_app, deskhand_platform
;;
CREATE OR REPLACE FUNCTION public.release_spending(p_id uuid)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
DECLARE
    s model_spending;
    c record;
BEGIN
    SELECT * INTO s FROM model_spending m WHERE m.id = p_id AND m.state = 'reserved' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR c IN
        SELECT x.budget, x.since, x.ticket, x.usd
          FROM jsonb_to_recordset(s.charges) AS x (budget uuid, since date, ticket text, usd numeric)
         ORDER BY x.budget
    LOOP
        UPDATE budget_use w SET reserved_usd = w.reserved_usd - c.usd
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket;
    END LOOP;
    UPDATE model_spending m SET state = 'released', settled_at = clock_timestamp() WHERE m.id = p_id;
    RETURN true;
END
$function$
;;
REVOKE ALL ON FUNCTION release_spending(uuid) FROM PUBLIC
;;
GRANT EXECUTE ON FUNCTION release_spending(uuid) TO deskhand_app, deskhand_platform

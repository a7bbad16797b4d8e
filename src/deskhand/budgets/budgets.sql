-- Money for models. A call reserves the most that it may cost in every budget that pays for it, or in none; afterwards the
-- reservation becomes what the call did cost. What is used and reserved together never passes a budget's stop, however
-- many calls begin at once: the row of a budget's period is locked for the length of one statement.
--
-- All of it runs in a session that proved its tenant, under row-level security.
--
-- How to change a function: docs/howto/change-a-sql-function.md.

-- Up to where a budget may be used, now.
CREATE FUNCTION budget_stop(p_amount numeric, p_stop_percent integer, p_extra numeric, p_until timestamptz) RETURNS numeric
LANGUAGE sql STABLE AS $$
    SELECT p_amount * p_stop_percent / 100 + CASE WHEN p_until > clock_timestamp() THEN p_extra ELSE 0 END
$$;

-- The first day of the present period of a budget, by the clock of its zone.
CREATE FUNCTION budget_period_start(p_period text, p_zone text) RETURNS date
LANGUAGE sql STABLE AS $$
    SELECT date_trunc(p_period, clock_timestamp() AT TIME ZONE p_zone)::date
$$;

-- Reserve money for one call. `p_most`: what it costs at most, NULL where the model's price is unknown; then `p_tokens`
-- count at the budget's own price. `spending` is NULL where no budget pays, which costs nobody anything. A refusal says
-- which budget, why (`price`, `busy`: other calls have reserved the rest, `used`) and the figures.
CREATE FUNCTION reserve_spending(
    p_execution uuid, p_agent uuid, p_ticket text, p_model text, p_most numeric, p_tokens bigint, p_seconds double precision
) RETURNS TABLE (spending uuid, refused text, budget uuid, stop_usd numeric, used_usd numeric, reserved_usd numeric,
                 most_usd numeric, first_time boolean)
LANGUAGE plpgsql AS $$
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
$$;

-- Put what a call did cost in the place of its reservation, once. `p_cost` NULL and no tokens: nobody knows, so it counts
-- in full (`assumed`). `p_call` is what the gateway calls it, by which a later figure finds it. Returns the budgets that
-- passed the point at which people are told, each once in its period.
CREATE FUNCTION settle_spending(
    p_id uuid, p_cost numeric, p_tokens_in integer, p_tokens_out integer, p_call text DEFAULT NULL
) RETURNS TABLE (budget uuid, ticket text, used_usd numeric, amount_usd numeric)
LANGUAGE plpgsql AS $$
DECLARE
    s model_spending;
    c record;
    real numeric;
    highest numeric := 0;
    paid jsonb := '[]'::jsonb;
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
        paid := paid || jsonb_build_object('budget', c.budget, 'since', c.since, 'ticket', c.ticket, 'usd', c.usd,
                                           'paid', real);
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
           tokens_in = p_tokens_in, tokens_out = p_tokens_out, settled_at = clock_timestamp(), charges = paid,
           call_id = p_call
     WHERE m.id = p_id;
END
$$;

-- Let the budgets that paid for a call see what its gateway said of it later, in the period that paid. `p_before` is the
-- figure of the correction before this one; without one, what each budget paid. What was settled stays as it was.
-- Returns the budgets that passed the point at which people are told, as `settle_spending` does.
CREATE FUNCTION correct_spending(p_execution uuid, p_call text, p_cost numeric, p_before numeric)
RETURNS TABLE (budget uuid, ticket text, used_usd numeric, amount_usd numeric)
LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT x.budget, x.since, x.ticket, COALESCE(p_before, x.paid, m.cost_usd) AS paid, b.amount_usd AS whole,
               b.warn_percent
          FROM model_spending m, jsonb_to_recordset(m.charges) AS x (budget uuid, since date, ticket text, paid numeric)
          LEFT JOIN budgets b ON b.id = x.budget
         WHERE m.execution_id = p_execution AND m.call_id = p_call AND m.state IN ('settled', 'assumed')
         ORDER BY x.budget
    LOOP
        UPDATE budget_use w SET used_usd = w.used_usd + p_cost - c.paid
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket;
        UPDATE budget_use w SET warned_at = clock_timestamp()
         WHERE w.budget_id = c.budget AND w.period_start = c.since AND w.ticket = c.ticket AND w.warned_at IS NULL
           AND w.used_usd >= c.whole * c.warn_percent / 100
        RETURNING w.budget_id, w.ticket, w.used_usd, c.whole INTO budget, ticket, used_usd, amount_usd;
        IF FOUND THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Give a reservation back: the model was not asked, or refused before it did anything.
CREATE FUNCTION release_spending(p_id uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
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
$$;

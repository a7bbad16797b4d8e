"""What runs cost: sums that add up to the ledger, unknown prices apart, trials apart, one's own tenant alone."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.reports.conftest import MAY, NOON, MakeRun
from tests.support.console import Console

from deskhand.agents.models import AgentVersion
from deskhand.engine.models import AgentExecution

SUMS = ("runs", "open_runs", "model_calls", "tokens_in", "tokens_out", "unpriced_runs", "unpriced_tokens")


async def costs(console: Console, tenant: str = "acme", **query: Any) -> dict[str, Any]:
    answer = await (await console.client(tenant, "viewer")).get("/api/v1/reports/costs", params={**MAY, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def exported(console: Console, **query: Any) -> list[dict[str, str]]:
    answer = await (await console.client(role="viewer")).get("/api/v1/reports/costs/export", params={**MAY, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="costs-by-')
    return list(csv.DictReader(io.StringIO(answer.text)))


def added(rows: list[dict[str, Any]]) -> tuple[Decimal, ...]:
    return sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0)), *(
        sum(Decimal(row[name]) for row in rows) for name in SUMS
    )


async def many(console: Console, run: MakeRun) -> None:
    """Runs of odd prices, some unknown, of three agents, with tickets and without."""
    agents = [await console.agent(name=name) for name in ("Triage", '=HYPERLINK("http://x")', "Zoë's 🖨")]
    for number in range(24):
        price = None if number % 6 == 5 else f"0.{number:02}00000{number % 9 + 1}"
        ticket = None if number % 4 == 0 else str(1000 + number // 3)
        at = NOON + timedelta(hours=9 * number)
        await run(agents[number % 3], price, ticket=ticket, at=at, mode="dry_run" if number % 8 == 7 else "live")


@pytest.mark.parametrize("group", ["day", "agent", "model", "ticket"])
@pytest.mark.parametrize("trials", ["false", "true"])
async def test_rows_add_up_to_the_ledger_to_the_last_digit(
    console: Console, run: MakeRun, group: str, trials: str
) -> None:
    await many(console, run)
    e = AgentExecution
    async with console.db.tenant_session("acme") as session:
        kept = select(func.sum(e.cost_usd), func.count()).where((e.mode == "dry_run") == (trials == "true"))
        money, runs = (await session.execute(kept)).one()
    report = await costs(console, group=group, trials=trials)
    assert Decimal(report["total"]["cost_usd"]) == money
    assert report["total"]["runs"] == runs
    assert added(report["rows"]) == added([report["total"]])
    assert added(await exported(console, group=group, trials=trials)) == added([report["total"]])
    assert sum(Decimal(day["cost_usd"]) for day in report["days"]) == money


async def test_rows_beyond_the_limit_are_one_sum(console: Console, run: MakeRun) -> None:
    await many(console, run)
    whole = await costs(console, group="ticket")
    assert (whole["others"], whole["other_rows"]) == (None, 0)
    cut = await costs(console, group="ticket", limit=3)
    assert cut["rows"] == whole["rows"][:3]
    assert cut["other_rows"] == len(whole["rows"]) - 3
    assert added([*cut["rows"], cut["others"]]) == added([whole["total"]]) == added([cut["total"]])
    assert [Decimal(row["cost_usd"]) for row in whole["rows"]] == sorted(
        (Decimal(row["cost_usd"]) for row in whole["rows"]), reverse=True
    )


async def test_an_unknown_price_is_counted_apart_and_never_as_nothing(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await run(agent, "0.25")
    await run(agent, None)
    # It ended before it asked a model: nothing was spent, and nothing is unknown.
    await run(agent, None, token_usage={"input_tokens": 0, "output_tokens": 0, "model_calls": 0}, status="failed")
    total = (await costs(console))["total"]
    assert (total["runs"], total["unpriced_runs"], total["unpriced_tokens"]) == (3, 1, 1380)
    assert Decimal(total["cost_usd"]) == Decimal("0.25")
    assert (total["tokens_in"], total["tokens_out"], total["model_calls"]) == (2400, 360, 4)


async def test_a_run_at_work_counts_what_its_journal_has(console: Console) -> None:
    agent = await console.agent()
    at_work = await console.execution(agent, status="running", attempt=1, queued_at=NOON)
    await console.step("acme", at_work, "model", kind="model", cost_usd=Decimal("0.00000007"))
    await console.step("acme", at_work, "model", kind="model", state="failed", cost_usd=None, tokens_in=None)
    await console.execution(agent, status="queued", attempt=0, queued_at=NOON, ticket="2")
    total = (await costs(console))["total"]
    assert (total["runs"], total["open_runs"], total["model_calls"], total["unpriced_runs"]) == (2, 2, 2, 0)
    assert (Decimal(total["cost_usd"]), total["tokens_in"]) == (Decimal("0.00000007"), 1200)
    await console.step("acme", at_work, "model", kind="model", cost_usd=None)
    total = (await costs(console))["total"]
    assert (Decimal(total["cost_usd"]), total["unpriced_runs"]) == (0, 1), "one unknown price makes all of it unknown"


async def test_what_a_dead_worker_spent_is_not_lost(console: Console, run: MakeRun) -> None:
    """Its run ends without a sum, or with the one of the attempt before."""
    agent = await console.agent()
    for kept in (None, "0.10"):
        usage = {"input_tokens": 1, "output_tokens": 1, "model_calls": 1} if kept else None
        dead = await run(
            agent, kept, status="failed", error_code="worker-died", crashes=3, attempt=4, token_usage=usage
        )
        for _ in range(2):
            await console.step("acme", dead, "model", kind="model", cost_usd=Decimal("0.20"))
    total = (await costs(console))["total"]
    assert (Decimal(total["cost_usd"]), total["model_calls"]) == (Decimal("0.80"), 4)


async def test_trials_are_never_part_of_what_was_spent(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await run(agent, "0.25")
    await run(agent, "0.50", mode="dry_run")
    await run(agent, None, mode="undo", token_usage=None)
    real, trials = await costs(console), await costs(console, trials="true")
    assert (real["total"]["runs"], Decimal(real["total"]["cost_usd"])) == (1, Decimal("0.25"))
    assert (trials["total"]["runs"], Decimal(trials["total"]["cost_usd"])) == (1, Decimal("0.50"))
    assert real["trials"] == trials["trials"] == trials["total"]
    assert [row["runs"] for row in (await costs(console, trials="true", group="agent"))["rows"]] == [1]


async def test_models_are_those_of_the_versions_that_ran(console: Console, run: MakeRun) -> None:
    for name, model in (("One", "gpt-4"), ("Two", "gpt-4"), ("Three", "claude-3-haiku"), ("Four", None)):
        agent = await console.agent(name=name)
        await run(agent, "0.10")
        if model is None:
            continue
        async with console.db.tenant_session("acme") as session:
            version = AgentVersion(
                tenant_id="acme",
                agent_id=agent.id,
                version_number=2,
                system_prompt="Help.",
                llm_config={"model": model},
            )
            session.add(version)
            await session.flush()
            newest = version.id
        await console.change("acme", await run(agent, "1", ticket=None), agent_version_id=newest)
    rows = (await costs(console, group="model"))["rows"]
    assert [(row["key"], row["name"], row["runs"]) for row in rows] == [
        ("gpt-4", "gpt-4", 2), ("claude-3-haiku", "claude-3-haiku", 1), ("", "no model named", 4),
    ]  # fmt: skip
    assert (await costs(console, group="model", limit=1))["other_rows"] == 2


async def test_a_day_begins_by_the_clock_of_the_zone(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    # Summer time began in Berlin on 29 March 2026; the 28th ends at 23:00 UTC, the 29th at 22:00.
    for at in (
        "2026-03-28T22:59:59.999999",
        "2026-03-28T23:00:00",
        "2026-03-29T21:59:59.999999",
        "2026-03-29T22:00:00",
    ):
        await run(agent, "0.25", at=datetime.fromisoformat(at).replace(tzinfo=UTC))
    of_berlin = await costs(console, since="2026-03-28", until="2026-03-29", zone="Europe/Berlin")
    assert [(row["key"], row["runs"]) for row in of_berlin["rows"]] == [("2026-03-28", 1), ("2026-03-29", 2)]
    of_utc = await costs(console, since="2026-03-28", until="2026-03-29")
    assert [row["runs"] for row in of_utc["rows"]] == [2, 2]
    assert (of_berlin["since"], of_berlin["until"], of_berlin["zone"]) == ("2026-03-28", "2026-03-29", "Europe/Berlin")


async def test_only_an_agent_that_was_asked_for(console: Console, run: MakeRun) -> None:
    one, other = await console.agent(name="One"), await console.agent(name="Other")
    await run(one, "0.25")
    await run(other, "4")
    report = await costs(console, group="agent", agent_id=str(one.id))
    assert [(row["name"], row["runs"]) for row in report["rows"]] == [("One", 1)]
    assert Decimal(report["total"]["cost_usd"]) == Decimal("0.25")


async def test_a_tenant_sees_its_own_runs_alone(console: Console, run: MakeRun) -> None:
    theirs = await console.agent("globex", name="Theirs")
    await run(theirs, "9")
    await run(await console.agent(name="Ours"), "0.25")
    for group in ("day", "agent", "model", "ticket"):
        for query in ({}, {"agent_id": str(theirs.id)}):
            report = await costs(console, group=group, **query)
            assert Decimal(report["total"]["cost_usd"]) == (Decimal(0) if query else Decimal("0.25"))
            assert "Theirs" not in str(report)
    assert Decimal((await costs(console, "globex"))["total"]["cost_usd"]) == 9


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"since": "2025-01-01", "until": "2026-01-02"}, "/until", "from the first one; these are 367 days"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "/until", "must not lie before the first day, 2026-05-02"),
        ({"since": "1777852800"}, "/since", "must be a day, such as 2026-05-04"),
        ({"since": "2026-02-30"}, "/since", "day value is outside expected range"),
        ({"since": "0001-01-01"}, "/since", "between the years 1900 and 9000"),
        ({"zone": "Europe/Berlim"}, "/zone", "did you mean Europe/Berlin"),
        ({"group": "desk"}, "/group", "'day', 'agent', 'model' or 'ticket'"),
        ({"trials": "1"}, "/trials", "must be true or false"),
        ({"agent_id": "x"}, "/agent_id", "UUID"),
        ({"limit": "201"}, "/limit", "less than or equal to 200"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_refused_in_words(
    console: Console, query: dict[str, str], field: str, words: str
) -> None:
    client = await console.client(role="viewer")
    answer = await client.get("/api/v1/reports/costs", params=query)
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["errors"]
    assert (fault["pointer"], fault["source"]) == (field, "query")
    assert words in fault["detail"]


async def test_the_longest_range_is_answered_and_its_edges_too(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await run(agent, "1", at=datetime(2025, 5, 1, tzinfo=UTC))
    await run(agent, "2", at=datetime(2026, 5, 1, 23, 59, 59, 999999, tzinfo=UTC))
    await run(agent, "4", at=datetime(2026, 5, 2, tzinfo=UTC))
    report = await costs(console, since="2025-05-01", until="2026-05-01")
    assert (len(report["rows"]), Decimal(report["total"]["cost_usd"])) == (366, Decimal(3))
    assert (await costs(console, since="8999-12-31", until="8999-12-31"))["total"]["runs"] == 0


async def test_a_name_is_no_formula_in_the_file(console: Console, run: MakeRun) -> None:
    await many(console, run)
    names = {row["name"] for row in await exported(console, group="agent")}
    assert names == {"Triage", '\'=HYPERLINK("http://x")', "Zoë's 🖨"}
    assert {row["name"] for row in await exported(console, group="ticket")} >= {"without a ticket"}

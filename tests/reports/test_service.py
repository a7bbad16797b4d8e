"""The figures beside figures that were counted here, run by run; and how the database is asked for them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import DatabaseUrls
from tests.reports.conftest import NOON, MakeRun
from tests.support.console import Console

from deskhand.reports import repository, service
from deskhand.reports.models import CostGroup, PerformanceGroup
from deskhand.reports.schemas import CostQuery, Costs, PerformanceQuery, SpanQuery
from deskhand.reports.wanted import Wanted

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BOUNDS = [datetime(2026, 5, 1, tzinfo=UTC) + timedelta(days=number) for number in range(32)]
INDEX = "idx_agent_executions_tenant_queued_at"
COUNTS = st.integers(min_value=0, max_value=10**9)


@contextmanager
def heard(session: AsyncSession) -> Iterator[list[tuple[str, Any]]]:
    """The statements that a session sends meanwhile, and their parameters."""
    found: list[tuple[str, Any]] = []

    def hear(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        found.append((statement, parameters))

    bind = session.get_bind()
    event.listen(bind, "before_cursor_execute", hear)
    try:
        yield found
    finally:
        event.remove(bind, "before_cursor_execute", hear)


async def mixed(console: Console, run: MakeRun) -> list[dict[str, Any]]:
    """Runs of every kind, and what each one is, for counting here."""
    agents = [await console.agent(name=f"Agent {number}") for number in range(3)]
    made = []
    for number in range(40):
        at = NOON + timedelta(hours=13 * (number % 29))
        status = ("completed", "completed", "completed", "failed", "cancelled")[number % 5]
        one: dict[str, Any] = {
            "agent": agents[number % 3],
            "cost": None if number % 7 == 6 else f"{number % 11}.{number:08}",
            "ticket": None if number % 4 == 0 else str(number // 3),
            "seconds": 2 + number * number % 97,
            "status": status,
            "error_code": ("desk-auth", "model-timeout")[number % 2] if status == "failed" else None,
            "mode": "dry_run" if number % 10 == 9 else "live",
            "at": at,
        }
        await run(**one)
        made.append(one)
    return made


def key_of(one: dict[str, Any], group: str) -> str:
    ticket = f"servicedesk_plus:{one['ticket']}" if one["ticket"] else ""
    return {"day": str(one["at"].date()), "agent": str(one["agent"].id), "ticket": ticket, "model": ""}[group]


@pytest.mark.parametrize("trials", [False, True])
@pytest.mark.parametrize("group", list(CostGroup))
async def test_costs_are_what_one_counts_run_by_run(
    console: Console, run: MakeRun, group: CostGroup, trials: bool
) -> None:
    counted: defaultdict[str, Costs] = defaultdict(Costs)
    for one in await mixed(console, run):
        if (one["mode"] == "dry_run") == trials:
            known = one["cost"] is not None
            counted[key_of(one, group)] += Costs(
                runs=1, model_calls=2, tokens_in=1200, tokens_out=180, cost_usd=Decimal(one["cost"] or 0),
                unpriced_runs=int(not known), unpriced_tokens=0 if known else 1380,
            )  # fmt: skip
    async with console.db.tenant_session("acme") as session:
        query = CostQuery(group=group, trials=trials, since=BOUNDS[0].date(), until=BOUNDS[-2].date())
        report = await service.cost_report(session, query, limit=200, now=NOW)
    rows = {row.key: Costs(**row.model_dump(include=set(Costs.model_fields))) for row in report.rows if row.runs}
    assert rows == dict(counted)
    assert report.others is None
    if group is not CostGroup.DAY:
        money = [row.cost_usd for row in report.rows]
        assert money == sorted(money, reverse=True)


@pytest.mark.parametrize("group", list(PerformanceGroup))
async def test_outcomes_are_what_one_counts_run_by_run(console: Console, run: MakeRun, group: PerformanceGroup) -> None:
    made = [one for one in await mixed(console, run) if one["mode"] == "live"]
    counted = Counter((key_of(one, group), one["status"]) for one in made)
    async with console.db.tenant_session("acme") as session:
        query = PerformanceQuery(group=group, since=BOUNDS[0].date(), until=BOUNDS[-2].date())
        report = await service.performance_report(session, query, limit=200, now=NOW)
    for row in report.rows:
        assert (row.completed, row.failed, row.cancelled) == tuple(
            counted.pop((row.key, status), 0) for status in ("completed", "failed", "cancelled")
        )
        took = [one["seconds"] for one in made if key_of(one, group) == row.key and one["status"] == "completed"]
        within = row.event_to_end
        if took:
            assert within.p50_ms is not None
            assert min(took) * 1000 <= within.p50_ms <= (within.p95_ms or 0) <= (within.p99_ms or 0) <= max(took) * 1000
        else:
            assert within.p50_ms is None
    assert not counted, "each run is in a row"
    assert (
        sum(one.runs for one in report.errors) == report.total.failed == sum(one["status"] == "failed" for one in made)
    )
    assert {one.code: one.runs for one in report.errors} == Counter(
        one["error_code"] for one in made if one["error_code"]
    )
    assert sum(day.runs for day in report.days) == report.total.runs == len(made)


MANY = """
    INSERT INTO agent_executions (tenant_id, agent_id, agent_version_id, status, queued_at)
    SELECT tenant_id, agent_id, agent_version_id, 'completed', queued_at + make_interval(hours => hour)
      FROM agent_executions, generate_series(1, 5000) AS hour
"""
"""A table of few rows is read whole, whatever there is to read it by."""

READINGS: dict[str, Callable[[AsyncSession, Wanted], Awaitable[Any]]] = {
    **{
        f"costs by {group}": lambda session, wanted, group=group: repository.counted_rows(session, wanted, group, 5)
        for group in (None, "agent", "model", "ticket")
    },
    "outcomes": lambda session, wanted: repository.outcome_rows(session, wanted, "agent"),
    "percentiles": lambda session, wanted: repository.spreads(session, wanted, "day"),
}


@pytest.mark.parametrize("reading", list(READINGS))
async def test_each_reading_is_bounded_by_the_index_of_arrival(
    console: Console, run: MakeRun, database_urls: DatabaseUrls, reading: str
) -> None:
    await run(await console.agent())
    connection = await asyncpg.connect(database_urls.superuser_url)
    await connection.execute(MANY)
    await connection.execute("ANALYZE agent_executions")
    await connection.close()
    async with console.db.tenant_session("acme") as session:
        with heard(session) as statements:
            await READINGS[reading](session, Wanted(BOUNDS[:8]))
        [(statement, parameters)] = [one for one in statements if "agent_executions" in one[0]]
        rows = (
            await (await session.connection()).exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        ).scalar_one()
    plan = json.dumps(rows if not isinstance(rows, str) else json.loads(rows))
    assert INDEX in plan
    [condition] = {part for part in plan.split('"Index Cond": ')[1:] if "queued_at >=" in part.partition('", ')[0]}
    assert "queued_at <" in condition.partition('", ')[0]
    assert "tenant_id" in condition.partition('", ')[0]


@pytest.mark.parametrize("agents", [1, 6])
async def test_more_rows_are_no_more_questions(console: Console, run: MakeRun, agents: int) -> None:
    for number in range(agents):
        await run(await console.agent(name=f"Agent {number}"))
    async with console.db.tenant_session("acme") as session:
        with heard(session) as statements:
            await service.cost_report(session, CostQuery(group=CostGroup.AGENT), limit=50, now=NOW)
            await service.cost_report(session, CostQuery(group=CostGroup.MODEL), limit=50, now=NOW)
            await service.performance_report(session, PerformanceQuery(), limit=50, now=NOW)
    assert len(statements) == 3 + 3 + 3


async def test_a_tenant_without_a_run_is_no_row_of_the_platform(console: Console, run: MakeRun) -> None:
    await run(await console.agent("globex"), "1")
    async with console.db.platform_session() as session:
        report = await service.platform_cost_report(session, SpanQuery(since=BOUNDS[0].date()), limit=5, now=NOW)
    assert [(row.key, row.cost_usd) for row in report.rows] == [("globex", Decimal(1))]


async def test_agents_to_choose_from_are_ones_own_by_name(console: Console) -> None:
    for name in ("b", "C", "a"):
        await console.agent(name=name)
    await console.agent("globex", name="theirs")
    async with console.db.tenant_session("acme") as session:
        assert [one["name"] for one in await service.agent_choices(session)] == ["a", "b", "C"]
        assert await repository.agent_names(session, [UUID(int=1)]) == {}


@given(*[st.tuples(*[COUNTS] * len(Costs.model_fields))] * 2)
def test_what_was_added_can_be_taken_away_again(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    one, two = (
        Costs(**{
            name: Decimal(number).scaleb(-8) if name.endswith("_usd") else number
            for name, number in zip(Costs.model_fields, numbers, strict=True)
        })
        for numbers in (first, second)
    )  # fmt: skip
    assert (one + two) - two == one
    assert one + Costs() == one

"""What runs cost and how they went, from the runs themselves. Runs inside a tenant's session or the platform's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import titles
from deskhand.reports import repository
from deskhand.reports.models import CostGroup, PerformanceGroup
from deskhand.reports.schemas import (
    CostQuery,
    CostReport,
    CostRow,
    Costs,
    DayCosts,
    DayOutcomes,
    ErrorKind,
    Performance,
    PerformanceQuery,
    PerformanceReport,
    PerformanceRow,
    PlatformCostReport,
    SpanQuery,
    Spread,
)
from deskhand.reports.span import Span, span_of
from deskhand.reports.wanted import Wanted
from deskhand.ui.format import label

GONE, NO_MODEL, NO_TICKET = "an agent that is gone", "no model named", "without a ticket"


async def cost_report(session: AsyncSession, query: CostQuery, *, limit: int, now: datetime) -> CostReport:
    """What the runs of a tenant cost, by day, agent, model or ticket.

    Args:
        session: The tenant's.
        query: Which runs, and by what they are added up.
        limit: Rows at most; what is beyond them is one sum. Days are all told.
        now: For the range, where the query leaves it open.
    """
    span = span_of(query, now)
    wanted = Wanted(span.bounds, query.trials, query.agent_id)
    found = await repository.cost_rows(session, wanted, *_asked(query.group, limit))
    of_days = {trial: _by_day(found, trial=trial) for trial in (False, True)}
    shown = of_days[query.trials]
    total = _sum(shown.values())
    if query.group is CostGroup.DAY:
        rows, beyond = _every_day(span, shown), 0
    else:
        rows, beyond = await _cost_rows(session, query.group, [row for row in found if not row["of_day"]], limit)
    return CostReport(
        **span.view.model_dump(),
        group=query.group.value,
        rows=rows,
        # A difference of exact numbers: rows and what is beyond them add up to the total, to the last digit.
        others=total - _sum(rows) if beyond else None,
        other_rows=beyond,
        total=total,
        trials=_sum(of_days[True].values()),
        days=[DayCosts(day=day, **_money(shown.get(number))) for number, day in enumerate(span.days, start=1)],
    )


async def platform_cost_report(
    session: AsyncSession, query: SpanQuery, *, limit: int, now: datetime
) -> PlatformCostReport:
    """What the runs of each tenant cost.

    Args:
        session: The platform's.
        query: Which runs.
        limit: Rows at most; what is beyond them is one sum.
        now: For the range, where the query leaves it open.
    """
    span = span_of(query, now)
    found = await repository.tenant_costs(session, Wanted(span.bounds, query.trials))
    everything = [CostRow(key=row["key"], name=row["name"], **costs_of(row).model_dump()) for row in found]
    rest = everything[limit:]
    return PlatformCostReport(
        **span.view.model_dump(),
        rows=everything[:limit],
        others=_sum(rest) if rest else None,
        other_rows=len(rest),
        total=_sum(everything),
    )


async def performance_report(
    session: AsyncSession, query: PerformanceQuery, *, limit: int, now: datetime
) -> PerformanceReport:
    """How the runs of a tenant went: outcomes, percentiles, kinds of errors; by agent or day.

    Args:
        session: The tenant's.
        query: Which runs, and by what they are looked at.
        limit: Rows at most. Days are all told.
        now: For the range, where the query leaves it open.
    """
    span = span_of(query, now)
    wanted = Wanted(span.bounds, query.trials, query.agent_id)
    outcomes = await repository.outcome_rows(session, wanted, query.group)
    spreads = await repository.spreads(session, wanted, query.group)
    of_key = {row["key"]: row for row in spreads if not row["all"]}
    days = {row["day"]: _outcomes(row) for row in outcomes if row["part"] == _OF_DAY}
    groups = [row for row in outcomes if row["part"] == _OF_KEY]
    rows = [(row["key"], _performance(_outcomes(row), of_key.get(row["key"]))) for row in groups]
    rows, beyond = _slowest(rows, limit) if query.group is not PerformanceGroup.DAY else (_in_order(rows), 0)
    names = await _names(session, query.group, [key for key, _ in rows], span)
    return PerformanceReport(
        **span.view.model_dump(),
        group=query.group.value,
        rows=[PerformanceRow(key=_key(key, query.group, span), name=names[key], **_plain(one)) for key, one in rows],
        other_rows=beyond,
        total=_performance(_added(days.values()), next(row for row in spreads if row["all"])),
        errors=_errors(row for row in outcomes if row["part"] == _OF_CODE),
        days=[DayOutcomes(day=day, **days.get(number, {})) for number, day in enumerate(span.days, start=1)],
    )


async def agent_choices(session: AsyncSession) -> Sequence[RowMapping]:
    """Agents to choose from in a filter, by name."""
    return await repository.agent_choices(session)


# What `grouping` says of a row of outcomes: a bit for each of day, key and code that was not grouped by.
_OF_DAY, _OF_KEY, _OF_CODE = 0b011, 0b101, 0b110
_OUTCOMES = ("runs", "completed", "failed", "cancelled", "open_runs")


def _asked(group: CostGroup, limit: int) -> tuple[str | None, int | None]:
    # Days come with every answer, and models are told apart here.
    return {CostGroup.DAY: (None, 1), CostGroup.MODEL: (group.value, None)}.get(group, (group.value, limit))


async def _cost_rows(
    session: AsyncSession, group: CostGroup, found: Sequence[Mapping[Any, Any]], limit: int
) -> tuple[list[CostRow], int]:
    """The dearest rows, and how many more there are."""
    if group is CostGroup.MODEL:
        rows = await _model_rows(session, found)
        return rows[:limit], max(0, len(rows) - limit)
    names = await _names(session, group, [row["key"] for row in found])
    rows = [CostRow(key=row["key"], name=names[row["key"]], **costs_of(row).model_dump()) for row in found]
    return rows, found[0]["keys"] - len(rows) if found else 0


async def _model_rows(session: AsyncSession, found: Sequence[Mapping[Any, Any]]) -> list[CostRow]:
    """What the runs of all versions that are set to one model cost."""
    models = await repository.models_of(session, (UUID(row["key"]) for row in found))
    sums: dict[str, Costs] = {}
    for row in found:
        model = models[row["key"]]
        sums[model] = sums.get(model, Costs()) + costs_of(row)
    rows = [CostRow(key=model, name=model or NO_MODEL, **costs.model_dump()) for model, costs in sums.items()]
    return sorted(rows, key=lambda row: (-row.cost_usd, -row.unpriced_tokens, -row.runs, row.key))


def costs_of(row: Mapping[Any, Any]) -> Costs:
    """The sums of a row; one without corrections need not say so."""
    return Costs(**{name: row[name] for name in Costs.model_fields if name in row})


def _sum(parts: Iterable[Costs]) -> Costs:
    total = Costs()
    for part in parts:
        total = total + part
    return total


def _by_day(found: Iterable[Mapping[Any, Any]], *, trial: bool) -> dict[int, Costs]:
    return {row["day"]: costs_of(row) for row in found if row["of_day"] and row["trial"] == trial}


def _every_day(span: Span, of_days: Mapping[int, Costs]) -> list[CostRow]:
    numbered = enumerate(span.days, start=1)
    return [
        CostRow(key=str(day), name=str(day), **of_days.get(number, Costs()).model_dump()) for number, day in numbered
    ]


def _money(costs: Costs | None) -> dict[str, Any]:
    found = costs or Costs()
    return {name: getattr(found, name) for name in ("cost_usd", "corrections_usd", "unpriced_runs")}


async def _names(session: AsyncSession, group: str, keys: Sequence[str], span: Span | None = None) -> dict[str, str]:
    """What each key is called."""
    if group == CostGroup.AGENT:
        names = await repository.agent_names(session, map(UUID, keys))
        return {key: names.get(key, GONE) for key in keys}
    if group == CostGroup.DAY and span is not None:
        return {key: _key(key, group, span) for key in keys}
    return {key: key or NO_TICKET for key in keys}


def _key(key: str, group: str, span: Span) -> str:
    return str(_day(span, int(key))) if group == CostGroup.DAY else key


def _day(span: Span, number: int) -> date:
    return span.since + timedelta(days=number - 1)


def _outcomes(row: RowMapping) -> dict[str, int]:
    return {name: row[name] for name in _OUTCOMES}


def _added(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found = list(parts)
    return {name: sum(part[name] for part in found) for name in _OUTCOMES}


def _performance(outcomes: Mapping[str, int], spreads: RowMapping | None) -> Performance:
    decided = outcomes["completed"] + outcomes["failed"]
    return Performance(
        **outcomes,
        success=outcomes["completed"] / decided if decided else None,
        event_to_end=_spread(None if spreads is None else spreads["whole"]),
        run_time=_spread(None if spreads is None else spreads["work"]),
    )


def _spread(values: Sequence[float] | None) -> Spread:
    if not values:
        return Spread()
    p50, p95, p99 = (round(value) for value in values)
    return Spread(p50_ms=p50, p95_ms=p95, p99_ms=p99)


def _plain(one: Performance) -> dict[str, Any]:
    return one.model_dump()


def _slowest(rows: list[tuple[str, Performance]], limit: int) -> tuple[list[tuple[str, Performance]], int]:
    """The slowest first, those without a completed run last; and how many more there are."""
    ordered = sorted(rows, key=lambda row: (-(row[1].event_to_end.p95_ms or -1), -row[1].runs, row[0]))
    return ordered[:limit], max(0, len(ordered) - limit)


def _in_order(rows: list[tuple[str, Performance]]) -> list[tuple[str, Performance]]:
    return sorted(rows, key=lambda row: int(row[0]))


def _errors(rows: Iterable[RowMapping]) -> list[ErrorKind]:
    words = titles()
    found = [
        ErrorKind(code=row["code"], title=words.get(row["code"]) or label(row["code"]) or "No code", runs=row["runs"])
        for row in rows
        if row["code"] is not None
    ]
    return sorted(found, key=lambda one: (-one.runs, one.code))

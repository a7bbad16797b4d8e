"""What a month was worth, from runs, votes and the history of solved tickets. Runs inside a tenant's session."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.words import folded
from deskhand.reports import repository as runs
from deskhand.reports.schemas import Costs
from deskhand.reports.service import costs_of
from deskhand.reports.span import Span, month_of
from deskhand.reports.wanted import Wanted
from deskhand.reports.worth import repository
from deskhand.reports.worth.figures import (
    FIELDS,
    Fate,
    Looked,
    all_sides,
    confidence_for,
    difference,
    groups_of,
    kept_figures,
    share_figure,
)
from deskhand.reports.worth.schemas import Worth, WorthQuery, WorthReport
from deskhand.tenants.worth_rules import worth_rules

MOST_TICKETS = 50_000
"""In one report; the first of the month are looked at, whichever way they were drawn."""
MOST_ROWS = 500
ALL, NOBODY, REST = "*", "", "…"
_NAMES = {ALL: "All companies", NOBODY: "No company named"}

Ticket = tuple[str, str]
"""Its desk and its id there."""


@dataclass(slots=True)
class Pile:
    """What belongs to one row of the report."""

    tickets: list[Looked] = field(default_factory=list)
    costs: Costs = field(default_factory=Costs)
    helped: int = 0
    not_helped: int = 0

    def add(self, other: Pile) -> None:
        """Take in what belongs to another."""
        self.tickets += other.tickets
        self.costs += other.costs
        self.helped += other.helped
        self.not_helped += other.not_helped


@dataclass(frozen=True, slots=True)
class Month:
    """What was read of one month."""

    span: Span
    rows: Sequence[RowMapping]
    costs: Mapping[str, Costs]
    votes: Sequence[RowMapping]
    told: frozenset[str]


async def worth_report(session: AsyncSession, query: WorthQuery, *, now: datetime) -> WorthReport:
    """What a month was worth to a tenant, by client company.

    Args:
        session: The tenant's, and every company's.
        query: Which month, and whose.
        now: For the month, where the query leaves it open.
    """
    span = month_span(query, now)
    rules = worth_rules(await repository.preferences(session))
    month = await _read(session, span)
    # Sorting tens of thousands of times would keep everybody else waiting.
    total, companies = await asyncio.to_thread(_weigh, month, query.company)
    if query.company is not None:
        companies = [one for one in companies if one.key == query.company]
    return WorthReport(
        **span.view.model_dump(),
        month=f"{span.since:%Y-%m}",
        is_over=span.bounds[-1] <= now,
        hold_out_share=rules.hold_out_share,
        compared=total.held_out > 0,
        total=total if query.company is None else None,
        companies=companies,
        cut_off=max(0, len(month.rows) - MOST_TICKETS),
    )


def month_span(query: WorthQuery, now: datetime) -> Span:
    """The days of the month that is asked for, or of the last whole one."""
    return month_of(query.month, query.zone, now)


async def _read(session: AsyncSession, span: Span) -> Month:
    since, until = span.bounds[0], span.bounds[-1]
    # One more than are looked at, so that it is known that there are more.
    rows = await repository.tickets(session, since, until, limit=MOST_TICKETS + 1)
    found = await runs.cost_rows(session, Wanted(span.bounds), "ticket", None)
    costs = {row["key"]: costs_of(row) for row in found if not row["of_day"] and not row["trial"]}
    told = await repository.desks_told(session, sorted({row["tool_type"] for row in rows}))
    return Month(span, rows, costs, await repository.votes(session, since, until), told)


def _weigh(month: Month, wanted: str | None) -> tuple[Worth, list[Worth]]:
    """The report's rows: all of it, and each company's, those with the most tickets first."""
    piles, names = _piled(month)
    # The one that is asked for is never among those that are cut off.
    order = sorted(piles, key=lambda key: (key != wanted, -len(piles[key].tickets), -piles[key].costs.cost_usd, key))
    kept, rest = order[:MOST_ROWS], order[MOST_ROWS:]
    everything = Pile()
    for pile in piles.values():
        everything.add(pile)
    if rest:
        names[REST] = f"{len(rest)} more companies"
        piles[REST] = Pile()
        for key in rest:
            piles[REST].add(piles[key])
        kept.append(REST)
    compared = any(one.held for one in everything.tickets)
    beside = confidence_for(one for key in kept for one in all_sides(piles[key].tickets))
    # The total is one question, and the companies are another one: more of them must not make the first one vaguer.
    alone = confidence_for(all_sides(everything.tickets))
    total = _worth(ALL, _NAMES[ALL], everything, compared=compared, confidence=alone)
    return total, [_worth(key, names[key], piles[key], compared=compared, confidence=beside) for key in kept]


def _worth(key: str, name: str, pile: Pile, *, compared: bool, confidence: float) -> Worth:
    tickets = pile.tickets
    return Worth(
        key=key,
        name=name,
        tickets=len(tickets),
        noted=sum(one.noted for one in tickets),
        held_out=sum(one.held is True for one in tickets),
        unknown=sum(one.solved_after is None for one in tickets),
        costs=pile.costs,
        votes=share_figure(pile.helped, pile.helped + pile.not_helped),
        suggestions=kept_figures(tickets),
        groups=groups_of(tickets, compared=compared),
        differences=[difference(one, confidence) for one in all_sides(tickets)] if compared else [],
    )


def _piled(month: Month) -> tuple[dict[str, Pile], dict[str, str]]:
    """What belongs to each company, and what companies are called; by their keys."""
    piles: dict[str, Pile] = defaultdict(Pile)
    names, whose = dict(_NAMES), dict[Ticket, str]()
    since = month.span.bounds[0]
    for row in month.rows[:MOST_TICKETS]:
        key, name = _company(row)
        names[key] = name
        whose[row["tool_type"], row["ticket_ref"]] = key
        # A ticket belongs to the month of its first run; what it cost since belongs to the months of those runs.
        if row["first_at"] >= since:
            piles[key].tickets.append(_looked(row, key, month.told))
    for ticket, costs in month.costs.items():
        piles[whose.get(_named(ticket), NOBODY)].costs += costs
    for row in month.votes:
        pile = piles[whose.get((row["tool_type"], row["ticket_ref"]), NOBODY)]
        pile.helped += row["helped"]
        pile.not_helped += row["not_helped"]
    return piles, names


def _named(key: str) -> Ticket:
    tool_type, _, ref = key.partition(":")
    return tool_type, ref


def _company(row: RowMapping) -> tuple[str, str]:
    """Key and name of a ticket's client company, as its runs say last, else its desk's history."""
    said = next(iter(row["companies"] or ()), None)
    named = (said.get("id"), said.get("name")) if said else (row["company_id"], row["company_name"])
    if not named[0]:
        return NOBODY, _NAMES[NOBODY]
    return f"{row['tool_type']}:{named[0]}", str(named[1] or named[0])


def _looked(row: RowMapping, company: str, told: frozenset[str]) -> Looked:
    drawn = row["drawn"] or ()
    return Looked(
        company=company,
        noted=row["noted"],
        held=bool(drawn[0]) if drawn else None,
        solved_after=_solved_after(row, told),
        touched_after=_after(row, "touched_at"),
        reopened=row["reopened"],
        fates=dict(_fates(row)),
    )


def _solved_after(row: RowMapping, told: frozenset[str]) -> float | None:
    if row["resolved_date"] is None:
        return math.inf if row["tool_type"] in told else None
    return _after(row, "resolved_date")


def _after(row: RowMapping, name: str) -> float | None:
    """Milliseconds from the filing of a ticket."""
    if row["opened_at"] is None or row[name] is None:
        return None
    # Clocks of desks and hands of people: nothing was done before it was filed.
    took: timedelta = row[name] - row["opened_at"]
    return max(0.0, took / timedelta(milliseconds=1))


def _fates(row: RowMapping) -> Iterable[tuple[str, Fate]]:
    lists: Mapping[str, Any] = {"category": row["categories"], "priority": row["priorities"]}
    for name in FIELDS:
        if not lists[name]:
            continue
        now = row[name] if row["resolved_date"] is not None else None
        yield name, "not_told" if not now else "kept" if folded(str(lists[name][0])) == folded(str(now)) else "changed"

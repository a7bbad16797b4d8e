"""A month of the ledger by contract and client company. Runs inside a tenant's session.

A run belongs to the month in which its event came, and a correction to the month in which it was noted: a file that was
sent stays true, and what came later is in the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.cron import zone
from deskhand.reports import repository as runs
from deskhand.reports.chargeback import repository
from deskhand.reports.chargeback.repository import Ticket
from deskhand.reports.chargeback.schemas import Chargeback, ChargebackQuery, ChargebackRow, ContractSum, Entry
from deskhand.reports.schemas import Costs
from deskhand.reports.service import costs_of
from deskhand.reports.span import month_of
from deskhand.reports.wanted import Wanted
from deskhand.tenants.contracts import Contract, contract_for, contracts_of

NOBODY = "No company named"
_PLACES: tuple[Entry, ...] = ("runs", "trials", "corrections")
_KINDS: tuple[tuple[Entry, bool], ...] = (("runs", False), ("trials", True))
"""Of runs, and whether they are trials."""
_TOKENS = ("model_calls", "tokens_in", "tokens_cached", "tokens_out", "tokens_reasoning")
_UNPRICED = ("unpriced_runs", "unpriced_tokens")

Key = tuple[Ticket | None, Entry, str]
"""Of what is added up first: a ticket, the kind of entry and the month of the runs."""


async def chargeback(session: AsyncSession, query: ChargebackQuery, *, now: datetime) -> Chargeback:
    """What a month comes to, for each contract and client company.

    Args:
        session: The tenant's, and every company's.
        query: Which month, and whose.
        now: For the month, where the query leaves it open.
    """
    span = month_of(query.month, query.zone, now)
    month = f"{span.since:%Y-%m}"
    sums = await _counted(session, Wanted(span.bounds), month)
    for row in await repository.corrections(session, span.bounds[0], span.bounds[-1]):
        for_month = f"{row['queued_at'].astimezone(zone(query.zone)):%Y-%m}"
        # Of corrections, `runs` counts them, and their amounts stand where costs do.
        sums[_ticket(row), "corrections", for_month] += Costs(runs=1, cost_usd=row["amount_usd"])
    tenant = await repository.tenant_of(session)
    rows = await _rows(session, sums, contracts_of(tenant["preferences"]))
    if query.contract is not None:
        rows = [row for row in rows if row.contract == query.contract]
    return Chargeback(
        **span.view.model_dump(),
        month=month,
        is_over=span.bounds[-1] <= now,
        open_runs=sum(costs.open_runs for costs in sums.values()),
        contracts=_contracts(rows),
        rows=rows,
        total_usd=sum((row.amount_usd for row in rows), Decimal(0)),
        unpriced_runs=sum(row.unpriced_runs for row in rows),
    )


async def _counted(session: AsyncSession, wanted: Wanted, month: str) -> dict[Key, Costs]:
    """What the runs of the month counted, by ticket; real ones and trials."""
    sums: dict[Key, Costs] = defaultdict(Costs)
    for entry, trials in _KINDS:
        asked = Wanted(wanted.bounds, trials=trials)
        for row in await runs.cost_rows(session, asked, "ticket", None):
            if not row["of_day"] and row["trial"] == trials:
                sums[_named(row["key"]), entry, month] += costs_of(row)
    return sums


async def _rows(session: AsyncSession, sums: Mapping[Key, Costs], contracts: list[Contract]) -> list[ChargebackRow]:
    """The rows of companies, in the order of the file."""
    whose = await repository.companies(session, [ticket for ticket, _, _ in sums if ticket is not None])
    names: dict[str, str] = {}
    piles: dict[tuple[str, str, Entry, str], Costs] = defaultdict(Costs)
    for (ticket, entry, month), costs in sums.items():
        found = whose.get(ticket) if ticket else None
        key = f"{ticket[0]}:{found[0]}" if ticket and found else ""
        names[key] = found[1] if found else NOBODY
        contract = contract_for(contracts, *(found or (None, None)))
        piles[contract, key, entry, month] += costs
    order = sorted(piles, key=lambda one: (one[0], names[one[1]].casefold(), one[1], _PLACES.index(one[2]), one[3]))
    return [
        ChargebackRow(
            **{"contract": one[0], "company": one[1], "company_name": names[one[1]], "entry": one[2]},
            for_month=one[3],
            entries=piles[one].runs,
            amount_usd=piles[one].cost_usd,
            **{name: getattr(piles[one], name) for name in (*_TOKENS, *_UNPRICED)},
        )
        for one in order
    ]


def _contracts(rows: Iterable[ChargebackRow]) -> list[ContractSum]:
    sums: dict[str, ContractSum] = {}
    for row in rows:
        known = sums.setdefault(
            row.contract, ContractSum(contract=row.contract, amount_usd=Decimal(0), unpriced_runs=0)
        )
        known.amount_usd += row.amount_usd
        known.unpriced_runs += row.unpriced_runs
    return sorted(sums.values(), key=lambda one: (-one.amount_usd, one.contract))


def _ticket(row: RowMapping) -> Ticket | None:
    return (row["tool_type"], row["ticket_ref"]) if row["tool_type"] and row["ticket_ref"] else None


def _named(key: str) -> Ticket | None:
    tool_type, _, ref = key.partition(":")
    return (tool_type, ref) if ref else None

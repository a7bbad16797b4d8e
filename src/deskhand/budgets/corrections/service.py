"""Later figures of gateways, booked as rows of their own. Runs inside a tenant session.

What was counted stays as it was; a correction says by how much the run's cost is another one, so that counted sums and
corrections add up to what is known now, to the last digit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit.service import record
from deskhand.budgets.corrections import repository
from deskhand.budgets.corrections.schemas import CorrectionQuery, CorrectionView, Figure, FiguresTaken, NewFigures
from deskhand.budgets.purse import RunPurse
from deskhand.engine.models import AgentExecution, CostCorrection
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.db.session import Database, database_now
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.kit.usage import call_id_of

PLACES = Decimal("0.00000001")
"""Of a dollar, as steps and runs keep their cost."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The one call that a figure is about.

    Attributes:
        paid_by: The id by which the budgets that paid for it know it.
    """

    execution_id: UUID
    step_key: str
    paid_by: str


@dataclass(frozen=True, slots=True)
class Booking:
    """What every correction of one request shares."""

    session: AsyncSession
    db: Database
    tenant_id: str
    actor: str


async def take_figures(booking: Booking, data: NewFigures) -> FiguresTaken:
    """Book what a gateway says of calls, where that is not what they counted.

    Figures of several ids go into one transaction. The same figure once more books nothing.
    """
    session = booking.session
    since = await database_now(session) - timedelta(days=data.days)
    meant, ambiguous = await _meant(session, data.figures, since)
    taken = FiguresTaken(corrections=[], unchanged=[], unknown=[], ambiguous=ambiguous, not_ended=[])
    of_run: dict[UUID, list[tuple[Figure, Meant]]] = defaultdict(list)
    for figure in data.figures:
        if figure.call_id in meant:
            of_run[meant[figure.call_id].execution_id].append((figure, meant[figure.call_id]))
        elif figure.call_id not in ambiguous:
            taken.unknown.append(figure.call_id)
    # In one order for everybody, so that two requests never wait for each other's runs.
    for execution_id in sorted(of_run):
        await _correct_run(booking, execution_id, of_run[execution_id], taken)
    return taken


async def list_corrections(session: AsyncSession, query: CorrectionQuery) -> Page[CorrectionView]:
    """Corrections, the newest first.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(query.cursor, datetime, UUID)
    rows = await repository.list_rows(session, query.execution_id, after and (after[0], after[1]), query.limit + 1)
    views = [CorrectionView.model_validate(row) for row in rows]
    return cut_page(views, query.limit, lambda one: (one.noted_at, one.id))


async def _meant(
    session: AsyncSession, figures: Sequence[Figure], since: datetime
) -> tuple[dict[str, Meant], list[str]]:
    """The call of each id, and the ids that could mean several, or are told twice."""
    told = Counter(figure.call_id for figure in figures)
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for row in await repository.find_calls(session, told.keys(), since):
        for name in {row["answer_id"], row["header_id"]} & told.keys():
            found[name].append(row)
    calls = {name: rows[0] for name, rows in found.items() if len(rows) == 1 and told[name] == 1}
    # Both of a call's names, each with a figure of its own: nobody knows which holds.
    named = Counter((row["execution_id"], row["step_key"]) for row in calls.values())
    calls = {name: row for name, row in calls.items() if named[row["execution_id"], row["step_key"]] == 1}
    ambiguous = [name for name, times in told.items() if name not in calls and (name in found or times > 1)]
    return {name: _call(row) for name, row in calls.items()}, ambiguous


def _call(row: RowMapping) -> Meant:
    paid_by = call_id_of(row["answer_id"], {"call_id": row["header_id"]})
    assert paid_by is not None  # it was found by one of them
    return Meant(row["execution_id"], row["step_key"], paid_by)


async def _correct_run(
    booking: Booking, execution_id: UUID, figures: Sequence[tuple[Figure, Meant]], taken: FiguresTaken
) -> None:
    run = await repository.lock_run(booking.session, execution_id)
    if run is None or not ExecutionStatus(run.status).is_final:
        taken.not_ended.extend(figure.call_id for figure, _ in figures)
        return
    priced = await repository.list_priced(booking.session, execution_id)
    before = await repository.list_of_run(booking.session, execution_id)
    # What each call costs by what is known until now; the last correction of a call holds.
    standing = {**priced, **{one.step_key: one.gateway_usd for one in before}}
    corrected = {one.step_key for one in before}
    booked = sum((one.amount_usd for one in before), Decimal(0))
    for figure, call in figures:
        gateway = figure.cost_usd.quantize(PLACES, rounding=ROUND_HALF_UP)
        was = standing[call.step_key]
        if gateway == was:
            taken.unchanged.append(figure.call_id)
            continue
        standing[call.step_key] = gateway
        amount = _known(standing) - _known(priced) - booked
        booked += amount
        row = await repository.add_row(
            booking.session,
            tenant_id=booking.tenant_id,
            execution_id=execution_id,
            step_key=call.step_key,
            call_id=figure.call_id,
            gateway_usd=gateway,
            counted_usd=was,
            amount_usd=amount,
            makes_known=None in priced.values() and None not in standing.values(),
            noted_by=booking.actor,
        )
        taken.corrections.append(CorrectionView.model_validate(row))
        earlier = was if call.step_key in corrected else None
        corrected.add(call.step_key)
        await _purse(booking, run).correct(booking.session, call.paid_by, cost_usd=gateway, before_usd=earlier)
        await _record(booking, row)


def _known(costs: Mapping[str, Decimal | None]) -> Decimal:
    """What calls come to; nothing while the price of one is unknown, as the engine counts a run."""
    known = [cost for cost in costs.values() if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else Decimal(0)


def _purse(booking: Booking, run: AgentExecution) -> RunPurse:
    ticket = f"{run.tool_type}:{run.ticket_ref}" if run.ticket_ref else ""
    return RunPurse(booking.db, booking.tenant_id, run.id, run.agent_id, ticket)


async def _record(booking: Booking, row: CostCorrection) -> None:
    await record(
        booking.session,
        tenant_id=booking.tenant_id,
        actor=booking.actor,
        operation="cost.correct",
        resource_type="execution",
        resource_id=row.execution_id,
        before={"cost_usd": None if row.counted_usd is None else str(row.counted_usd)},
        after={"cost_usd": str(row.gateway_usd)},
        details={"step_key": row.step_key, "call_id": row.call_id, "amount_usd": str(row.amount_usd)},
    )

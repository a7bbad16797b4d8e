"""Recognises that tickets are about one outage: once, however many workers see them at the same moment.

A ticket is looked at in one transaction under a lock of its company: compared with the storms that go on, then with the
tickets of the window, and what comes of it is on record before anybody speaks. So a run that is taken up after its
worker died finds what was decided, and of runs beside each other the second sees what the first has found.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import NotFoundError
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.storms import repository
from deskhand.storms.likeness import GROWTH, YOUNG, is_storm, usual_of
from deskhand.storms.models import TicketStorm
from deskhand.storms.schemas import Report, StormDetail, StormTicket, StormView
from deskhand.tenants.storm_rules import StormRules, storm_rules

MEMBERS_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Part:
    """That a ticket is one of a storm.

    Attributes:
        storm: The storm, with this ticket counted.
        is_first: It is the ticket that came first.
        is_news: It was seen now, by this run, and not by an earlier one.
        speaks: The run is the one to speak of the storm.
        told: How many tickets the storm was spoken of with last.
        has_begun: The storm was recognised by this very look.
    """

    storm: StormView
    is_first: bool
    is_news: bool
    speaks: bool
    told: int
    has_begun: bool = False


async def see(
    session: AsyncSession, tenant_id: str, report: Report, rules: StormRules, *, now: datetime
) -> Part | None:
    """Look at a ticket among the others of its company.

    Args:
        session: A session of the tenant; what is found holds once it commits.
        tenant_id: The tenant.
        report: The ticket.
        rules: From when on it is a storm.
        now: The present moment.

    Returns:
        The storm that the ticket is of; None if it is of none.
    """
    await repository.lock(session, tenant_id, report)
    known = await repository.find_report(session, report.tool_type, report.ticket_id)
    if known is not None:
        storm = await repository.find_storm(session, known.storm_id) if known.storm_id else None
        return None if storm is None else _part(storm, report, is_news=known.execution_id == report.execution_id)
    await repository.keep_report(session, tenant_id, report, now=now)
    window = timedelta(minutes=rules.window_minutes)
    since, until = report.reported_at - window, report.reported_at + window
    rare = set(report.words) - await repository.common_words(session, report, since)
    storm_id = await repository.joined_storm(session, report, rare, until)
    if storm_id is not None:
        return await _join(session, storm_id, report, window)
    return await _recognise(session, tenant_id, report, rare, rules, now=now)


async def is_on(session: AsyncSession) -> bool:
    """Whether the session's tenant wants outages recognised."""
    return storm_rules(await repository.preferences(session)).on


async def first_tickets(session: AsyncSession, storm_id: UUID, *, limit: int) -> list[StormTicket]:
    """Tickets of a storm, in the order in which they were filed."""
    rows = await repository.members(session, storm_id, limit=limit)
    return [StormTicket.model_validate(row) for row in rows]


async def storm_of(session: AsyncSession, tool_type: str, names: Collection[str]) -> StormView | None:
    """The storm that a ticket is of, by any of its names; None if it is of none."""
    storm = await repository.storm_of(session, tool_type, names)
    return None if storm is None else StormView.model_validate(storm)


async def get_storm(session: AsyncSession, storm_id: UUID) -> StormDetail:
    """A storm with its tickets.

    Raises:
        NotFoundError: There is none, or it belongs to another tenant.
    """
    storm = await repository.find_storm(session, storm_id)
    if storm is None:
        raise NotFoundError(f"There is no storm {storm_id}; what is over for 90 days is forgotten.")
    members = await first_tickets(session, storm_id, limit=MEMBERS_SHOWN)
    return StormDetail(**StormView.model_validate(storm).model_dump(), members=members)


async def list_storms(session: AsyncSession, *, limit: int, cursor: str | None = None) -> Page[StormView]:
    """Storms, the newest first.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    position = decode_cursor(cursor, datetime, UUID)
    after = None if position is None else (position[0], position[1])
    rows = await repository.list_storms(session, after=after, limit=limit + 1)
    return cut_page([StormView.model_validate(row) for row in rows], limit, lambda one: (one.recognised_at, one.id))


async def _recognise(
    session: AsyncSession, tenant_id: str, report: Report, rare: Collection[str], rules: StormRules, *, now: datetime
) -> Part | None:
    """Make a storm of the tickets of the window that say the same, if they are more than is usual."""
    window = timedelta(minutes=rules.window_minutes)
    since, until = report.reported_at - window, report.reported_at + window
    found = await repository.like_it(session, report, rare, since=since, until=until)
    requesters = {one["requester"] for one in found} | {report.requester}
    # Nearly every ticket ends here: what was usual is asked only where there are enough.
    if min(len(found) + 1, len(requesters)) < rules.least:
        return None
    usual = usual_of(await repository.times_before(session, report, rare, since), window)
    known_since = await repository.known_since(session, report)
    is_young = known_since is None or known_since > report.reported_at - YOUNG
    sized = {"tickets": len(found) + 1, "requesters": len(requesters), "usual": usual}
    if not is_storm(**sized, least=rules.least, is_young=is_young):
        return None
    own = {"ticket_id": report.ticket_id, "number": report.number, "reported_at": report.reported_at}
    by_time = sorted([*found, own], key=lambda one: (one["reported_at"], one["ticket_id"]))
    first, last_at = by_time[0], by_time[-1]["reported_at"]
    values = {
        **{"tenant_id": tenant_id, "tool_type": report.tool_type, "company": report.company, **sized},
        **{"company_name": report.company_name, "execution_id": report.execution_id, "told": sized["tickets"]},
        **{"first_ticket_id": first["ticket_id"], "first_number": first["number"], "recognised_at": now},
        **{"began_at": first["reported_at"], "last_at": last_at, "over_at": last_at + window},
    }
    storm = await repository.begin(session, values, [one["ticket_id"] for one in by_time])
    return _part(storm, report, is_news=True, has_begun=True)


async def _join(session: AsyncSession, storm_id: UUID, report: Report, window: timedelta) -> Part:
    await repository.grow(session, storm_id, report, window)
    storm = await repository.find_storm(session, storm_id)
    assert storm is not None  # its row is locked by the statement before
    if storm.tickets >= GROWTH * storm.told:
        # Whoever counts that ticket says so; the one before has said what it knew.
        storm.told, storm.execution_id = storm.tickets, report.execution_id
        await session.flush()
    return _part(storm, report, is_news=True)


def _part(storm: TicketStorm, report: Report, *, is_news: bool, has_begun: bool = False) -> Part:
    return Part(
        storm=StormView.model_validate(storm),
        is_first=storm.first_ticket_id == report.ticket_id,
        is_news=is_news,
        speaks=storm.execution_id == report.execution_id,
        told=storm.told,
        has_begun=has_begun,
    )

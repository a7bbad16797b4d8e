"""A tenant's boundaries, asked of what is to become knowledge: nothing of a ticket that a rule is about is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.plugins.contract import Ticket, TicketingToolPlugin, TicketPage
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError
from deskhand.tenants.boundaries import NO_BOUNDARIES, Boundaries, Effect, read_boundaries
from deskhand.tenants.models import TenantConfig


@dataclass(frozen=True, slots=True)
class Sifted:
    """A page of a desk's history.

    Attributes:
        page: With the tickets that may be kept.
        left_out: The others; what is known of them has to go.
    """

    page: TicketPage
    left_out: tuple[Ticket, ...]


async def boundaries_of(session: AsyncSession) -> Boundaries:
    """The rules of the session's tenant."""
    return await read_boundaries(session, await session.scalar(select(TenantConfig.enhancement_preferences)))


def is_out(boundaries: Boundaries, table: str, row: Mapping[str, Any]) -> bool:
    """Whether a rule surely is about a row of the history, of the articles or of the systems."""
    # Articles and systems are no tickets: a rule that wants care with tickets says nothing of them.
    effects = () if table == "ticket_history" else (Effect.SILENCE,)
    return boundaries.decide(boundaries.of_row(row), *effects, openly=True) is not None


async def without_kept_out(session: AsyncSession, table: str, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Rows that may be found: a rule counts at once, and the job that takes its rows out needs a while."""
    boundaries = await boundaries_of(session) if rows else NO_BOUNDARIES
    return [row for row in rows if not is_out(boundaries, table, dict(row._mapping))]


async def sift(boundaries: Boundaries, desk: TicketingToolPlugin, page: TicketPage) -> Sifted:
    """What of a page may be kept.

    Raises:
        DeskError: The desk does not show a ticket of which its list says too little.
    """
    kept = [ticket for ticket in page.tickets if await may_keep(boundaries, desk, ticket, is_listed=True)]
    left_out = tuple(ticket for ticket in page.tickets if ticket not in kept) if len(kept) < len(page.tickets) else ()
    return Sifted(replace(page, tickets=tuple(kept)), left_out)


async def may_keep(
    boundaries: Boundaries, desk: TicketingToolPlugin, ticket: Ticket, *, is_listed: bool = False
) -> bool:
    """Whether a ticket may become knowledge; one of which a list says too little is read."""
    # A merged pair is one voice, and that is the survivor's.
    if ticket.merged_into is not None:
        return False
    if ticket.is_closed and ticket.split_from and await _repeats(desk, ticket, ticket.split_from):
        return False
    decision = boundaries.decide(boundaries.of_ticket(ticket, is_listed=is_listed))
    if decision is None or decision.is_certain or not is_listed:
        return decision is None
    try:
        whole = await desk.get_ticket(ticket.id, with_notes=False)
    except DeskNotFoundError:
        return False
    return boundaries.decide(boundaries.of_ticket(whole)) is None


async def _repeats(desk: TicketingToolPlugin, ticket: Ticket, origin_id: str) -> bool:
    """Whether a ticket says nothing that the one that it was made out of does not say: the two are one voice."""
    try:
        origin = await desk.get_ticket(origin_id)
    except (DeskNotFoundError, DeskPermissionError):
        return False
    # Not by their subjects: a desk puts a word before the one of a clone.
    return origin.is_closed and _said(origin) == _said(ticket)


def _said(ticket: Ticket) -> tuple[list[str], list[str]]:
    return ticket.description.split(), (ticket.resolution or "").split()

"""Tickets that an agent may be tried on: those of the latest runs and events, and solved ones from the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution
from deskhand.executions.repository import event_subject
from deskhand.intake.models import WebhookDelivery
from deskhand.knowledge.models import TicketHistory

LOOKED_THROUGH = 60
"""Rows of each kind; a busy ticket has many, and the page asks for few tickets."""


@dataclass(frozen=True, slots=True)
class PastTicket:
    """A ticket to try an agent on.

    Attributes:
        ticket_ref: Its id at the desk.
        number: What people call it.
        source: ``run``, ``event`` or ``solved``.
    """

    tool_type: str
    ticket_ref: str
    number: str
    subject: str | None
    source: str
    at: datetime

    @property
    def key(self) -> tuple[str, str]:
        """The same for every row about one ticket."""
        return self.tool_type, self.ticket_ref


async def past_tickets(session: AsyncSession, desks: Sequence[str], *, limit: int) -> list[PastTicket]:
    """Tickets of some desks, each once: those that were worked on lately, then solved ones.

    Args:
        session: A session of the tenant.
        desks: Tool types.
        limit: How many at most.
    """
    e, d = AgentExecution, WebhookDelivery
    runs = select(e.tool_type, e.ticket_ref, e.ticket_ref, event_subject(), literal("run"), e.queued_at)
    runs = runs.where(e.ticket_ref.is_not(None), e.tool_type.in_(desks)).order_by(e.queued_at.desc())
    told = d.facts["subject"].astext
    events = select(d.tool_type, d.ticket_ref, d.ticket_ref, told, literal("event"), d.received_at)
    events = events.where(d.ticket_ref.is_not(None), d.tool_type.in_(desks)).order_by(d.received_at.desc())
    found = [PastTicket(*row) for query in (runs, events) for row in await session.execute(query.limit(LOOKED_THROUGH))]
    lately = sorted(found, key=lambda one: one.at, reverse=True)
    return list(_each_once([*lately, *await _solved(session, desks, limit=limit)]))[:limit]


async def _solved(session: AsyncSession, desks: Sequence[str], *, limit: int) -> list[PastTicket]:
    t = TicketHistory
    # An invented ticket is at no desk.
    known = select(t).where(t.tool_type.in_(desks), t.source != "synthetic").order_by(t.created_at.desc()).limit(limit)
    return [
        PastTicket(row.tool_type, row.desk_id or row.ticket_id, row.ticket_id, row.subject, "solved", row.created_at)
        for row in await session.scalars(known)
    ]


def _each_once(tickets: Iterable[PastTicket]) -> Iterable[PastTicket]:
    seen: dict[tuple[str, str], PastTicket] = {}
    for one in tickets:
        seen.setdefault(one.key, one)
    return seen.values()

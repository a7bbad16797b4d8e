"""What the history would have been good for: for how many of the last tickets a solution was there before they came."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.schemas import TicketNames
from deskhand.knowledge.search import search_history
from deskhand.knowledge.solutions import is_solution
from deskhand.knowledge.upkeep import repository

LAST = 200
BUDGET_SECONDS = 120.0
"""A history of a million takes long to search; so many tickets are judged as fit in here, and the number is told."""
_HITS = 3


async def look_back(db: Database, tenant_id: str, tool_type: str, *, embedder: Embedder) -> tuple[int, int]:
    """Search for each of the last solved tickets as if it had just been filed.

    Only what was solved before a ticket was filed counts, and only what says how ("done" says nothing).

    Returns:
        How many tickets were asked about, and for how many of them there was a solution.
    """
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        tickets = await repository.newest_solved(session, tool_type, LAST)
    until = time.monotonic() + BUDGET_SECONDS
    judged = answerable = 0
    for ticket in tickets:
        if time.monotonic() > until:
            break
        judged += 1
        answerable += await _has_answer(db, tenant_id, tool_type, ticket, embedder)
    return judged, answerable


async def _has_answer(db: Database, tenant_id: str, tool_type: str, ticket: Row[Any], embedder: Embedder) -> bool:
    names = tuple(filter(None, (ticket.ticket_id, ticket.desk_id)))
    # A file may not say when a ticket was filed; that it was solved at all is the latest that it can have been.
    filed_at: datetime = ticket.opened_at or ticket.resolved_date
    async with db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
        hits = await search_history(
            session,
            f"{ticket.subject}\n{ticket.description}",
            limit=_HITS,
            exclude_ticket=TicketNames(tool_type, names),
            embedder=embedder,
            solved_before=filed_at,
        )
    return any(is_solution(hit.resolution) for hit in hits)

"""What a note stands on: kept when it is written, so that a verdict on it says something of its sources.

By which rule verdicts change the order of what is found stands in ``knowledge.ranking``, beside ``VERDICT_LOG_ODDS``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.db.companies import SHARED_ONLY, Scope, id_by_name
from deskhand.kit.storable import storable_text
from deskhand.knowledge.models import KnowledgeArticle, NoteGrounds, TicketHistory
from deskhand.plugins.contract import Ticket

_LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Searched:
    """What was searched for when a note was made.

    Attributes:
        scope: For which companies.
        vector: Of the words; None where there is no model.
        model: Who made the vector.
    """

    scope: Scope
    vector: Sequence[float] | None
    model: str | None


async def keep_grounds(
    session: AsyncSession,
    *,
    tenant_id: str,
    run_id: UUID,
    ticket: Ticket,
    cited: Collection[tuple[str, str]],
    searched: Searched,
) -> None:
    """Remember for what ticket a note cited what; kept again by a resumed run, it stays one row.

    Nothing is kept of a note without sources, where there is no model, and of a ticket whose company nobody knows: a
    verdict on it would be about nothing, or for nobody.

    Args:
        session: A session of the run's company, so that sources of others are not found.
        tenant_id: The tenant.
        run_id: The run, whose note is recorded already.
        ticket: The ticket of the note.
        cited: Kind and label of each cited source, as a note's output has them.
        searched: What was searched for.
    """
    company_id = _company_id(ticket)
    if searched.vector is None or searched.scope == SHARED_ONLY or len(company_id or "") > _LONGEST_ID:
        return
    sources = await _ids_of(session, cited)
    if not sources:
        return
    values = {
        "tenant_id": tenant_id,
        "enhancement_id": run_id,
        "tool_type": ticket.tool_type,
        "company_id": company_id,
        "company_name": storable_text(ticket.company.name)[:_LONGEST_ID] if ticket.company else None,
        "sources": sources,
        "embedding": list(searched.vector),
        "embedding_model": searched.model,
    }
    await session.execute(insert(NoteGrounds).values(**values).on_conflict_do_nothing())


def _company_id(ticket: Ticket) -> str | None:
    company = ticket.company
    return None if company is None else storable_text(company.id) or id_by_name(company.name)


async def _ids_of(session: AsyncSession, cited: Collection[tuple[str, str]]) -> list[UUID]:
    t, a = TicketHistory, KnowledgeArticle
    tickets = [label for kind, label in cited if kind == "ticket"]
    articles = [label for kind, label in cited if kind == "article"]
    found: list[UUID] = []
    if tickets:
        found += await session.scalars(select(t.id).where(t.ticket_id.in_(tickets)).order_by(t.id))
    if articles:
        found += await session.scalars(select(a.id).where(a.article_id.in_(articles)).order_by(a.id))
    return found

"""Articles and solved tickets of acme, for tests that need one to be there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from tests.support.api import Api

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory


class HasApi(Protocol):
    """A world of a test: its API, and numbers that it gives once."""

    api: Api
    tickets: Iterator[int]


async def written_article(world: HasApi) -> dict[str, str]:
    """The id of one more article."""
    async with world.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        name = f"KB-{next(world.tickets)}"
        article = KnowledgeArticle(tenant_id="acme", article_id=name, title="Printers", body="Open the lid.")
        session.add(article)
        await session.flush()
        return {"article_id": str(article.id)}


async def solved_ticket(world: HasApi) -> dict[str, str]:
    """The id of one more solved ticket."""
    async with world.api.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        solved = TicketHistory(tenant_id="acme", ticket_id=str(next(world.tickets)), description="It jams.")
        session.add(solved)
        await session.flush()
        return {"solved_id": str(solved.id)}

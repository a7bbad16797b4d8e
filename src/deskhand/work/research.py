"""Research by construction: what is looked up for every ticket before any model is asked.

Each source is a journaled step of its own. One that is down is named in the note and the run goes on: a
note with half the sources is worth more than none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.exc import DBAPIError

from deskhand.engine.journal import Journal
from deskhand.kit.db.session import Database
from deskhand.knowledge import service as knowledge
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.ranking import HISTORY
from deskhand.knowledge.schemas import ArticleHit, HistoryHit, SystemHit
from deskhand.knowledge.triage import MINIMUM_VOTE, NEIGHBOURS, Label, Triage, suggest
from deskhand.plugins.contract import Ticket
from deskhand.work.toolbox import strip_marks

QUERY_CHARACTERS = 1500
SHOWN = 5

_HISTORY = TypeAdapter(list[HistoryHit])
_ARTICLES = TypeAdapter(list[ArticleHit])
_SYSTEMS = TypeAdapter(list[SystemHit])


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was found for one ticket.

    Attributes:
        history: Near enough to show; ``neighbours`` are all that voted.
        unavailable: Names of sources that could not be searched.
    """

    history: list[HistoryHit]
    articles: list[ArticleHit]
    systems: list[SystemHit]
    triage: Triage
    neighbours: list[HistoryHit]
    unavailable: list[str]

    def voters(self, label: Label) -> int:
        """How many neighbours had a say about a label."""
        return sum(
            1 for one in self.neighbours[:NEIGHBOURS] if one.score >= MINIMUM_VOTE and getattr(one, label) is not None
        )


class Researcher:
    """Looks things up for one run.

    Args:
        db: Sessions.
        journal: Records each look-up.
        embedder: Turns the ticket into a vector, or searches by words alone.
    """

    def __init__(self, db: Database, journal: Journal, embedder: Embedder) -> None:
        self._db = db
        self._journal = journal
        self._embedder = embedder
        self._tenant_id = journal.execution.tenant_id

    async def research(self, ticket: Ticket) -> Findings:
        """Past tickets, articles and systems for a ticket, and what its neighbours suggest."""
        query = query_for(ticket)
        missing: list[str] = []
        history = _HISTORY.validate_python(
            await self._look_up("search_tickets", "past tickets", query, missing, self._search_history(query, ticket))
        )
        articles = _ARTICLES.validate_python(
            await self._look_up("search_knowledge", "the knowledge base", query, missing, self._search_articles(query))
        )
        systems = _SYSTEMS.validate_python(
            await self._look_up("find_systems", "the system inventory", query, missing, self._find_systems(query))
        )
        return Findings(
            # All neighbours vote, each with its weight; only the near ones are worth a technician's time.
            history=[hit for hit in history if hit.score >= HISTORY.floor][:SHOWN],
            articles=articles,
            systems=systems,
            triage=suggest(history),
            neighbours=history,
            unavailable=missing,
        )

    async def _look_up(
        self, name: str, source: str, query: str, missing: list[str], body: Callable[[], Awaitable[Any]]
    ) -> Any:
        async def guarded() -> Any:
            try:
                return {"found": await body()}
            except (DBAPIError, OSError, TimeoutError) as error:
                return {"unavailable": f"{type(error).__name__}"}

        answer = await self._journal.step(name=name, kind="tool", input={"query": query}, body=guarded)
        if "unavailable" in answer:
            missing.append(source)
            return []
        return answer["found"]

    def _search_history(self, query: str, ticket: Ticket) -> Callable[[], Awaitable[Any]]:
        async def search() -> Any:
            async with self._db.tenant_session(self._tenant_id) as session:
                return await knowledge.nearest_history(
                    session, query, embedder=self._embedder, exclude_ticket=ticket.id
                )

        return search

    def _search_articles(self, query: str) -> Callable[[], Awaitable[Any]]:
        async def search() -> Any:
            async with self._db.tenant_session(self._tenant_id) as session:
                return await knowledge.search_articles(session, query, embedder=self._embedder)

        return search

    def _find_systems(self, query: str) -> Callable[[], Awaitable[Any]]:
        async def search() -> Any:
            async with self._db.tenant_session(self._tenant_id) as session:
                return await knowledge.find_systems(session, query)

        return search


def query_for(ticket: Ticket) -> str:
    """What is searched for: the subject and the start of the description."""
    return strip_marks(f"{ticket.subject}\n{ticket.description}").strip()[:QUERY_CHARACTERS]

"""Research by construction: what is looked up for every ticket before any model is asked.

Each source is a journaled step of its own. One that is down is named in the note and the run goes on: a
note with half the sources is worth more than none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.journal import Journal
from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.readers import Readers
from deskhand.kit.db.session import Database
from deskhand.kit.marks import strip_marks
from deskhand.kit.replies import bare_subject, in_order
from deskhand.knowledge import search as knowledge
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.ranking import HISTORY
from deskhand.knowledge.schemas import ArticleHit, HistoryHit, SystemHit, TicketNames
from deskhand.knowledge.triage import NEIGHBOURS, Label, Triage, suggest
from deskhand.notes import grounding
from deskhand.notes.facts import NEAR, FileText, Turn
from deskhand.plugins.contract import Ticket
from deskhand.work.companies import CompanyWall

QUERY_CHARACTERS = 1500
ADDED_CHARACTERS = 500
"""Of these, what the conversation may add to subject and description."""
PARTICULARS = 25
SHOWN = 5
_DOTS = 3  # of an IPv4 address
_LONGEST = 80

Hit = TypeVar("Hit")


@dataclass(frozen=True, slots=True)
class Source(Generic[Hit]):
    """Where something is looked up.

    Attributes:
        step: Name of its step in the trace.
        name: What a note calls it.
        hits: Reads its answer back from the journal.
    """

    step: str
    name: str
    hits: TypeAdapter[list[Hit]]


@dataclass(frozen=True, slots=True)
class LookUp(Generic[Hit]):
    """What one source answered; ``answered`` is False if it was down, and ``hits`` are then empty."""

    source: str
    hits: list[Hit]
    answered: bool = True


PAST_TICKETS = Source("search_tickets", "past tickets", TypeAdapter(list[HistoryHit]))
ARTICLES = Source("search_knowledge", "the knowledge base", TypeAdapter(list[ArticleHit]))
SYSTEMS = Source("find_systems", "the system inventory", TypeAdapter(list[SystemHit]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was found for one ticket.

    Attributes:
        query: What was searched for.
        history: Near enough to show; ``neighbours`` are all that voted.
        unavailable: Names of sources that could not be searched.
    """

    query: str
    history: list[HistoryHit]
    articles: list[ArticleHit]
    systems: list[SystemHit]
    triage: Triage
    neighbours: list[HistoryHit]
    unavailable: list[str]

    def votes(self, label: Label, value: str | None) -> tuple[int, int]:
        """How many similar tickets have a value, and how many have any; a distant neighbour is not a similar ticket."""
        near = [hit for hit in self.neighbours[:NEIGHBOURS] if hit.score >= NEAR and getattr(hit, label) is not None]
        return sum(getattr(hit, label) == value for hit in near), len(near)


class Researcher:
    """Looks things up for one run.

    Args:
        db: Sessions.
        journal: Records each look-up.
        embedder: Turns the ticket into a vector, or searches by words alone.
        wall: Says for which company.
        known_by: Only what was known by then; None: what is known now.
        readers: Who reads what comes of it; for outside, public sources alone are found.
        look: Which look at the ticket this is.
    """

    def __init__(
        self,
        db: Database,
        journal: Journal,
        embedder: Embedder,
        wall: CompanyWall,
        *,
        known_by: datetime | None = None,
        readers: Readers = Readers.HOUSE,
        look: int = 1,
    ) -> None:
        self._readers = readers
        self._look = look
        self._db = db
        self._journal = journal
        self._embedder = embedder
        self._wall = wall
        self._known_by = known_by
        self._tenant_id = journal.execution.tenant_id

    async def research(
        self, ticket: Ticket, conversation: Sequence[Turn] = (), files: Sequence[FileText] = ()
    ) -> Findings:
        """Past tickets, articles and systems for a ticket, and what its neighbours suggest.

        Args:
            ticket: The ticket.
            conversation: What people said on it since, oldest first.
            files: What its files say.
        """
        query = query_for(ticket, conversation, files)
        # One after the other: each is a step of the trace, and together they would take three of the worker's
        # connections.
        history = await self._look_up(PAST_TICKETS, query, lambda s: self._nearest(s, query, ticket))
        articles = await self._look_up(
            ARTICLES,
            query,
            lambda s: knowledge.search_articles(s, query, embedder=self._embedder, known_by=self._known_by),
        )
        named = systems_query(ticket, conversation, files)
        systems = await self._look_up(
            SYSTEMS, named, lambda s: knowledge.find_systems(s, named, known_by=self._known_by)
        )
        return Findings(
            query=query,
            # More neighbours vote on category and priority than are near enough to be shown.
            history=[hit for hit in history.hits if hit.score >= HISTORY.floor][:SHOWN],
            articles=articles.hits,
            systems=systems.hits,
            triage=suggest(history.hits),
            neighbours=history.hits,
            unavailable=[one.source for one in (history, articles, systems) if not one.answered],
        )

    async def _nearest(self, session: AsyncSession, query: str, ticket: Ticket) -> list[HistoryHit]:
        own = TicketNames(ticket.tool_type, (ticket.id, ticket.display_id))
        return await knowledge.nearest_history(
            session, query, embedder=self._embedder, exclude_ticket=own, solved_before=self._known_by
        )

    async def _look_up(
        self, source: Source[Hit], query: str, search: Callable[[AsyncSession], Awaitable[list[Hit]]]
    ) -> LookUp[Hit]:
        """Ask one source, as a step of its own; the journal keeps an outage like an answer."""

        async def ask() -> Any:
            try:
                scope, readers = self._wall.scope, self._readers
                async with self._db.tenant_session(self._tenant_id, companies=scope, readers=readers) as session:
                    return {"found": await search(session)}
            except DATABASE_ERRORS as error:
                # The type alone: a driver's message may name hosts, and this goes into the journal that people read.
                return {"unavailable": type(error).__name__}

        # A run that asks twice, for the house and for outside, has two answers.
        key = f"{source.step}:outside/{self._look}" if self._readers is Readers.OUTSIDE else None
        answer = await self._journal.step(name=source.step, key=key, kind="tool", input={"query": query}, body=ask)
        if "unavailable" in answer:
            return LookUp(source.name, [], answered=False)
        return LookUp(source.name, source.hits.validate_python(answer["found"]))


def query_for(ticket: Ticket, conversation: Sequence[Turn] = (), files: Sequence[FileText] = ()) -> str:
    """What is searched for: subject, the start of the description, and what the rest of the ticket adds.

    Added are codes, addresses and hosts from wherever they stand, and the requester's last answer, or what the newest
    file says: often the first that says what it is about.
    """
    # A signature is many words about its author, and the same on each of their tickets.
    start = strip_marks(f"{bare_subject(ticket.subject)}\n{in_order(ticket.description)}").strip()
    answer = next((turn.text for turn in reversed(conversation) if turn.who == "requester"), "")
    answer = answer or next((file.text for file in files), "")
    later = (*(turn.text for turn in reversed(conversation)), *(file.text for file in files))
    names = particulars((ticket.description, *later))
    added = " ".join(name for name in names if name not in start[: QUERY_CHARACTERS - ADDED_CHARACTERS])
    # Strangers type long words, too; what is cut here is read by the model all the same.
    addition = f"{added[: ADDED_CHARACTERS // 2]}\n{' '.join(answer.split())[: ADDED_CHARACTERS // 2]}".strip()
    if not addition:
        return start[:QUERY_CHARACTERS]
    return f"{start[: QUERY_CHARACTERS - len(addition) - 1].rstrip()}\n{addition}"


def systems_query(ticket: Ticket, conversation: Sequence[Turn] = (), files: Sequence[FileText] = ()) -> str:
    """Where systems are looked for: what people wrote, with every name of the whole text and its files before it."""
    texts = (ticket.subject, ticket.description, *(turn.text for turn in reversed(conversation)))
    start = "\n".join(strip_marks(text)[:QUERY_CHARACTERS] for text in texts[: 2 + SHOWN])
    return f"{start}\n{' '.join(particulars((*texts, *(file.text for file in files))))}".strip()


def particulars(texts: Iterable[str]) -> list[str]:
    """Codes, addresses and hosts of texts in their order; numbers alone, dates and times are none."""
    names = (name for text in texts for name in grounding.names(strip_marks(text)))
    telling = (name for name in names if any(map(str.isalpha, name)) or name.count(".") == _DOTS)
    return list(dict.fromkeys(name for name in telling if len(name) <= _LONGEST))[:PARTICULARS]

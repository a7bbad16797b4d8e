"""The tenant's knowledge as tools of a model: what is found carries the id under which it can be cited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.journal import Journal
from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.session import Database
from deskhand.knowledge import search as knowledge
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.schemas import ArticleHit, HistoryHit, SystemHit
from deskhand.lab.past import Past
from deskhand.llm.loop import ToolInputError, ToolSpec, call_key
from deskhand.notes.facts import Source
from deskhand.tools.knowledge import KNOWLEDGE
from deskhand.tools.values import Grants, Mode, ToolOperation
from deskhand.work.companies import CompanyWall
from deskhand.work.facts import article_source, history_source, system_source
from deskhand.work.views import shortened
from deskhand.work.voice import Voice

TICKETS = TypeAdapter(list[HistoryHit])
ARTICLES = TypeAdapter(list[ArticleHit])
SYSTEMS = TypeAdapter(list[SystemHit])
TEXT_LIMIT = 1_500
ARTICLE_LIMIT = 20_000
BEGINNING = 400

Hit = TypeVar("Hit")
Args = Mapping[str, Any]


class KnowledgeTools:
    """What one run may look up.

    Args:
        grants: Operations the agent has on ``knowledge``.
        db: Sessions.
        journal: Records each look-up.
        embedder: For semantic search.
        seen: Told of everything that was found, so that it can be cited.
        wall: Says for which company.
        voice: Says for whom the words are that come of it.
        past: The time in which the run takes place, whose knowledge alone is there; None: it is now.
    """

    def __init__(
        self,
        *,
        grants: Grants,
        db: Database,
        journal: Journal,
        embedder: Embedder,
        seen: Callable[[Source], None],
        wall: CompanyWall,
        voice: Voice,
        past: Past | None = None,
    ) -> None:
        self._grants = grants
        self._db = db
        self._journal = journal
        self._embedder = embedder
        self._seen = seen
        self._wall = wall
        self._voice = voice
        self._past = past
        self._handlers: dict[str, Callable[[Args], Awaitable[Any]]] = {
            "search_past_tickets": self._past_tickets,
            "search_articles": self._articles,
            "read_article": self._article,
            "find_systems": self._systems,
        }

    def offered(self) -> Iterator[ToolOperation]:
        """Operations a model is offered."""
        for operation in KNOWLEDGE.operations:
            grant = self._grants.get(operation.name)
            if grant is not None and grant.mode is Mode.ALLOW and self._voice.offers(operation):
                yield operation

    def spec(self, operation: ToolOperation, *, name: str, description: str) -> ToolSpec:
        """The tool of one operation."""
        return ToolSpec(
            name=name,
            description=description,
            parameters=operation.arguments,
            handler=self._handlers[operation.name],
            # `_look_up` journals each answer itself; a step of the loop would keep the same hits twice.
            keeps_own_steps=True,
        )

    async def _past_tickets(self, args: Args) -> Any:
        limit = args.get("limit", 5)
        hits = await self._look_up(
            "search_past_tickets",
            args,
            TICKETS,
            lambda s: knowledge.search_history(
                s, args["query"], limit=limit, embedder=self._embedder, solved_before=self._known_by
            ),
        )
        if hits is None:
            return _away("past tickets")
        return {"tickets": [self._told(history_source(hit, ref=f"ticket:{hit.ticket_id}")) for hit in hits]}

    async def _articles(self, args: Args) -> Any:
        limit = args.get("limit", 3)
        hits = await self._look_up(
            "search_articles",
            args,
            ARTICLES,
            lambda s: knowledge.search_articles(
                s, args["query"], limit=limit, embedder=self._embedder, known_by=self._known_by
            ),
        )
        if hits is None:
            return _away("the knowledge base")
        return {"articles": [self._told(article_source(hit, ref=f"article:{hit.article_id}")) for hit in hits]}

    async def _article(self, args: Args) -> Any:
        # Models give the id as it was shown to them, with its kind, or bare.
        article_id = str(args["source"]).removeprefix("article:")

        async def read(session: AsyncSession) -> list[ArticleHit]:
            hit = await knowledge.read_article(session, article_id, known_by=self._known_by)
            return [] if hit is None else [hit]

        hits = await self._look_up("read_article", args, ARTICLES, read)
        if hits is None:
            return _away("the knowledge base")
        if not hits:
            raise ToolInputError(f"There is no article '{article_id}'. Use a source id that search_articles gave.")
        source = article_source(hits[0], ref=f"article:{hits[0].article_id}")
        self._seen(source)
        body = shortened(source.text, ARTICLE_LIMIT)
        return {"articles": [{"source": source.ref, "title": source.title, "body": body, "url": source.url}]}

    async def _systems(self, args: Args) -> Any:
        hits = await self._look_up(
            "find_systems",
            args,
            SYSTEMS,
            lambda s: knowledge.find_systems(s, args["text"], known_by=self._known_by),
        )
        if hits is None:
            return _away("the system inventory")
        return {"systems": [self._told(system_source(hit, ref=f"system:{hit.hostname}")) for hit in hits]}

    @property
    def _known_by(self) -> datetime | None:
        return self._past.moment if self._past else None

    def _told(self, source: Source) -> dict[str, Any]:
        self._seen(source)
        facts: dict[str, Any] = {"source": source.ref}
        if source.kind == "ticket":
            facts |= {
                "subject": source.title,
                "problem": shortened(source.problem, TEXT_LIMIT),
                "resolution": shortened(source.text, TEXT_LIMIT),
            }
        # The beginning is for choosing; `read_article` gives the model the text.
        elif source.kind == "article":
            facts |= {"title": source.title, "beginning": shortened(source.text, BEGINNING)}
        else:
            facts |= {"hostname": source.label, "role": source.title, "facts": source.text, "named": source.named}
        return {name: value for name, value in {**facts, "url": source.url}.items() if value}

    async def _look_up(
        self,
        name: str,
        args: Args,
        hits: TypeAdapter[list[Hit]],
        search: Callable[[AsyncSession], Awaitable[list[Hit]]],
    ) -> list[Hit] | None:
        """What was found, or None where the database did not answer; the journal keeps an outage like an answer."""

        async def ask() -> Any:
            try:
                tenant_id, scope = self._journal.execution.tenant_id, self._wall.scope
                readers = self._voice.readers
                async with self._db.tenant_session(tenant_id, companies=scope, readers=readers) as session:
                    return {"found": await search(session)}
            except DATABASE_ERRORS as error:
                # An answer rather than an error, so that the journal keeps it and a run taken up again goes the same
                # way.
                return {"unavailable": type(error).__name__}

        answer = await self._journal.step(name=name, key=call_key(name), kind="tool", input=dict(args), body=ask)
        return None if "unavailable" in answer else hits.validate_python(answer["found"])


def _away(what: str) -> dict[str, Any]:
    return {"unavailable": f"{what} could not be asked; go on without it"}

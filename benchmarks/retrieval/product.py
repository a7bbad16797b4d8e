"""The product's own search of one tenant, as an agent's run asks it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.retrieval.rivals import DEPTH
from benchmarks.retrieval.sets import DESK, Asked, LabelledSet
from benchmarks.retrieval.weights import Pair

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer, repository, search
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.ranking import ARTICLES, HISTORY, Calibration
from deskhand.knowledge.schemas import TicketNames

OURS = "Deskhand"
TABLES = {"tickets": ("ticket_history", HISTORY), "articles": ("knowledge_articles", ARTICLES)}
_EVERY = 10_000


def ratio_of(calibration: Calibration) -> float:
    """How much more a whole cosine counts than every word of the query."""
    return calibration.cosine / calibration.words


class Product:
    """Searches as ``deskhand_app``, through PostgreSQL and its policies.

    Args:
        db: Sessions.
        tenant: Whose documents.
        one: What is searched, for which of the two searches it is.
        embedder: The installation's, or one that keeps its vectors.
    """

    name = OURS

    def __init__(self, db: Database, tenant: str, one: LabelledSet, embedder: Embedder) -> None:
        self._db = db
        self._tenant = tenant
        self._one = one
        self._embedder = embedder

    async def store(self) -> None:
        """Import the documents as a customer would."""
        one = self._one
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(list(one.rows), file)
            file.flush()
            path = Path(file.name)
            if one.kind == "tickets":
                report = await importer.import_tickets(self._db, self._tenant, path, embedder=self._embedder)
            else:
                report = await importer.import_articles(self._db, self._tenant, path, embedder=self._embedder)
        if report.created != len(one.rows):
            raise SystemExit(f"{one.library}: {report.created} of {len(one.rows)} documents were stored")

    async def rank(self, asked: Asked) -> list[str]:
        """Keys of hits, the best first, without the floor that hides weak ones."""
        async with self._db.tenant_session(self._tenant, companies=EVERY_COMPANY) as session:
            if self._one.kind == "articles":
                articles = await search.search_articles(
                    session, asked.text, limit=DEPTH, embedder=self._embedder, floor=0.0
                )
                return [hit.article_id for hit in articles]
            itself = TicketNames(DESK, (asked.itself,)) if asked.itself else None
            tickets = await search.search_history(
                session, asked.text, limit=DEPTH, exclude_ticket=itself, embedder=self._embedder, floor=0.0
            )
            return [hit.ticket_id for hit in tickets]

    async def measured(self, asked: Asked) -> list[Pair]:
        """Both measurements of every document, and whether it is an answer."""
        table, calibration = TABLES[self._one.kind]
        text = asked.text.strip()
        (vector,) = self._embedder.embed([text])
        async with self._db.tenant_session(self._tenant, companies=EVERY_COMPANY) as session:
            query = await search.prepare_query(
                session, table, text, calibration, vector=vector, model=self._embedder.name
            )
            if asked.itself:
                query = repository.excluding(query, TicketNames(DESK, (asked.itself,)))
            rows = await repository.search(session, table, query, limit=_EVERY)
        return [(row.cosine, row.words, getattr(row, self._one.key) in asked.relevant) for row in rows]

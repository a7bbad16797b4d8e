"""How long a search takes in a tenant with many tickets, and what it costs to search exactly.

Run: ``.venv/bin/python -m benchmarks.search --parts speed [--tickets 10000]``; starts a PostgreSQL of its own.

Searches as ``deskhand_app`` under row-level security, beside a second tenant of the same size. Compared in the
same run with: vectors alone in one statement (no words), and words alone. Texts are varied from the demo's
54 invented tickets and vectors are theirs with noise, so that no hour is spent embedding; the query's own
embedding is real and counted. The aim is under 2 s at 10,000 tickets.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.support import tenant_database
from sqlalchemy import insert, text
from tests.knowledge.paraphrases import DATA, paraphrases

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import repository, search
from deskhand.knowledge.embedding import LexicalOnly, embed_texts, load_embedder, ticket_text
from deskhand.knowledge.models import TicketHistory
from deskhand.knowledge.ranking import HISTORY

TENANTS = ("bench", "neighbour")
ROUNDS = 40
WORDS = ("branch", "floor", "yesterday", "colleague", "update", "office", "team", "server", "window", "device", "order")


async def fill(db: Database, tenant: str, count: int, rows: list[dict[str, Any]], vectors: list[list[float]]) -> None:
    """Store ``count`` varied tickets."""
    chance = random.Random(tenant)
    for start in range(0, count, 500):
        batch = []
        for number in range(start, min(start + 500, count)):
            which = chance.randrange(len(rows))
            noisy = [value + chance.gauss(0, 0.02) for value in vectors[which]]
            length = sum(value * value for value in noisy) ** 0.5
            batch.append(
                {
                    "tenant_id": tenant, "tool_type": "servicedesk_plus", "ticket_id": f"B-{number}",
                    "subject": f"{rows[which]['subject']} {chance.choice(WORDS)}",
                    "description": f"{rows[which]['description']} {' '.join(chance.choices(WORDS, k=40))} AX-{number}",
                    "resolution": rows[which]["resolution"], "category": rows[which]["category"],
                    "priority": rows[which]["priority"], "source": "synthetic",
                    "embedding": [value / length for value in noisy], "embedding_model": load_embedder().name,
                }
            )  # fmt: skip
        async with db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
            await session.execute(insert(TicketHistory), batch)


async def timed(name: str, work: Any, queries: list[str]) -> None:
    """Print p50, p95 and the worst of ``ROUNDS`` searches."""
    taken = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        await work(queries[number % len(queries)])
        taken.append((time.perf_counter() - start) * 1000)
    p95 = statistics.quantiles(taken, n=20)[18]
    print(f"  {name:44} p50 {statistics.median(taken):7.1f} ms   p95 {p95:7.1f} ms   worst {max(taken):7.1f} ms")


async def vectors_alone(db: Database, query: str) -> None:
    """The cheapest search there is: the nearest vectors in one statement."""
    (vector,) = await embed_texts(load_embedder(), [query])
    async with db.tenant_session(TENANTS[0], companies=EVERY_COMPANY) as session:
        await session.execute(
            text(
                "SELECT ticket_id, embedding_similarity(embedding, CAST(:v AS real[])) AS near FROM ticket_history"
                " ORDER BY near DESC LIMIT 5"
            ),
            {"v": vector},
        )


async def plan(db: Database, query: str) -> list[str]:
    """The plan of the search statement, as executed."""
    (vector,) = load_embedder().embed([query])
    async with db.tenant_session(TENANTS[0], companies=EVERY_COMPANY) as session:
        prepared = await search.prepare_query(
            session, "ticket_history", query, HISTORY, vector=vector, model=load_embedder().name
        )
        statement = "EXPLAIN (ANALYZE, BUFFERS) " + repository.search_statement("ticket_history", excluding=False)
        rows = await session.execute(text(statement), repository.search_parameters(prepared, limit=5))
        return [re.sub(r"'\{[^}]{200,}\}'", "<vector>", row[0]) for row in rows]


async def measure_speed(count: int) -> None:
    """Fill two tenants with so many tickets each, and search one."""
    lines = (DATA / "resolved_tickets.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["source"] == "synthetic"]
    made = load_embedder().embed([ticket_text(r["subject"], r["description"], r["resolution"]) for r in rows])
    vectors = [vector for vector in made if vector is not None]
    queries = [one.text for one in paraphrases("held-out")]
    with tempfile.TemporaryDirectory() as directory:
        async with tenant_database(Path(directory), *TENANTS) as db:
            for tenant in TENANTS:
                await fill(db, tenant, count, rows, vectors)
            print(f"{count} tickets in each of {len(TENANTS)} tenants, {os.cpu_count()} cores")

            async def product(query: str, embedder: Any = None) -> None:
                async with db.tenant_session(TENANTS[0], companies=EVERY_COMPANY) as session:
                    await search.search_history(session, query, embedder=embedder)

            async def by_words(query: str) -> None:
                await product(query, LexicalOnly())

            async def nearest(query: str) -> None:
                await vectors_alone(db, query)

            async def embedding(query: str) -> None:
                await embed_texts(load_embedder(), [query])

            await timed("search_history (vectors and words), the product", product, queries)
            await timed("vectors alone, one statement", nearest, queries)
            await timed("words alone (no model installed)", by_words, queries)
            await timed("of which the query's embedding", embedding, queries)
            print("\n".join(await plan(db, queries[0])))

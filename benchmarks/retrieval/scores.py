"""Fit and judge the scores of search on the demo content; prints the coefficients of ``knowledge.ranking``.

Run: ``.venv/bin/python -m benchmarks.search --parts scores`` (about a minute; starts a PostgreSQL of its own).

Fitted on the ``tuning`` and ``no-answer`` queries of ``tests/knowledge/paraphrases.csv`` and on each ticket of the
history against the others; judged on the ``held-out`` ones. Compared with: vectors alone, words alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.support import tenant_database
from tests.knowledge.paraphrases import DATA, TENANT, article_of, paraphrases, topics_of_history

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer, repository, search
from deskhand.knowledge.embedding import load_embedder
from deskhand.knowledge.ranking import ARTICLES, COSINE_CENTRE, HISTORY, Calibration, probability
from deskhand.knowledge.schemas import TicketNames

Pair = tuple[float, float, bool]


async def measure(
    db: Database, table: str, calibration: Calibration, text: str, right: Callable[[Any], bool], leave: str = ""
) -> list[Pair]:
    """Cosine, shared words and truth of one query against every row."""
    (vector,) = load_embedder().embed([text])
    async with db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        query = await search.prepare_query(session, table, text, calibration, vector=vector, model=load_embedder().name)
        query = repository.excluding(query, TicketNames("servicedesk_plus", (leave,))) if leave else query
        rows = await repository.search(session, table, query, limit=10_000)
    return [(row.cosine, row.words, right(row)) for row in rows]


def fit_scale(pairs: list[Pair], ratio: float) -> tuple[float, float, float]:
    """The same where it is settled how much a cosine counts beside words."""
    # As one measurement, in the place of the words.
    joined = [(COSINE_CENTRE, ratio * (cosine - COSINE_CENTRE) + words, truth) for cosine, words, truth in pairs]
    intercept, _, words = fit(joined, (False, True))
    return intercept, ratio * words, words


def fit(pairs: list[Pair], use: tuple[bool, bool]) -> tuple[float, float, float]:
    """Logistic regression by Newton's method, with a whisper of ridge."""
    x = np.array([[1.0, (c - COSINE_CENTRE) * 20 * use[0], w * 5 * use[1]] for c, w, _ in pairs])
    y = np.array([float(truth) for *_, truth in pairs])
    weights = np.zeros(3)
    for _ in range(100):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(3)
        weights += np.linalg.solve(hessian, x.T @ (y - p) - 1e-3 * weights)
    return float(weights[0]), float(weights[1] * 20), float(weights[2] * 5)


def score_of(weights: tuple[float, float, float], cosine: float, words: float) -> float:
    return probability(weights[0] + weights[1] * (cosine - COSINE_CENTRE) + weights[2] * words)


def judge(name: str, queries: dict[str, list[list[Pair]]], weights: tuple[float, float, float]) -> None:
    """Print how well the scores of one fit rank and separate."""
    print(f"  {name}: intercept {weights[0]:.2f}, cosine {weights[1]:.1f}, words {weights[2]:.2f}")
    for use, lists in queries.items():
        scored = [sorted(((score_of(weights, c, w), truth) for c, w, truth in one), reverse=True) for one in lists]
        with_answer = [one for one in scored if any(truth for _, truth in one)]
        first = sum(one[0][1] for one in with_answer)
        third = sum(any(truth for _, truth in one[:3]) for one in with_answer)
        best = sorted(round(max(score for score, truth in one if truth), 2) for one in with_answer)
        nothing = sorted(round(one[0][0], 2) for one in scored if not any(truth for _, truth in one))
        print(
            f"    {use:9} @1 {first}/{len(with_answer)} @3 {third}/{len(with_answer)}; best right scores {best[:6]}..."
        )
        if nothing:
            print(f"    {use:9} best scores where nothing is right {nothing}")


async def gather(db: Database) -> None:
    """Measure, fit and judge both tables."""
    topics = topics_of_history()
    for table, calibration in (("ticket_history", HISTORY), ("knowledge_articles", ARTICLES)):
        history = table == "ticket_history"
        queries: dict[str, list[list[Pair]]] = {}
        for use in ("tuning", "held-out", "no-answer"):
            for one in paraphrases(use):
                wanted = one.topic or "none"

                def right(row: Any, wanted: str = wanted, text: str = one.text, history: bool = history) -> bool:
                    if history:
                        return topics[row.ticket_id] == wanted
                    return row.article_id == article_of(wanted, text)

                queries.setdefault(use, []).append(await measure(db, table, calibration, one.text, right))
        training = [pair for use in ("tuning", "no-answer") for one in queries[use] for pair in one]
        if history:
            training += await each_other(db, topics)
        print(table)
        judge("both, as the product weighs them", queries, fit_scale(training, calibration.cosine / calibration.words))
        for name, use in (("both", (True, True)), ("vectors alone", (True, False)), ("words alone", (False, True))):
            judge(name, queries, fit(training, use))


async def each_other(db: Database, topics: dict[str, str]) -> list[Pair]:
    """Every invented ticket, as it was before it was resolved, against the others."""
    pairs: list[Pair] = []
    async with db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        stored = await repository.stored_tickets(session, list(topics))
    for row in stored:
        ticket_id = row["ticket_id"]
        topic = topics[ticket_id]
        text = f"{row['subject']}\n{row['description']}"
        pairs += await measure(
            db,
            "ticket_history",
            HISTORY,
            text,
            lambda hit, topic=topic: topics[hit.ticket_id] == topic,
            leave=ticket_id,
        )
    return pairs


async def judge_scores() -> None:
    """Import the demo's content, fit on one part of its queries and judge on the other."""
    with tempfile.TemporaryDirectory() as directory:
        async with tenant_database(Path(directory), TENANT) as db:
            await importer.import_tickets(db, TENANT, DATA / "resolved_tickets.jsonl")
            await importer.import_articles(db, TENANT, DATA / "articles")
            await importer.import_articles(db, TENANT, DATA / "procedures.json")
            await gather(db)

"""How good the product's search is beside what else could be used, on documents that people labelled.

Run: ``PYTHONPATH=DIR .venv/bin/python -m benchmarks.search [--data FOLDER]``, DIR being where ``pip install --no-deps
--target DIR bm25s PyStemmer`` put BM25. FOLDER (or ``DESKHAND_SEARCH_SETS``) holds ``seamonkey.json`` and
``hadoop.json`` (tickets that people marked as duplicates) and ``gnome_help.json`` (one manual in nine languages); what
is not there is named and left out. Without it only the demo's own content is asked.

Ours is ``search_history`` and ``search_articles`` as ``deskhand_app`` through PostgreSQL, without the floor that hides
weak hits, since the others have none. Vectors are kept in ``.cache/search``: the first run takes minutes to make them.

``--parts weights`` fits what meaning counts beside words on each set and judges it on the others, ``--parts scores``
fits and judges the scores themselves, ``--parts speed`` measures how long a search takes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import numpy as np
from benchmarks.retrieval.measures import MEASURES, interval, measure
from benchmarks.retrieval.product import OURS, TABLES, Product, ratio_of
from benchmarks.retrieval.rivals import Bm25, FullText, Fused, Rival, Vectors
from benchmarks.retrieval.scores import judge_scores
from benchmarks.retrieval.sets import (
    MANUAL,
    PLAIN_DUPLICATES,
    LabelledSet,
    demo_sets,
    duplicate_set,
    manual_sets,
)
from benchmarks.retrieval.speed import measure_speed
from benchmarks.retrieval.vectors import KeptVectors
from benchmarks.retrieval.weights import Pair, print_weights
from benchmarks.support import add_tenants, migrated_server, open_database

from deskhand.knowledge.embedding import Embedder, load_embedder

PARTS = ("quality", "weights", "scores", "speed")


def labelled_sets(folder: Path | None, *, documents: int, queries: int, pages: int) -> Iterator[LabelledSet]:
    """Every set that is there; says which is not."""
    yield from demo_sets()
    for name in (*PLAIN_DUPLICATES, MANUAL):
        path = folder / f"{name}.json" if folder else None
        if path is None or not path.is_file():
            print(f"{name}: left out, since {path or 'no folder was named (--data) that'} is not there")
        elif name == MANUAL:
            yield from manual_sets(path, queries=queries, pages=pages)
        else:
            yield duplicate_set(path, documents=documents)


async def compare(one: LabelledSet, rankers: list[Rival]) -> None:
    """Print every ranker's figures on one set, and by how much ours leads the best of the others."""
    print(f"\n{one.name}: {len(one.queries)} queries, {one.size}")
    figures = {}
    for ranker in rankers:
        start = time.perf_counter()
        values = [measure(await ranker.rank(asked), asked.relevant) for asked in one.queries]
        took = (time.perf_counter() - start) * 1000 / len(one.queries)
        figures[ranker.name] = np.array(values)
        shown = "  ".join(
            f"{name} {value:.3f} [{low:.3f}-{high:.3f}]"
            for name, column in zip(MEASURES, figures[ranker.name].T, strict=True)
            for value, (low, high) in [(column.mean(), interval(column))]
        )
        print(f"  {ranker.name:38} {shown}  {took:6.1f} ms a query")
    for place, name in enumerate(MEASURES):
        others = {other: values[:, place] for other, values in figures.items() if other != OURS}
        rival = max(others, key=lambda other: others[other].mean())
        lead = figures[OURS][:, place] - others[rival]
        low, high = interval(lead)
        verdict = "BELOW" if high < 0 else "above" if low > 0 else "even"
        print(f"    {name:9} {verdict:5} the best other ({rival}): {lead.mean():+.3f} [{low:+.3f} to {high:+.3f}]")


async def measure_quality(sets: Sequence[LabelledSet], embedder: KeptVectors, *, weights: bool) -> None:
    """Store each set's documents once, and ask everybody the same; or fit the weights of ours."""
    libraries = {library: f"bench-{number}" for number, library in enumerate(dict.fromkeys(s.library for s in sets))}
    with tempfile.TemporaryDirectory() as directory, migrated_server(Path(directory)) as server:
        db = open_database(server)
        connection = await asyncpg.connect(server.owner_url)
        try:
            await add_tenants(db, *libraries.values())
            stored: set[str] = set()
            measured: dict[str, list[list[Pair]]] = {}
            for one in sets:
                ours = Product(db, libraries[one.library], one, embedder)
                if one.library not in stored:
                    await ours.store()
                    stored.add(one.library)
                if weights:
                    measured[one.name] = [await ours.measured(asked) for asked in one.queries]
                else:
                    await compare(one, [ours, *await rivals(one, connection, embedder)])
        finally:
            await connection.close()
            await db.dispose()
    if weights:
        print_weights(measured, {one.name: ratio_of(TABLES[one.kind][1]) for one in sets})
    print(f"\n{embedder.made} vectors were made, the others were kept from earlier runs")


async def rivals(one: LabelledSet, connection: asyncpg.Connection, embedder: Embedder) -> list[Rival]:
    """Everything else that could be used, on one set."""
    words: list[Rival] = [Bm25(one)] if Bm25.is_there() else []
    words.append(await FullText(one, connection).store())
    vectors = Vectors(one, embedder)
    return [*words, vectors, Fused(words[0], vectors)]


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="How good the product's search is beside what else could be used.")
    named = os.environ.get("DESKHAND_SEARCH_SETS")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["quality"])
    parser.add_argument("--data", type=Path, default=named and Path(named), help="folder of the labelled sets")
    parser.add_argument("--cache", type=Path, default=Path(".cache/search"), help="where vectors are kept")
    parser.add_argument("--documents", type=int, default=250, help="tickets of a set that are searched")
    parser.add_argument("--queries", type=int, default=40, help="questions of each language of the manual")
    parser.add_argument("--pages", type=int, default=80, help="pages of each language but English")
    parser.add_argument("--only", default="", help="sets whose names begin so")
    parser.add_argument("--tickets", type=int, default=10_000, help="of each tenant, where speed is measured")
    return parser.parse_args()


async def main() -> None:
    given = options()
    if {"quality", "weights"} & set(given.parts):
        known = labelled_sets(given.data, documents=given.documents, queries=given.queries, pages=given.pages)
        sets = [one for one in known if one.name.startswith(given.only)]
        if not Bm25.is_there():
            print("BM25: left out; pip install --no-deps --target DIR bm25s PyStemmer, and PYTHONPATH=DIR")
        for part in ("quality", "weights"):
            if part in given.parts:
                await measure_quality(sets, KeptVectors(load_embedder(), given.cache), weights=part == "weights")
    if "scores" in given.parts:
        await judge_scores()
    if "speed" in given.parts:
        await measure_speed(given.tickets)


if __name__ == "__main__":
    asyncio.run(main())

"""Whether what a note says is of use: category and priority beside baselines, and claims beside their sources.

Run: ``.venv/bin/python -m benchmarks.usefulness [--data FOLDER]``, FOLDER (or ``DESKHAND_SHARED_DATA``) being where the
shared data is; what is not there is named and left out. ``--parts fields`` compares category and priority, ``--parts
notes`` writes notes with the whole product and looks each claim up in its source. Vectors and the model's answers are
kept in ``.cache``. ``--no-model`` writes notes of what was found alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.foreign.answers import kept_answers
from benchmarks.foreign.claims import Claims, check_claims
from benchmarks.foreign.fields import Judged, Proposal, judge, majority, nearest, regression
from benchmarks.foreign.labelled import Field, Halves, labelled
from benchmarks.foreign.library import read_library
from benchmarks.foreign.stage import Written, stage
from benchmarks.foreign.tickets import filed
from benchmarks.retrieval.measures import interval
from benchmarks.retrieval.vectors import KeptVectors
from benchmarks.support import tenant_database

from deskhand.demo.scene import new_tickets
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.log import configure_logging
from deskhand.knowledge import importer, search
from deskhand.knowledge.embedding import load_embedder, ticket_text
from deskhand.settings import Settings

PARTS = ("fields", "notes")
FIELDS: tuple[Field, ...] = ("category", "priority")


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Whether what a note says is of use.")
    named = os.environ.get("DESKHAND_SHARED_DATA")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", type=Path, default=named and Path(named), help="folder of the shared data")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where vectors and answers are kept")
    parser.add_argument("--models", type=Path, default=Settings().data_dir / "models", help="where model files are")
    parser.add_argument("--most", type=int, default=120, help="labelled tickets of a set")
    parser.add_argument("--bugs", type=int, default=60, help="bug reports of each set in the history of notes")
    parser.add_argument("--pages", type=int, default=60, help="pages of the manual in each of three languages")
    parser.add_argument("--no-model", action="store_true", help="notes of what was found alone")
    return parser.parse_args()


async def ours(db: Database, tenant: str, one: Halves, embedder: KeptVectors) -> dict[Field, list[Proposal]]:
    """The product's proposals, asked as a run asks for them."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(list(one.known), file)
        file.flush()
        await importer.import_tickets(db, tenant, Path(file.name), embedder=embedder)
    found: dict[Field, list[Proposal]] = {field: [] for field in FIELDS}
    async with db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        for text, _ in one.asked:
            triage = await search.triage_ticket(session, text, embedder=embedder)
            for label in (triage.category, triage.priority):
                found[label.field].append(Proposal(label.value, label.confidence))
    return found


def compare(field: Field, one: Halves, proposed: Sequence[Proposal], embedder: KeptVectors) -> None:
    """Print everybody's figures for one field of one set."""
    rows = [row for row in one.known if row.get(field)]
    places = [place for place, (_, values) in enumerate(one.asked) if field in values]
    if not rows or not places:
        return
    labels, truth = [row[field] for row in rows], [one.asked[place][1][field] for place in places]
    texts = [ticket_text(row["subject"], row["description"], row.get("resolution")) for row in rows]
    known = np.asarray(embedder.embed(texts))
    asked = np.asarray(embedder.embed([one.asked[place][0].strip() for place in places]))
    product = [proposed[place] for place in places]
    spoke = sum(proposal.value is not None for proposal in product)
    ways = {
        "Deskhand": product,
        "majority class": majority(labels, len(places)),
        "nearest neighbour": nearest(known, labels, asked),
        "logistic regression": regression(known, labels, asked),
    }
    print(f"  {field} ({len(set(labels))} values, {len(places)} asked)")
    for name, proposals in ways.items():
        print(f"    {name:20} {line(judge(proposals, truth, most=spoke), len(places), spoke)}")


def line(judged: Judged, asked: int, spoke: int) -> str:
    """One way's figures."""
    low, high = interval([1.0] * judged.right + [0.0] * (judged.spoke - judged.right)) if judged.spoke else (0.0, 0.0)
    said = f"proposes {judged.spoke:3} of {asked}, right {judged.right:3} = {judged.share:4.0%} [{low:.0%}–{high:.0%}]"
    return f"{said}; of its surest {spoke}: {judged.at / spoke if spoke else 0:4.0%}"


async def measure_fields(given: argparse.Namespace, embedder: KeptVectors) -> None:
    """Category and priority on every labelled set."""
    sets = list(labelled(given.data, most=given.most))
    tenants = [f"set-{number}" for number in range(len(sets))]
    with tempfile.TemporaryDirectory() as directory:
        async with tenant_database(Path(directory), *tenants) as db:
            for tenant, one in zip(tenants, sets, strict=True):
                print(f"\n{one.name}", flush=True)
                proposed = await ours(db, tenant, one, embedder)
                for field in FIELDS:
                    compare(field, one, proposed[field], embedder)


async def measure_notes(given: argparse.Namespace, embedder: KeptVectors) -> None:
    """Notes on the foreign tickets and on the demo's: what they claim, how long they are, what they take."""
    foreign = list(filed(given.data))
    tickets = [(one.subject, one.html) for one in foreign]
    tickets += [(one["short_description"], one["description"]) for one in new_tickets()]
    library = read_library(given.data, new={one.case.ident for one in foreign}, bugs=given.bugs, pages=given.pages)
    async with contextlib.AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = None
        if not given.no_model:
            answers = kept_answers(given.cache / "notes", models=given.models, scratch=scratch)
            kept, endpoint = await stack.enter_async_context(answers)
        staged = await stack.enter_async_context(stage(library, embedder, endpoint if kept else None))
        written = [await staged.write(subject, html) for subject, html in tickets]
        claims = await check_claims(staged, written)
    show_notes(written, claims, kept.seconds if kept else [])


def show_notes(written: Sequence[Written], claims: Claims, model: Sequence[float]) -> None:
    """Print what the notes amount to."""
    words = [len(one.note.split()) for one in written if one.note]
    median = statistics.median(model) if model else 0.0
    answers = f"{len(model)} answers of the model, median {median:.0f} s each" if model else "no model"
    print(f"\nnotes on {len(written)} tickets: {sum(bool(one.note) for one in written)} written")
    print(f"  cited sources: {claims.sources}, of which {claims.existing} exist")
    print(f"  steps: {claims.steps}, of which {claims.supported} stand on the source they cite")
    for text in claims.unsupported:
        print(f"    not: {text}")
    print(f"  words of a note: median {statistics.median(words):.0f}, most {max(words)} (the ceiling is 500)")
    print(f"  seconds of a run: median {statistics.median(one.seconds for one in written):.1f}; {answers}")
    cost = sum(float(one.run.get("cost_usd") or 0) for one in written)
    tokens = sum(int(one.run.get("tokens_in") or 0) for one in written)
    print(f"  cost: {cost:.2f} USD, {tokens / len(written):,.0f} tokens a note")


async def main() -> None:
    given = options()
    configure_logging(level="ERROR", log_format="json")
    embedder = KeptVectors(load_embedder(), given.cache / "search")
    if "fields" in given.parts:
        await measure_fields(given, embedder)
    if "notes" in given.parts:
        await measure_notes(given, embedder)


if __name__ == "__main__":
    asyncio.run(main())

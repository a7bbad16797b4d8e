"""Twelve notes on foreign tickets, written by the whole product; makes ``docs/explanation/notes.md``.

Run: ``.venv/bin/python -m benchmarks.notes [--data FOLDER]``, FOLDER (or ``DESKHAND_SHARED_DATA``) being where the
shared data is. Needs the embedded model (``deskhand models pull``), which is asked with the settings of `make demo`;
its answers are kept in ``.cache/notes``, so that a note that is only laid out anew costs seconds. ``--write`` writes
the page, otherwise the notes are printed; ``--no-model`` makes them of what was found alone.

What is right and wrong in a note is not measured but read: it stands in ``benchmarks/foreign/tickets.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.foreign.answers import kept_answers
from benchmarks.foreign.library import read_library
from benchmarks.foreign.page import page
from benchmarks.foreign.stage import Stage, Written, stage
from benchmarks.foreign.tickets import Filed, filed
from benchmarks.retrieval.vectors import KeptVectors

from deskhand.kit.log import configure_logging
from deskhand.knowledge.embedding import load_embedder
from deskhand.settings import Settings

WITHOUT = "no language model (`--no-model`: what was found is quoted, and each note says so)"
PAGE = Path("docs/explanation/notes.md")


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description="Twelve notes on foreign tickets.")
    named = os.environ.get("DESKHAND_SHARED_DATA")
    parser.add_argument("--data", type=Path, default=named and Path(named), help="folder of the shared data")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="where vectors and answers are kept")
    parser.add_argument("--models", type=Path, default=Settings().data_dir / "models", help="where model files are")
    parser.add_argument("--bugs", type=int, default=60, help="bug reports of each set in the history")
    parser.add_argument("--pages", type=int, default=60, help="pages of the manual in each of three languages")
    parser.add_argument("--only", default="", help="kinds of tickets whose names begin so")
    parser.add_argument("--no-model", action="store_true", help="notes of what was found alone")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    return parser.parse_args()


async def write_notes(staged: Stage, tickets: Sequence[Filed]) -> list[Written]:
    """One after the other, as one model on one machine would."""
    written = []
    for one in tickets:
        written.append(await staged.write(one.subject, one.html))
        print(
            f"\n=== {one.case.kind} ({written[-1].seconds:.0f} s)\n{written[-1].note or written[-1].why_not}",
            flush=True,
        )
    return written


async def main() -> None:
    given = options()
    configure_logging(level="ERROR", log_format="json")
    tickets = [one for one in filed(given.data) if one.case.kind.startswith(given.only)]
    library = read_library(given.data, new={one.case.ident for one in tickets}, bugs=given.bugs, pages=given.pages)
    embedder = KeptVectors(load_embedder(), given.cache / "search")
    async with contextlib.AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = None
        if not given.no_model:
            answers = kept_answers(given.cache / "notes", models=given.models, scratch=scratch)
            kept, endpoint = await stack.enter_async_context(answers)
        staged = await stack.enter_async_context(stage(library, embedder, endpoint if kept else None))
        written = await write_notes(staged, tickets)
    if given.write:
        worded = f"the embedded model {endpoint.model}" if kept else WITHOUT
        await asyncio.to_thread(PAGE.write_text, page(tickets, written, library, worded), "utf-8")
        print(f"\n{PAGE} is written")


if __name__ == "__main__":
    asyncio.run(main())

"""Tickets whose category or priority people chose, each set in two halves: one that is known, one that is asked."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.foreign.library import INCIDENTS
from benchmarks.retrieval.sets import DESK
from tests.knowledge.paraphrases import DATA, paraphrases

Field = Literal["category", "priority"]


@dataclass(frozen=True, slots=True)
class Halves:
    """One set.

    Attributes:
        name: As it is printed, with where its labels are from.
        known: Resolved tickets as the importer takes them.
        asked: Texts of new ones, with the values people chose by field.
    """

    name: str
    known: Sequence[dict[str, Any]]
    asked: Sequence[tuple[str, dict[str, str]]]


def labelled(data: Path | None, *, most: int) -> Iterator[Halves]:
    """Every set that is there; says which is not.

    Args:
        data: The shared data.
        most: Tickets of a set, both halves together; drawn by chance.
    """
    yield _demo()
    for name, path in (
        ("ServiceNow incidents (a demo instance's labels)", INCIDENTS),
        ("seamonkey (priority by its triagers)", "search/seamonkey.json"),
        ("hadoop (priority by its reporters)", "search/hadoop.json"),
    ):
        file = data / path if data else None
        if file is None or not file.is_file():
            print(f"{name}: left out, since {path} is not there (--data)")
        else:
            yield _halved(name, _incidents(file) if path == INCIDENTS else _bugs(file), most)


def _demo() -> Halves:
    rows = [json.loads(line) for line in (DATA / "resolved_tickets.jsonl").read_text("utf-8").splitlines()]
    # Written in other words for the tests, and looked at by nobody who chose a weight.
    asked = [(one.text, {"category": one.category, "priority": one.priority}) for one in paraphrases("held-out")]
    return Halves("demo: its history, asked the held-out paraphrases (invented)", rows, asked)


def _incidents(path: Path) -> list[dict[str, Any]]:
    return [
        {"ticket_id": row["number"], "subject": row["short_description"], "description": row["description"],
         "category": row["category"], "priority": row["priority"]}
        for row in json.loads(path.read_text("utf-8"))
    ]  # fmt: skip


def _bugs(path: Path) -> list[dict[str, Any]]:
    rows = json.loads(path.read_text("utf-8"))["documents"]
    return [
        {"ticket_id": row["id"], "subject": row["subject"], "description": row["description"],
         "priority": row["priority"]}
        for row in rows
        if row["priority"]
    ]  # fmt: skip


def _halved(name: str, rows: list[dict[str, Any]], most: int, seed: int = 0) -> Halves:
    random.Random(seed).shuffle(rows)
    rows = rows[:most]
    half = len(rows) // 2
    known = [{**row, "tool_type": DESK, "source": "benchmark"} for row in rows[:half]]
    asked = [
        (f"{row['subject']}\n{row['description']}",
         {field: row[field] for field in ("category", "priority") if row.get(field)})
        for row in rows[half:]
    ]  # fmt: skip
    return Halves(f"{name}: {half} known, {len(asked)} asked, drawn by chance (seed {seed})", known, asked)

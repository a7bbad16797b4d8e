"""Labelled sets: documents, queries, and which documents people said answer each query."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.knowledge.paraphrases import DATA, paraphrases, topics_of_history

TENANT = "bench"
DESK = "servicedesk_plus"
PLAIN_DUPLICATES = ("seamonkey", "hadoop")
MANUAL = "gnome_help"
DUPLICATES_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query: its text, what answers it, and the ticket it is, which may not find itself."""

    text: str
    relevant: frozenset[str]
    itself: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """One collection that is searched.

    Attributes:
        name: As it is printed.
        library: Name of the documents; sets that search the same ones share it.
        kind: Which search of the product is asked.
        rows: Documents as the product's importer takes them.
        queries: What is asked of them.
        language: Of the documents, for the stemmers of those it is compared with.
        size: How much of the set this is.
    """

    name: str
    library: str
    kind: Literal["tickets", "articles"]
    rows: Sequence[dict[str, Any]]
    queries: Sequence[Asked]
    language: str
    size: str

    @property
    def key(self) -> str:
        """The field of a row that a query's answers name."""
        return "ticket_id" if self.kind == "tickets" else "article_id"

    def texts(self) -> list[str]:
        """Every word of each document, for those that know no fields."""
        fields = ("subject", "description", "resolution") if self.kind == "tickets" else ("title", "body")
        return ["\n".join(row.get(name) or "" for name in fields) for row in self.rows]


def demo_sets() -> Iterator[LabelledSet]:
    """The demo's own content, asked what no score was fitted on."""
    lines = (DATA / "resolved_tickets.jsonl").read_text("utf-8").splitlines()
    tickets = [json.loads(line) for line in lines]
    topics = topics_of_history()
    held_out = paraphrases("held-out")
    kinds = [
        Asked(one.text, frozenset(name for name, topic in topics.items() if topic == one.topic)) for one in held_out
    ]
    yield LabelledSet("demo tickets", "demo", "tickets", tickets, kinds, "en", f"{len(tickets)} tickets")


def duplicate_set(path: Path, *, documents: int, seed: int = 0) -> LabelledSet:
    """Tickets that people marked as duplicates of each other: all that a query needs, filled up by chance.

    Args:
        path: A file of the kind of ``hadoop.json``.
        documents: How many to search at most, beyond those that queries and answers need.
        seed: Of the chance.
    """
    data = json.loads(path.read_text("utf-8"))
    needed = {name for query in data["queries"] for name in (query["id"], *query["relevant"])}
    others = [row["id"] for row in data["documents"] if row["id"] not in needed]
    # Shuffled and cut, so that a larger sample has the smaller one in it, and its vectors.
    random.Random(seed).shuffle(others)
    taken = needed | set(others[: max(0, documents - len(needed))])
    by_id = {row["id"]: row for row in data["documents"] if row["id"] in taken}
    rows = [_ticket(row) for row in by_id.values()]
    queries = [
        Asked(
            f"{by_id[one['id']]['subject']}\n{by_id[one['id']]['description']}", frozenset(one["relevant"]), one["id"]
        )
        for one in data["queries"]
    ]
    size = f"{len(rows)} of {len(data['documents'])} tickets"
    return LabelledSet(path.stem, path.stem, "tickets", rows, queries, DUPLICATES_LANGUAGE, size)


def _ticket(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "ticket_id": row["id"], "tool_type": DESK, "subject": row["subject"], "description": row["description"],
        "priority": row["priority"], "source": "benchmark",
    }  # fmt: skip


def manual_sets(path: Path, *, queries: int, pages: int, seed: int = 0) -> Iterator[LabelledSet]:
    """One manual in several languages: each language's questions to its own pages, and to the English ones.

    Args:
        path: A file of the kind of ``gnome_help.json``.
        queries: Of each language, at most; drawn by chance.
        pages: Of each language but English, at most, beyond those that its queries need.
        seed: Of the chance.
    """
    data = json.loads(path.read_text("utf-8"))
    english = _pages(data["documents"]["en"])
    for language, documents in data["documents"].items():
        asked = [one for one in data["queries"] if one["language"] == language]
        chance = random.Random(f"{seed} {language}")
        chance.shuffle(asked)
        drawn = [Asked(one["text"], frozenset(one["relevant"])) for one in asked]
        own = english
        if language != "en":
            there = _pages(documents)
            needed = {name for one in _answered(drawn, there)[:queries] for name in one.relevant}
            others = [row["article_id"] for row in there if row["article_id"] not in needed]
            chance.shuffle(others)
            taken = needed | set(others[: max(0, pages - len(needed))])
            own = [row for row in there if row["article_id"] in taken]
        for where, rows in ((language, own), ("en", english))[: 1 + (language != "en")]:
            name = f"{path.stem} {language}" + ("" if where == language else f" -> {where}")
            size = f"{len(rows)} of {len(data['documents'][where])} pages"
            found = _answered(drawn, rows)[:queries]
            yield LabelledSet(name, f"{path.stem} {where}", "articles", rows, found, where, size)


def _answered(asked: Sequence[Asked], rows: Sequence[dict[str, Any]]) -> list[Asked]:
    there = {row["article_id"] for row in rows}
    return [one for one in asked if one.relevant <= there]


def _pages(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"article_id": row["id"], "title": row["title"], "body": row["text"], "source": "benchmark"}
        for row in rows
        if row["title"] and row["text"]
    ]

"""What the agent knows: the demo's content, and what the shared data has of other people's tickets and pages."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.retrieval.sets import DESK, MANUAL

INCIDENTS = "servicenow_incidents.json"
# Filler of the instance that the incidents are from: five words of a dictionary where close notes should be.
_FILLER = re.compile(r"(?:[A-Za-z-]+ ){4}[A-Za-z-]+")
_SAYS = re.compile(r"(?i)\b(?:before|notes|is|the|this)\b")


@dataclass(frozen=True, slots=True)
class Library:
    """What is imported.

    Attributes:
        tickets: Rows as the importer takes them, besides the demo's.
        articles: The same.
    """

    tickets: tuple[dict[str, Any], ...] = ()
    articles: tuple[dict[str, Any], ...] = ()


def read_library(data: Path | None, *, new: Collection[str], bugs: int, pages: int) -> Library:
    """Other people's tickets and pages; none where the shared data is absent.

    Args:
        data: The shared data.
        new: Ids of what is filed as new, and so is in no history.
        bugs: Of each set of bug reports, at most; drawn by chance.
        pages: Of each language of the manual, at most.
    """
    if data is None or not data.is_dir():
        return Library()
    tickets = [*_incidents(data / INCIDENTS, new)]
    for name in ("seamonkey", "hadoop"):
        tickets += _bugs(data / "search" / f"{name}.json", new, bugs)
    return Library(tuple(tickets), tuple(_manual(data / "search" / f"{MANUAL}.json", new, pages)))


def _incidents(path: Path, new: Collection[str]) -> list[dict[str, Any]]:
    """Real incidents with what their desk has for a solution, however little it says."""
    if not path.is_file():
        return []
    rows = json.loads(path.read_text("utf-8"))
    told = [row for row in rows if row["number"] not in new and not _is_filler(row["close_notes"] or "")]
    return [
        {"ticket_id": row["number"], "tool_type": DESK, "subject": row["short_description"],
         "description": row["description"], "resolution": row["close_notes"], "category": row["category"],
         "priority": row["priority"], "source": "workarena"}
        for row in told
    ]  # fmt: skip


def _is_filler(notes: str) -> bool:
    return bool(_FILLER.fullmatch(notes.strip())) and not _SAYS.search(notes)


def _bugs(path: Path, new: Collection[str], most: int) -> list[dict[str, Any]]:
    """Bug reports that people marked as duplicates first; nobody wrote down how they were solved."""
    if not path.is_file():
        return []
    data = json.loads(path.read_text("utf-8"))
    marked = {name for query in data["queries"] for name in (query["id"], *query["relevant"])}
    rows = [row for row in data["documents"] if row["id"] not in new]
    random.Random(0).shuffle(rows)
    rows.sort(key=lambda row: row["id"] not in marked)
    return [
        {"ticket_id": row["id"], "tool_type": DESK, "subject": row["subject"], "description": row["description"],
         "priority": row["priority"], "source": path.stem}
        for row in rows[:most]
    ]  # fmt: skip


def _manual(path: Path, new: Collection[str], most: int) -> list[dict[str, Any]]:
    """A desktop's manual in three languages; the summaries of its pages are left out of them."""
    if not path.is_file():
        return []
    documents = json.loads(path.read_text("utf-8"))["documents"]
    wanted = {name.partition("-")[2] for name in new}
    rows: list[dict[str, Any]] = []
    for language in ("en", "de", "ja"):
        # What the questions are about first, so that a small library has it, too.
        pages = sorted(documents[language], key=lambda page: page["id"] not in wanted)
        rows += [
            {"article_id": f"GNOME-{language}-{page['id']}", "title": page["title"], "body": page["text"],
             "source": MANUAL}
            for page in pages[:most]
            if page["title"] and page["text"]
        ]  # fmt: skip
    return rows

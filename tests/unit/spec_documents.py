"""Takes the requirements out of the two specification documents, one per line that asks for something.

An item is a numbered task or criterion, a list item, the body row of a table, or a fenced example. Its id says where
it stands, so that a changed document changes the list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FENCE = re.compile(r"^\s*```")
TASK = re.compile(r"^\s*- (\d+\.\d+[a-z]?) (.+)$")
CRITERION = re.compile(r"^(\d+)\. (.+)$")
LISTED = re.compile(r"^\s*(?:-|\d+\.) (.+)$")
ERROR = re.compile(r"^\*\*Error:\*\* (.+)$")
ROW = re.compile(r"^\| (.+?) \|")
HEADING = re.compile(r"^(#{2,4}) (.+)$")
BACKGROUND = (
    "Story",
    "Architecture Context",
    "2025 Pydantic v2 and SQLAlchemy 2.x Best Practices Applied",
    "Project Structure Notes",
    "Learnings from Previous Story",
)
"""Sections of the story that explain and ask for nothing (its code patterns run in test_spec_examples.py)."""


def slug(heading: str) -> str:
    """A heading as part of an id."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


def plain(text: str) -> str:
    """A line without its Markdown, on one line."""
    return " ".join(re.sub(r"\*\*|`|✓", "", text).split())


def _blocks(document: str) -> Iterator[tuple[str, str]]:
    """Lines outside fences as ``("line", text)``, each fence as ``("fence", its content)``."""
    inside: list[str] | None = None
    for line in document.splitlines():
        if FENCE.match(line):
            if inside is not None:
                yield "fence", "\n".join(inside)
            inside = [] if inside is None else None
        elif inside is not None:
            inside.append(line)
        else:
            yield "line", line


def story_requirements(document: str) -> dict[str, str]:
    """Id to text of every criterion, task and demanding note of the story."""
    found: dict[str, str] = {}
    section = ""
    for kind, text in _blocks(document):
        if kind == "line" and (heading := HEADING.match(text)):
            section = heading[2]
        elif kind == "line" and section == "Acceptance Criteria" and (item := CRITERION.match(text)):
            found[f"AC{item[1]}"] = plain(item[2])
        elif kind == "line" and (item := TASK.match(text)):
            found[item[1]] = plain(item[2])
        elif section not in BACKGROUND and not section.startswith("Task "):
            _note(found, f"story/{slug(section)}", kind, text)
    return found


def schema_requirements(document: str) -> dict[str, str]:
    """Id to text of every row, rule, example and list item of the schema document."""
    found: dict[str, str] = {}
    headings: dict[int, str] = {}
    for kind, text in _blocks(document):
        if kind == "line" and (heading := HEADING.match(text)):
            level = len(heading[1])
            headings = {depth: name for depth, name in headings.items() if depth < level} | {level: heading[2]}
        else:
            _note(found, "schema/" + "/".join(slug(headings[depth]) for depth in sorted(headings)), kind, text)
    return found


def _note(found: dict[str, str], prefix: str, kind: str, text: str) -> None:
    if kind == "fence":
        statement = _first_words(text)
        if statement:
            found[f"{prefix}/example-{_next(found, f'{prefix}/example-')}"] = statement
    elif item := LISTED.match(text) or ERROR.match(text):
        found[f"{prefix}/item-{_next(found, f'{prefix}/item-')}"] = plain(item[1])
    elif (row := ROW.match(text)) and not set(row[1]) <= set("-| ") and row[1] not in _HEADS:
        found[f"{prefix}/{slug(plain(row[1]))}"] = plain(text.strip("| ").replace(" | ", "; "))


_HEADS = ("Column", "Index Name", "Status")


def _next(found: dict[str, str], prefix: str) -> int:
    return sum(key.startswith(prefix) for key in found) + 1


def _first_words(text: str) -> str:
    """What an example is: all of it on one line, cut; nothing for a drawing."""
    if "┌" in text or "↓" in text:
        return "diagram: " + ", ".join(dict.fromkeys(re.findall(r"\b[a-z]+_[a-z_]+\b", text)))[:120].strip()
    return plain(text)[:160].strip()

"""Where an issue belongs: to the one that it is a part of, or behind the one that it was cloned or split from; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MADE_FROM = frozenset({"clones", "split from"})
"""How a stock site words that the issue was made out of the other one, from this issue's end (prior knowledge)."""


def parent_of(fields: Mapping[str, Any]) -> str | None:
    """The issue that a sub-task is a part of. An epic is a plan and no ticket, though it stands in the same field."""
    kind, parent = fields.get("issuetype"), fields.get("parent")
    if not isinstance(kind, Mapping) or kind.get("subtask") is not True:
        return None
    return str(parent["id"]) if isinstance(parent, Mapping) and parent.get("id") else None


def split_from(fields: Mapping[str, Any]) -> str | None:
    """The issue that this one was cloned or split from; of several, the one that the site shows first."""
    rows = fields.get("issuelinks")
    for row in rows if isinstance(rows, list) else ():
        kind = row.get("type") if isinstance(row, Mapping) else None
        for end, phrase in (("outwardIssue", "outward"), ("inwardIssue", "inward")):
            said = str(kind.get(phrase)).casefold() if isinstance(kind, Mapping) else ""
            other = row.get(end) if said in _MADE_FROM else None
            if isinstance(other, Mapping) and other.get("id"):
                return str(other["id"])
    return None

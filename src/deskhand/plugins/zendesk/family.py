"""Where a ticket belongs: to a problem, to the ticket of a side conversation, behind the one that it follows; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SIDE = "side_conversation"


def parent_of(raw: Mapping[str, Any]) -> str | None:
    """The problem of an incident, else the ticket in whose side conversation this one was opened (prior knowledge)."""
    problem = raw.get("problem_id")
    if problem is not None:
        return str(problem)
    return _from(raw) if _via(raw).get("channel") == _SIDE else None


def split_from(raw: Mapping[str, Any]) -> str | None:
    """The closed ticket that this one is the follow-up of."""
    return _from(raw) if _source(raw).get("rel") == "follow_up" else None


def _via(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    via = raw.get("via")
    return via if isinstance(via, Mapping) else {}


def _source(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    source = _via(raw).get("source")
    return source if isinstance(source, Mapping) else {}


def _from(raw: Mapping[str, Any]) -> str | None:
    origin = _source(raw).get("from")
    number = origin.get("ticket_id") if isinstance(origin, Mapping) else None
    return str(number) if isinstance(number, int) and not isinstance(number, bool) else None

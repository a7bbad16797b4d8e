"""Asking people: the reason of a call that somebody approves first, what asking the requester takes, and who speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deskhand.tools.values import Grant, Grants, Schema, Scope

ASK, REPLY = "ask_requester", "reply"
SPEAKS = frozenset({REPLY, ASK, "resolve"})
"""Operations of a desk whose words a requester reads."""

REASON = "reason"
_WHY = {
    "type": "string",
    "minLength": 1,
    "maxLength": 600,
    "description": "Why, in a sentence or two, for the person who approves it.",
}


def with_reason(arguments: Schema) -> Schema:
    """The same arguments with the reason, which is required and is no argument of the operation."""
    asked = {
        **arguments,
        "properties": {**arguments["properties"], REASON: _WHY},
        "required": [*arguments.get("required", ()), REASON],
    }
    # A call that gave nothing but its reason would say why nothing is to be done.
    least = arguments.get("minProperties")
    return asked if least is None else {**asked, "minProperties": least + 1}


def with_asking(grants: Grants) -> Mapping[str, Grant]:
    """The grants of one desk, with what answering the requester implies: asking is a reply that waits for an answer.

    A grant of its own may ask a person first, or set how long to wait; without ``reply`` it means nothing.
    """
    reply = grants.get(REPLY)
    if reply is None:
        return {name: grant for name, grant in grants.items() if name != ASK}
    # Whatever tickets a reply may touch: the run can be woken by those of its own ticket alone.
    return {ASK: replace(reply, scope=Scope.OWN), **grants}

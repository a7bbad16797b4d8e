"""What a model is asked for besides an operation's own arguments, where a person approves the call first."""

from __future__ import annotations

from deskhand.tools.values import Schema

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

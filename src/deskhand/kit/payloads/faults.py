"""What of an event does not fit a schema: where and why, without its words. Pure."""

from __future__ import annotations

from typing import Any

from deskhand.errors import FieldProblem
from deskhand.kit.payloads.rules import Compiled, shortened
from deskhand.kit.pointer import pointer

SHOWN_FAULTS = 50
_UNJUDGEABLE = FieldProblem("", "has a value that no schema can judge: half a character, or a number beyond all range")


def fits(payload: dict[str, Any], schema: Compiled) -> bool:
    """Whether there is no fault; found out faster than which."""
    try:
        return bool(schema.validator.is_valid(payload))
    except ValueError:
        # The library refuses lone surrogates and numbers beyond a float while it converts the event.
        return False


def faults_of(payload: dict[str, Any], schema: Compiled) -> list[FieldProblem]:
    """The first faults of an event, in the order of their pointers; none where it fits."""
    faults: list[FieldProblem] = []
    try:
        errors = schema.validator.iter_errors(payload)
    except ValueError:
        return [_UNJUDGEABLE]
    for error in errors:
        faults.extend(_problems(error))
        if len(faults) >= SHOWN_FAULTS:
            break
    # Sorted after the cut: all faults of a large event could cost seconds, and people mend them one by one.
    return sorted(faults, key=lambda fault: fault.pointer)[:SHOWN_FAULTS]


def _problems(error: Any) -> list[FieldProblem]:
    path = list(error.instance_path)
    unexpected = getattr(error.kind, "unexpected", None)
    # One fault for each name, at its own place: the library reports them together at the object.
    if unexpected and error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        return [_problem([*path, name], "is not allowed here") for name in unexpected[:SHOWN_FAULTS]]
    if error.kind.name == "propertyNames":
        return [_problem(path, "has a property whose name is not allowed")]
    if error.kind.name == "falseSchema":
        return [_problem(path, "is not allowed here")]
    return [_problem(path, error.message)]


def _problem(path: list[Any], sentence: str) -> FieldProblem:
    return FieldProblem(shortened(pointer(path)), shortened(sentence))

"""A trigger's ``payload_schema`` and whether an event fits it. Pure."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.pointer import pointer

SHOWN_FAULTS = 20
SHOWN_CHARACTERS = 300
"""Of each fault: the library quotes the value at fault, and a refusal must not send a large body back."""


def check_schema(payload: dict[str, Any], schema: dict[str, Any] | None, *, at: str = "") -> None:
    """Hold an event to the trigger's JSON schema.

    Args:
        payload: The event.
        schema: The trigger's schema, or None where everything fits.
        at: JSON pointer of the event inside the body it came in.

    Raises:
        InvalidInputError: It does not fit; ``errors`` has a JSON pointer (RFC 6901) per fault.
    """
    if schema is None:
        return
    faults = sorted(
        Draft202012Validator(schema).iter_errors(payload), key=lambda fault: list(map(str, fault.absolute_path))
    )
    if faults:
        problems = [
            FieldProblem(at + pointer(fault.absolute_path), _shortened(fault.message))
            for fault in faults[:SHOWN_FAULTS]
        ]
        raise InvalidInputError("The body does not fit this trigger's payload_schema.", errors=problems)


def _shortened(message: str) -> str:
    return message if len(message) <= SHOWN_CHARACTERS else message[:SHOWN_CHARACTERS] + " …"

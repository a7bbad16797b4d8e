"""Holding a value to a JSON schema that we or a tool's owner wrote; each fault with its place and a sentence. Pure.

Rules that strangers write are another matter: ``deskhand.kit.payloads``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

_UNJUDGEABLE = "has a value that no schema can judge: nested too deep, or a number beyond all range"


@dataclass(frozen=True, slots=True)
class Fault:
    """What does not fit.

    Attributes:
        path: Names and positions from the value's root to the part at fault.
        sentence: What is wrong there.
    """

    path: tuple[str | int, ...]
    sentence: str


class Judge:
    """A schema (draft 2020-12), ready to judge values.

    Args:
        schema: Checked where it was declared or stored.

    Raises:
        ValueError: It is no JSON schema.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        # offline: a reference to an address must never make a run fetch it.
        self._validator = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=False, offline=True)

    def faults(self, value: object) -> list[Fault]:
        """Everything that does not fit, in the order of the places; empty where all does."""
        try:
            errors = list(self._validator.iter_errors(value))
        except ValueError:
            # The library refuses what it cannot convert: deep nesting, numbers beyond a float.
            return [Fault((), _UNJUDGEABLE)]
        faults = [Fault(tuple(error.instance_path), error.message) for error in errors]
        return sorted(faults, key=lambda fault: [str(part) for part in fault.path])


def dotted(path: Sequence[str | int]) -> str:
    """A place as models know it from documentation: ``$.lines[2].text``."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)

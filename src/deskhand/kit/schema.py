"""Base classes of request bodies, and the text type of query parameters.

PostgreSQL stores neither NUL characters nor unpaired surrogates, and JSONB neither NaN nor
infinity. Such input is refused here, with the place named, instead of failing at the insert.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

MAX_DEPTH = 50
"""Levels of nesting in a body; deeper documents would exhaust the stack of the JSON encoder."""


def storable_text(value: str) -> str:
    """Return the text if PostgreSQL can store it.

    Raises:
        ValueError: It holds a NUL character or half of a surrogate pair.
    """
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise ValueError("must not contain NUL characters or unpaired surrogates")
    return value


def ensure_storable(value: Any) -> None:
    """Walk a JSON value and refuse what the database cannot hold.

    Raises:
        ValueError: A text, number or nesting depth that cannot be stored.
    """
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        current, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
        if isinstance(current, str):
            storable_text(current)
        elif isinstance(current, float) and not math.isfinite(current):
            raise ValueError("must not contain NaN or infinite numbers")
        elif isinstance(current, dict):
            pending.extend((part, depth + 1) for pair in current.items() for part in pair)
        elif isinstance(current, list | tuple):
            pending.extend((part, depth + 1) for part in current)


StorableText = Annotated[str, AfterValidator(storable_text)]


class InputModel(BaseModel):
    """A body from outside: unknown fields are refused by name, and everything in it can be stored.

    Inputs are left out of error messages, because a body may carry secrets.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", hide_input_in_errors=True, str_strip_whitespace=False
    )

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        ensure_storable(data)
        return data

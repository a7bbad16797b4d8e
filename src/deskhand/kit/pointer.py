"""Where a fault in a document is and what it says, in one form everywhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails


def pointer(parts: Iterable[object]) -> str:
    """Join path parts to an RFC 6901 JSON pointer; the empty pointer is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def fault_sentence(fault: ErrorDetails | Mapping[str, Any]) -> str:
    """A fault that Pydantic found, in the words of whoever raised it."""
    return str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")

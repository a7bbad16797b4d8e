"""Where a fault in a document is and what it says, in one form everywhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from deskhand.kit.nearest import nearest

_OF_A_LIST = frozenset({"enum", "literal_error"})


def pointer(parts: Iterable[object]) -> str:
    """Join path parts to an RFC 6901 JSON pointer; the empty pointer is the whole document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def fault_sentence(fault: ErrorDetails | Mapping[str, Any]) -> str:
    """A fault that Pydantic found, in the words of whoever raised it; with the nearest word where there is a list."""
    sentence = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    word = fault.get("input")
    if fault["type"] in _OF_A_LIST and isinstance(word, str):
        close = nearest(word, re.findall(r"'([^']*)'", str(fault.get("ctx", {}).get("expected", ""))))
        sentence += f"; did you mean '{close}'?" if close else ""
    return sentence

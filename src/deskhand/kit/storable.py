"""The door through which text and JSON from outside come in: what leaves here can be stored and read again.

Desks cut texts at a limit and halve an emoji, mail gateways pass NUL on, and models write numbers nobody can hold.
PostgreSQL stores neither half a character nor NUL nor an infinite number, so one such character would end a run or lose
an event. Everything that parses something from outside goes through ``read_json`` or, for values that were parsed
elsewhere, through ``storable``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
Clean = Callable[[str], str]

MAX_DEPTH = 100
"""Levels of nesting that every reader behind this door can follow: Pydantic stops at 255, ``json.dumps`` at 990."""
_MAX_DIGITS = 308
"""A longer whole number does not fit into a float, which is what arithmetic with money and times ends in."""


class UnreadableJsonError(ValueError):
    """The bytes are not JSON, or are nested too deeply to be handled."""


def storable_text(text: str) -> str:
    """The text without NUL; two halves of a character are joined and a lone half becomes U+FFFD."""
    if _UNSTORABLE.search(text) is None:
        return text
    return text.replace("\x00", "").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def storable(value: Any, *, max_depth: int | None = None, clean: Clean | None = None) -> Any:
    """A copy of parsed JSON in which every text (names of members too) can be stored.

    A number beyond all range becomes None.

    Args:
        value: Objects, lists, texts, numbers, booleans, None; anything else stays as it is.
        max_depth: Refuse a deeper value, since readers behind this door recurse.
        clean: What else is done to each text.

    Raises:
        UnreadableJsonError: The value is nested more than ``max_depth`` levels.
    """
    made = _cleaner(clean)
    holder: list[Any] = [value]
    # A stack of our own: recursion would end at a depth that a sender chooses.
    pending: list[tuple[Any, Any, int]] = [(holder, 0, 0)]
    while pending:
        parent, place, depth = pending.pop()
        node = parent[place]
        if max_depth is not None and depth > max_depth:
            raise UnreadableJsonError(f"The JSON is nested more than {max_depth} levels deep.")
        if isinstance(node, str):
            parent[place] = made(node)
        elif isinstance(node, dict):
            members = {made(name) if isinstance(name, str) else name: member for name, member in node.items()}
            parent[place] = members
            pending.extend((members, name, depth + 1) for name in members)
        elif isinstance(node, list | tuple):
            items = list(node)
            parent[place] = items
            pending.extend((items, index, depth + 1) for index in range(len(items)))
        elif isinstance(node, float) and not isfinite(node):
            parent[place] = None
    return holder[0]


def read_json(
    body: bytes | str, *, charset: str | None = None, max_depth: int = MAX_DEPTH, clean: Clean | None = None
) -> Any:
    """Parse JSON that came from outside.

    Args:
        body: The bytes or text.
        charset: Encoding the sender declared, if it did; else UTF-8, UTF-16 or UTF-32 as the bytes show.
        max_depth: Greatest nesting.
        clean: What else is done to each text.

    Returns:
        The value, storable throughout. A number that neither a float nor the database holds is None.

    Raises:
        UnreadableJsonError: Not JSON, or nested too deeply.
    """
    text = body if isinstance(body, str) else _decoded(body, charset)
    try:
        value = json.loads(text.removeprefix("\ufeff"), parse_int=_whole_number)
    except RecursionError as error:
        raise UnreadableJsonError(f"The JSON is nested more than {max_depth} levels deep.") from error
    except ValueError as error:
        raise UnreadableJsonError(str(error)) from error
    return storable(value, max_depth=max_depth, clean=clean)


def _cleaner(clean: Clean | None) -> Clean:
    return storable_text if clean is None else lambda text: clean(storable_text(text))


def _decoded(body: bytes, charset: str | None) -> str:
    encoding = json.detect_encoding(body)
    # UTF-16 and UTF-32 show themselves in the bytes; a declared charset only decides among those that do not.
    if charset and encoding == "utf-8":
        try:
            return body.decode(charset)
        except (LookupError, UnicodeError):  # the codec `undefined` raises the wider one
            pass  # the bytes are not what was declared; they are read as what they look like
    try:
        return body.decode(encoding, "surrogatepass")
    except UnicodeDecodeError:
        return body.decode(encoding, "replace")  # cut in the middle of a character by somebody's limit


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _MAX_DIGITS else None

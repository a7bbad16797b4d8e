"""Cursor pages: a list is read forward from a position, so rows that arrive meanwhile shift nothing.

A cursor is the sort key of the last row shown, opaque to the caller. It carries no authority: a forged one
only chooses another position among the rows the session may see anyway.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from deskhand.errors import FieldProblem, NotFoundError
from deskhand.kit.schema import WholeNumber, instant_within_reach, storable_text

DEFAULT_LIMIT = 50
MAX_LIMIT = 200

T = TypeVar("T")

PageLimit = Annotated[int, Field(ge=1, le=MAX_LIMIT), WholeNumber, Query(description="Rows on one page.")]
PageCursor = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the page before; leave out for the first page.")
]

_LARGEST_INT = 2**31 - 1  # integer columns


def _read_int(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > _LARGEST_INT:
        raise ValueError("not a number of a row")
    return int(text)


_READERS: dict[type, Callable[[str], Any]] = {
    str: storable_text,
    int: _read_int,
    UUID: UUID,
    datetime: lambda text: instant_within_reach(datetime.fromisoformat(text)),
}


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Pass as `cursor` to read on; null on the last page.")


def encode_cursor(*key: str | int | UUID | datetime) -> str:
    """The opaque form of a row's sort key.

    Args:
        key: Values in the order of the sort columns.
    """
    texts = [value.isoformat() if isinstance(value, datetime) else str(value) for value in key]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """Read a cursor back.

    Args:
        cursor: What the caller sent, or None.
        kinds: Type of each value: str, int, UUID or datetime.

    Returns:
        The sort key, or None for the first page.

    Raises:
        NotFoundError: It is not a cursor of this list, so there is no such page.
    """
    if not cursor:
        return None
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(texts, list) or len(texts) != len(kinds):
            raise ValueError("wrong number of values")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("a value that is no text")
        return tuple(_READERS[kind](text) for kind, text in zip(kinds, texts, strict=True))
    except (ValueError, binascii.Error, RecursionError) as err:
        raise NotFoundError(
            "There is no such page: the cursor is not one this list gave out. Leave it out to read from the start.",
            errors=[FieldProblem(pointer="/cursor", detail="not a cursor of this list")],
        ) from err


def cut_page(rows: Sequence[T], limit: int, key: Callable[[T], tuple[Any, ...]]) -> Page[T]:
    """Make a page of rows that were read with ``limit + 1``.

    Args:
        rows: At most ``limit + 1`` rows in sort order; the extra one only tells that there is more.
        limit: Rows on the page.
        key: Sort key of a row.
    """
    shown = list(rows[:limit])
    more = len(rows) > limit
    return Page[T](items=shown, next_cursor=encode_cursor(*key(shown[-1])) if more and shown else None)


__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "Page",
    "PageCursor",
    "PageLimit",
    "cut_page",
    "decode_cursor",
    "encode_cursor",
]

"""Lists that a desk gives page by page, read to an end that is ours where the desk has none.

A desk that says "more" for ever (a broken proxy, a hostile instance, a cursor that leads back) must not hold a run, or
fill the memory that all tenants share. What was read until then counts; that it is not the whole is said.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deskhand.plugins.errors import DeskCannotTellError, DeskProtocolError

MAX_PAGES = 40
"""Of a hundred rows each, as our plugins ask for them."""
MAX_CHARACTERS = 16 * 1024 * 1024
MAX_SECONDS = 20.0
"""A ticket's notes are a small part of its run's time, however slowly their pages come."""

Row = TypeVar("Row")
Cursor = TypeVar("Cursor", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """Rows of a list, oldest first or as the desk gives them.

    Attributes:
        rows: What was read.
        is_cut: The desk had more when we stopped.
    """

    rows: list[Row]
    is_cut: bool = False

    def whole(self, what: str, *, desk: str) -> list[Row]:
        """The rows of a list that is of use only as a whole.

        Args:
            what: Of what it is a list.
            desk: Product name for messages.

        Raises:
            DeskProtocolError: It has no end.
        """
        if self.is_cut:
            raise DeskProtocolError(f"{desk} does not come to an end with its list of {what}.")
        return self.rows

    def ensure_none_left(self, what: str, *, desk: str) -> None:
        """For a look-up that met nothing: that means no only if the whole list was read.

        Raises:
            DeskCannotTellError: What was looked for may stand in the part that was not read.
        """
        if self.is_cut:
            raise DeskCannotTellError(f"{desk} does not come to an end with {what}.")

    def gaps(self, what: str) -> tuple[str, ...]:
        """What a reader is told of a list that was cut, as ``Ticket.unread`` has it; empty for a whole one."""
        return (f"{what} beyond the first {len(self.rows)}",) if self.is_cut else ()


async def read_pages(
    read: Callable[[Cursor], Awaitable[tuple[list[Row], Cursor | None]]],
    first: Cursor,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Listing[Row]:
    """Read a list page by page.

    Args:
        read: Gives the rows of the page at a cursor, and the cursor of the next page; None ends the list.
        first: Cursor of the first page.
        clock: Seconds, for the time the list may take.
    """
    rows: list[Row] = []
    begun, characters = clock(), 0
    seen: set[Cursor] = set()
    cursor: Cursor | None = first
    while cursor is not None:
        out_of_bounds = len(seen) >= MAX_PAGES or characters > MAX_CHARACTERS or clock() - begun > MAX_SECONDS
        if out_of_bounds or cursor in seen:
            # Cut and not refused: what was read is of use, and each caller knows whether a part is enough.
            return Listing(rows, is_cut=True)
        seen.add(cursor)
        page, cursor = await read(cursor)
        characters += _characters(page)
        rows += page
    return Listing(rows)


def _characters(value: Any) -> int:
    """Length of every text in parsed JSON, which is what it takes to keep it."""
    total, pending = 0, [value]
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            total += len(node)
        elif isinstance(node, dict):
            pending.extend(node.values())
            # What Python needs for an entry of a dictionary; a list of numbers alone can fill memory, too.
            total += 50 * len(node)
        elif isinstance(node, list):
            pending.extend(node)
            total += 10 * len(node)
    return total


__all__ = ["MAX_PAGES", "Listing", "read_pages"]

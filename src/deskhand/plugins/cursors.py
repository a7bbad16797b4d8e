"""Pages: sizes that are held down, and cursors that come back from outside.

A cursor is given to whoever asked, and what asks may be a model: what comes back is checked before it is used.
"""

from __future__ import annotations

from deskhand.plugins.errors import DeskValidationError

PAGE_LIMIT = 100
"""The greatest page that anybody gets, however much is asked for."""
LAST_ROW = 10_000_000


def page_size(asked: int, limit: int = PAGE_LIMIT) -> int:
    """Rows of a page."""
    return max(1, min(asked, limit))


def offset_of(cursor: str | None, *, first: int = 0) -> int:
    """The row a page begins with, for desks that page by number.

    Args:
        cursor: As it was given out; None for the first page.
        first: The number of the first row, which some desks call 1.

    Raises:
        DeskValidationError: It is no cursor of ours.
    """
    if cursor is None:
        return first
    # ASCII digits alone: Python reads many scripts' digits as a number, and a desk none of them.
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10 and first <= int(cursor) <= LAST_ROW):
        raise bad_cursor()
    return int(cursor)


def bad_cursor() -> DeskValidationError:
    """The refusal of a cursor that no page gave."""
    return DeskValidationError("The cursor is not one that a page before gave.", fields=("cursor",))

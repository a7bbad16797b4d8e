"""Lists of a desk end where the desk ends them or where we do, and cursors from outside are read with care."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.plugins import paging
from deskhand.plugins.cursors import LAST_ROW, PAGE_LIMIT, offset_of, page_size
from deskhand.plugins.errors import DeskCannotTellError, DeskProtocolError, DeskValidationError
from deskhand.plugins.paging import MAX_PAGES, Listing, read_pages

Read = Callable[[int], Awaitable[tuple[list[Any], int | None]]]


def pages(*rows: list[Any], then: int | None = None) -> Read:
    """A desk with these pages, whose last one leads to ``then``."""

    async def read(cursor: int) -> tuple[list[Any], int | None]:
        return rows[cursor], cursor + 1 if cursor + 1 < len(rows) else then

    return read


async def test_a_list_with_an_end_is_read_whole_and_in_order() -> None:
    listing = await read_pages(pages([1, 2], [], [3]), 0)
    assert listing == Listing([1, 2, 3])
    assert listing.whole("notes", desk="Jira") == [1, 2, 3]
    assert listing.gaps("notes") == ()
    listing.ensure_none_left("notes", desk="Jira")


@pytest.mark.parametrize("back_to", [0, 1])
async def test_a_cursor_that_leads_back_ends_the_list_and_it_is_said(back_to: int) -> None:
    listing = await read_pages(pages(["a"], ["b"], then=back_to), 0)
    assert listing == Listing(["a", "b"], is_cut=True)
    assert listing.gaps("notes") == ("notes beyond the first 2",)
    with pytest.raises(DeskProtocolError, match="Jira does not come to an end with its list of fields"):
        listing.whole("fields", desk="Jira")
    with pytest.raises(DeskCannotTellError, match="its notes"):
        listing.ensure_none_left("its notes", desk="Jira")


async def endless(cursor: int) -> tuple[list[Any], int | None]:
    return [{"id": cursor}], cursor + 1


async def test_a_list_without_end_is_read_to_a_number_of_pages() -> None:
    listing = await read_pages(endless, 0)
    assert (len(listing.rows), listing.is_cut) == (MAX_PAGES, True)


async def test_a_slow_list_is_read_as_long_as_it_may_take() -> None:
    seconds = iter(range(0, 1000, 6))
    listing = await read_pages(endless, 0, clock=lambda: float(next(seconds)))
    assert (len(listing.rows), listing.is_cut) == (3, True)


@pytest.mark.parametrize(
    "row",
    ["x" * 60, {"body": "x" * 10}, {"a": {"b": ["x" * 50]}}, [[], [], [], [], [], []], {"empty": None, "too": 1}],
    ids=["text", "object", "deep", "empty lists", "no texts"],
)
async def test_large_rows_end_a_list_before_they_fill_the_memory(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_CHARACTERS", 200)

    async def read(cursor: int) -> tuple[list[Any], int | None]:
        return [row], cursor + 1

    listing = await read_pages(read, 0)
    assert listing.is_cut
    assert 2 <= len(listing.rows) <= 4


async def test_what_was_read_before_a_failure_is_not_taken_for_the_list() -> None:
    async def read(cursor: int) -> tuple[list[Any], int | None]:
        if cursor:
            raise DeskProtocolError("Broken page.")
        return ["a"], 1

    with pytest.raises(DeskProtocolError, match="Broken page"):
        await read_pages(read, 0)


@given(asked=st.integers(), limit=st.integers(1, 500))
def test_a_page_has_a_row_at_least_and_never_more_than_the_limit(asked: int, limit: int) -> None:
    assert 1 <= page_size(asked, limit) <= limit
    assert page_size(asked) <= PAGE_LIMIT
    if 1 <= asked <= limit:
        assert page_size(asked, limit) == asked


@given(row=st.integers(1, LAST_ROW))
def test_a_cursor_that_was_given_out_is_read_back(row: int) -> None:
    assert offset_of(str(row)) == offset_of(str(row), first=1) == row


@pytest.mark.parametrize(
    "cursor",
    ["", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_000", "\u0661", "\u00b2", "1\n", "9" * 9, "9" * 5000, "null"],
)
def test_a_cursor_that_no_page_gave_is_refused(cursor: str) -> None:
    with pytest.raises(DeskValidationError) as refusal:
        offset_of(cursor)
    assert refusal.value.fields == ("cursor",)


def test_the_first_page_begins_where_the_desk_begins_to_count() -> None:
    assert (offset_of(None), offset_of(None, first=1), offset_of("0")) == (0, 1, 0)
    with pytest.raises(DeskValidationError):
        offset_of("0", first=1)


@given(cursor=st.text(max_size=12))
def test_any_text_for_a_cursor_is_a_row_within_reach_or_refused(cursor: str) -> None:
    try:
        row = offset_of(cursor)
    except DeskValidationError:
        return
    assert 0 <= row <= LAST_ROW
    assert set(cursor) <= set("0123456789")

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from deskhand.errors import NotFoundError
from deskhand.kit.page import cut_page, decode_cursor, encode_cursor


def test_a_cursor_keeps_its_key_to_the_microsecond() -> None:
    key = (datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC), uuid4(), 7, "ä")

    assert decode_cursor(encode_cursor(*key), datetime, type(key[1]), int, str) == key
    assert decode_cursor(None, int) is None
    assert decode_cursor("", int) is None


@pytest.mark.parametrize("cursor", ["!", "a", "bm90IGpzb24", encode_cursor("x"), encode_cursor(1, 2), "W10", "MQ", "ü"])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        decode_cursor(cursor, int)

    assert caught.value.errors[0].pointer == "/cursor"


def test_a_page_ends_where_the_rows_end() -> None:
    assert cut_page([1, 2, 3], 2, lambda row: (row,)).next_cursor == encode_cursor(2)
    assert cut_page([1, 2], 2, lambda row: (row,)).next_cursor is None
    assert cut_page([], 2, lambda row: (row,)).items == []

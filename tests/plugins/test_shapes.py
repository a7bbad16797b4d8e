"""Parts of a desk's answer are taken as what they should be, and anything else as missing."""

from __future__ import annotations

import pytest

from deskhand.plugins.shapes import file_names, texts


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([{"name": "crash.log"}, {"name": " screen.png "}], ("crash.log", "screen.png")),
        ([{"name": None}, {"name": ""}, {}, None, "crash.log", {"name": 7}], ("7",)),
        ({"name": "crash.log"}, ()),
        (None, ()),
        ("crash.log", ()),
    ],
)
def test_files_are_named_where_they_have_a_name(rows: object, names: tuple[str, ...]) -> None:
    assert file_names(rows, "name") == names


@pytest.mark.parametrize(("value", "words"), [(["a", 1, True, None, {}], ("a", "1")), ("a", ()), (None, ())])
def test_words_of_a_list_are_taken(value: object, words: tuple[str, ...]) -> None:
    assert texts(value) == words

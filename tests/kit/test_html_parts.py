"""The parts of reading HTML, each by itself: tokens, the words of a block, and the frames that hold blocks."""

from __future__ import annotations

import pytest

from deskhand.kit.html.frames import Cell, Frame, Item, List, Table
from deskhand.kit.html.inline import EM, STRONG
from deskhand.kit.html.tokens import Tag, closed_names, resolved, tokens
from deskhand.kit.html.words import Words, typed_text

SKIPPED = frozenset({"script"})


def seen(source: str) -> list[str]:
    """Texts as they are; tags as ``<name``, ``</name`` and what they say."""
    return [
        token if isinstance(token, str) else f"<{'/' * token.closes}{token.name}{dict(token.attributes) or ''}"
        for token in tokens(source, SKIPPED)
    ]


# -- tokens ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("a <b>c</B>", ["a ", "<b", "c", "</b"]),
        ("1 < 2", ["1 < 2"]),
        ("1 < 2 <i>", ["1 ", "< 2 ", "<i"]),
        ("a<", ["a<"]),
        ("<>x", ["<>x"]),
        ("x<!-- <b> -->y", ["x", "y"]),
        ("x<!-- never closed", ["x<!-- never closed"]),
        ("x<!-- never <b>closed", ["x"]),
        ("<!DOCTYPE html>x<?php y?>", ["x"]),
        ("<script>if (a < b) <b></SCRIPT >z", ["<script", "</script", "z"]),
        ("<script>never closed", ["<script"]),
        ("</script>x", ["</script", "x"]),
        ('<a title="a > b">x', ["<a{'title': 'a > b'}", "x"]),
        ("<a title='un>closed", ["<a{'title': '', 'un': ''}", "closed"]),
        ("<a href=/x CLASS=c href=/y>", ["<a{'href': '/x', 'class': 'c'}"]),
        ("&lt;b&gt; &#8364; &#99999999999;", ["<b> € \ufffd"]),
    ],
)
def test_what_a_source_is_cut_into(source: str, parts: list[str]) -> None:
    assert seen(source) == parts


def test_a_tag_keeps_its_own_text_for_those_that_never_were_tags() -> None:
    (tag,) = (token for token in tokens("see <Ann Smith> there", SKIPPED) if isinstance(token, Tag))
    assert (tag.name, tag.source) == ("ann", "<Ann Smith>")
    assert closed_names("<x></Y></y>") == {"y"}


@pytest.mark.parametrize("text", ["no reference", "&unknown; & co", "&#x1F600;"])
def test_references_are_resolved_where_they_are_some(text: str) -> None:
    assert resolved(text) == text.replace("&#x1F600;", "\U0001f600")


# -- words -----------------------------------------------------------------------------------------


def test_of_two_blanks_that_meet_one_stays() -> None:
    words = Words()
    for text in ("  first ", " second\t\tthird\n", "\nfourth"):
        words.flow(text)
    assert words.take() == "first second third\nfourth"


def test_emphasis_is_by_depth_and_one_that_never_began_cannot_end() -> None:
    words = Words()
    words.mark(STRONG, closes=True)
    for closes, text in ((False, "a"), (False, "b"), (True, "c"), (True, "d")):
        words.mark(STRONG, closes=closes)
        words.flow(text)
    assert words.take() == "**abc**d"


def test_a_link_and_its_emphasis_are_one_run() -> None:
    words = Words()
    words.flow("see ")
    words.target = "https://kb.test/x"
    words.mark(EM, closes=False)
    words.flow("the page")
    words.mark(EM, closes=True)
    words.target = ""
    words.flow(" now")
    assert words.take() == "see [*the page*](https://kb.test/x) now"


@pytest.mark.parametrize(
    ("lifted", "shown"),
    [(["6"], "10^6"), (["n+1"], "10^n+1"), (["a b"], "10^(a b)"), ([" "], "10"), ([], "10")],
)
def test_what_is_raised_never_reads_as_part_of_the_number(lifted: list[str], shown: str) -> None:
    words = Words()
    words.flow("10")
    words.lift("^", closes=False)
    for text in lifted:
        words.flow(text)
    words.lift("^", closes=True)
    assert words.take() == shown


def test_one_raised_sign_inside_another_belongs_to_it_and_a_stray_end_is_nothing() -> None:
    words = Words()
    words.lift("^", closes=True)
    words.flow("x")
    words.lift("^", closes=False)
    words.flow("a")
    words.lift("_", closes=False)
    words.flow("b")
    words.lift("_", closes=True)
    words.lift("^", closes=True)
    assert words.take() == "x^ab"


def test_a_block_that_was_taken_leaves_nothing_behind() -> None:
    words = Words()
    words.write("\n  indented\n")
    assert words.take_raw() == "  indented"
    assert words.take() == ""
    words.part()
    words.flow("next")
    assert words.take() == "next"


def test_what_never_was_html_keeps_its_lines_and_indents() -> None:
    assert typed_text("a  \r\n    b\xa0c\n\n\n\nd &amp; e" + " " * 100 + ".") == "a\n    b c\n\nd & e" + " " * 40 + "."


# -- frames ----------------------------------------------------------------------------------------


def test_a_quote_and_an_item_end_as_themselves_and_an_empty_one_as_nothing() -> None:
    assert Frame("blockquote", ["a", "b"]).ended() == ["> a\n>\n> b"]
    assert Frame("blockquote").ended() == Item("li", bullet="- ").ended() == List("ul").ended() == []
    assert Item("li", ["first", "second"], bullet="10. ").ended() == ["10. first\n\n    second"]


def test_a_list_stands_close_to_the_text_above_it() -> None:
    inner = List("ul", ["- a", "- b"]).ended()
    assert Item("li", ["text", *inner], bullet="- ").ended() == ["- text\n  - a\n  - b"]


def test_a_numbered_list_counts_from_where_it_begins() -> None:
    numbered, plain = List("ol", number=7), List("ul")
    assert [numbered.next_bullet(), numbered.next_bullet(), plain.next_bullet()] == ["7. ", "8. ", "- "]


def grid(*rows: list[Cell]) -> list[str]:
    return Table("table", cells=list(rows)).ended()[0].split("\n")


def cell(text: str, **spans: int) -> Cell:
    return Cell("td", [text], **spans)


def test_a_cell_stands_in_each_row_that_it_reaches_over() -> None:
    lines = grid([cell("a", rows=3), cell("b")], [cell("c")], [cell("d")])
    assert lines == ["| a | b |", "| --- | --- |", "| a | c |", "| a | d |"]


def test_a_long_cell_is_referred_to_and_not_repeated() -> None:
    lines = grid([cell("x" * 200, rows=2), cell("b")], [cell("c"), cell("d")])
    assert lines[2] == "| (as above) | c | d |"


@pytest.mark.parametrize("span", [{"columns": 10**9}, {"rows": 10**9}])
def test_a_cell_that_says_it_is_endless_fills_a_table_and_no_memory(span: dict[str, int]) -> None:
    lines = grid([cell("a", **span), cell("b")], [cell("c"), cell("d")])
    assert max(map(len, lines)) < 1000
    assert len(lines) == 3


def test_a_table_of_a_thousand_columns_keeps_all_its_words() -> None:
    lines = grid([cell(f"w{number}") for number in range(1000)], [cell("a"), cell("b")])
    assert lines[0].count("|") == 61
    assert all(f"w{number} " in lines[0] for number in range(1000))


@pytest.mark.parametrize(
    "rows",
    [
        [[cell("a")], [cell("b")]],
        [[cell("a"), Cell("td", ["b"], holds_table=True)]],
    ],
)
def test_a_layout_is_read_cell_by_cell(rows: list[list[Cell]]) -> None:
    assert Table("table", ["caption"], cells=rows).ended() == ["caption", "a", "b"]

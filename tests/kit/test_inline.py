"""Marks, links and tables as Markdown that says what was meant, whatever stands in the words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from deskhand.kit.html.inline import (
    cell,
    code_block,
    code_span,
    indented,
    markdown_link,
    marked,
    one_line,
    picture,
    quoted,
    raised,
    safe_target,
    table,
)

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    ("text", "marks", "written"),
    [
        ("bold", {"strong"}, "**bold**"),
        (" bold ", {"strong"}, " **bold** "),
        ("x", {"strong", "em", "strike"}, "***~~x~~***"),
        ("a`b", {"code", "strong"}, "``a`b``"),
        ("  ", {"strong"}, "  "),
        ("", {"em"}, ""),
        ("plain", set(), "plain"),
    ],
)
def test_a_mark_holds_the_words_and_not_the_blanks(text: str, marks: set[str], written: str) -> None:
    assert marked(text, frozenset(marks)) == written


@pytest.mark.parametrize(
    ("text", "target", "written"),
    [
        ("page", "https://x.test/a", "[page](https://x.test/a)"),
        ("https://x.test/a", "https://x.test/a", "<https://x.test/a>"),
        ("page", "https://x.test/a (b)", "[page](<https://x.test/a (b)>)"),
        ("a b:c", "a b:c", "[a b:c](<a b:c>)"),
        ("page", "", "page"),
    ],
)
def test_a_link_is_read_back_as_one(text: str, target: str, written: str) -> None:
    assert markdown_link(text, target) == written


@given(st.text(alphabet="ab`\\*_ ", min_size=1, max_size=12).filter(str.strip))
def test_any_code_is_read_back_to_the_letter(text: str) -> None:
    [block] = [token for token in MARKDOWN.parse(code_span(text)) if token.type == "inline"]
    [code] = block.children or []
    assert code.type == "code_inline"
    assert code.content.strip() == text.strip()


@given(st.text(alphabet="ab`~\n ", max_size=20))
def test_a_block_of_code_ends_where_it_ends(text: str) -> None:
    tokens = MARKDOWN.parse(code_block(text, "sql") + "\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.rstrip("\n") == text.rstrip("\n")


def test_a_table_is_as_wide_as_its_widest_row() -> None:
    written = table([["a"], ["1", cell("x | y\nz")]])
    [head, _, body] = written.split("\n")
    assert head == "| a |  |"
    assert body == "| 1 | x \\| y z |"
    assert MARKDOWN.render(written).count("<td>") == 2
    assert table([]) == table([[]]) == ""


@pytest.mark.parametrize(
    ("text", "written"),
    [("6", "^6"), ("n+1", "^n+1"), ("a b", "^(a b)"), (" ", " "), ("", "")],
)
def test_ten_to_the_sixth_is_not_a_hundred_and_six(text: str, written: str) -> None:
    assert raised(text, "^") == written


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://x.test/a b", "https://x.test/a%20b"),
        (" mailto:x@y.test ", "mailto:x@y.test"),
        ("HTTP://x.test", "HTTP://x.test"),
        ("javascript:alert(1)", ""),
        ("java\nscript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//x.test", ""),
        ("", ""),
    ],
)
def test_nobody_is_sent_to_what_runs(address: str, target: str) -> None:
    assert safe_target(address) == target


def test_what_stands_below_a_bullet_is_indented_and_a_quote_is_one_throughout() -> None:
    assert indented("a\n\nb", 2) == "a\n\n  b"
    assert quoted("a\n\nb") == "> a\n>\n> b"
    assert one_line("a\\\n b\n\tc") == "a b c"
    assert (picture("shot\n.png"), picture("[x]"), picture(None)) == (
        "[picture: shot .png]",
        "[picture: x]",
        "[picture]",
    )

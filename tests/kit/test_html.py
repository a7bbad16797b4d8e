"""HTML of tickets: its meaning is kept, and the worst of it is read without depth or backtracking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.html.read import SOURCE_LIMIT
from deskhand.plugins.jira.adf_read import adf_to_markdown
from deskhand.plugins.text import html_to_markdown, markdown_to_html, sanitize_html


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("a<center>b</center>c", "a\n\nb\n\nc"),
        ("one<x-card>two</x-card>three", "one two three"),
        ("<o:p>Par</o:p>is", "Paris"),
        ("net use <drive>: to <john@x.test>", "net use <drive>: to <john@x.test>"),
        ("do <s>this</s> <strike>that</strike> <del>those</del>", "do ~~this~~ ~~that~~ ~~those~~"),
        ("10<sup>6</sup> m<sup>-2</sup> x<sub>1</sub> e<sup>a b</sup>", "10^6 m^-2 x_1 e^(a b)"),
        ("<img src='https://h.test/a/shot.png?x'><img alt='Error 5'><img width=1 height=1 src=t.gif>", None),
        ("<table><tr><td rowspan=2>R<td>a|b</tr><tr><td>c</tr></table>", "| R | a\\|b |\n| --- | --- |\n| R | c |"),
        ("<table><tr><td colspan=2>R<td>x</tr><tr><td>1<td>2<td>3</tr></table>", None),
        ("<table><tr><td><table><tr><td>k<td>v</table></table>", "| k | v |\n| --- | --- |"),
        ("<table><tr><td>one<tr><td>two</table>", "one\n\ntwo"),
        ("a < b &amp;&amp; c > d", "a < b && c > d"),
        ("x<!-- hidden -->y<!-- never closed", "xy<!-- never closed"),
        ("<a href='javascript:x()'>j</a> <a href=' HTTPS://h.test/a b '>k</a>", "j [k](HTTPS://h.test/a%20b)"),
        ("<ol start=3><li>x<ul><li>y</ul><li>z", "3. x\n   - y\n4. z"),
        ("<pre>a\n  b|c<br>d</pre>", "```\na\n  b|c\nd\n```"),
        ("C:\\dir\\[x]_y_*z* `q`", "C:\\dir\\[x]_y_*z* `q`"),
        ("<input type=checkbox checked>done", "[x] done"),
        ("&#" + "9" * 5000 + "; &#x110000; &notathing;", "\ufffd \ufffd ¬athing;"),
    ],
)
def test_meaning_is_kept(source: str, markdown: str | None) -> None:
    read = html_to_markdown(source)
    if markdown is not None:
        assert read == markdown
    elif "img" in source:
        assert read == "[picture: shot.png][picture: Error 5]"
    else:
        assert read.splitlines()[0] == "| R |  | x |"


DEEP = {
    tag: f"<{tag}>" * 20_000 + "cause" + f"</{tag}>" * 20_000
    for tag in ("div", "blockquote", "span", "b", "font", "center", "x-y", "sup", "code", "h1", "a", "p")
} | {
    "tables": "<table><tr><td>" * 20_000 + "cause" + "</td></tr></table>" * 20_000,
    "lists": "<ul><li>" * 20_000 + "cause" + "</li></ul>" * 20_000,
    "replies": "<div><blockquote>On day 1 Ann wrote:<br>" * 5_000 + "cause" + "</blockquote></div>" * 5_000,
    "never closed": "<table><ul><li><blockquote><b><i><sup>" * 10_000 + "cause",
    "closed before": "</div></td></li></b>" * 20_000 + "cause",
}
LONG = {
    "blanks": "a" + " " * 1_000_000 + "cause",
    "tabs": "a" + "\t" * 1_000_000 + "cause",
    "no-break spaces": "a" + "\xa0" * 1_000_000 + "cause",
    "blanks in pre": "<pre>" + " " * 1_000_000 + "cause</pre>",
    "signs": "<" * 1_000_000 + "cause",
    "references": "&" * 1_000_000 + "cause",
    "open tags": "cause" + "<a " * 300_000,
    "open quotes": "cause" + "<a href='x\" " * 100_000,
    "many attributes": "<a " + 'b="c" ' * 150_000 + ">cause</a>",
    "open comments": "cause" + "<!--" * 250_000,
    "scripts": "cause" + "<script>" * 100_000,
    "rows": "<table>" + "<tr><td>cause</td><td rowspan=999>x</td></tr>" * 6_000 + "</table>",
    "one row": "<table><tr>" + "<td>cause" * 30_000,
    "wide cells": "<table><tr><td colspan=99999999999999999999 rowspan=9999999>cause</td><td>x</table>",
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [*DEEP, *LONG])
def test_the_worst_is_read_and_its_words_are_there(name: str) -> None:
    """Whatever is quadratic takes minutes for these; whatever recurses fails."""
    assert "cause" in html_to_markdown({**DEEP, **LONG}[name])


def test_what_is_too_long_is_named_not_dropped_in_silence() -> None:
    assert html_to_markdown("x" * (SOURCE_LIMIT + 7)).endswith("[7 characters of HTML left out]")


BODY = "<p>before <b>bold</b> {odd} <a href='https://a.test/'>link</a> after</p><ul><li>one</li><li>two</li></ul>"


@pytest.mark.parametrize("odd", ["\ud800", "\udfff\ud800", "\x00", "&#xd800;", "\ufdd0"])
@pytest.mark.parametrize("times", [1, 500], ids=["short", "long"])
def test_what_no_text_may_hold_costs_nothing_else(odd: str, times: int) -> None:
    source = BODY.format(odd=odd) * times
    for read in (html_to_markdown, sanitize_html, lambda text: markdown_to_html(html_to_markdown(text))):
        text = read(source)
        for word in ("before", "bold", "https://a.test/", "link", "after", "one", "two"):
            assert text.count(word) == times, word
    # What is shown can be sent and stored.
    assert sanitize_html(source).encode()


@given(st.text(alphabet="<>/&;\"'= \nabtdrliupsx!-[]", max_size=200))
def test_no_text_at_all_raises(source: str) -> None:
    html_to_markdown(source)


def _nested(kind: str, depth: int) -> dict[str, object]:
    node: dict[str, object] = {"type": "paragraph", "content": [{"type": "text", "text": "cause"}]}
    for _ in range(depth):
        node = {"type": kind, "content": [node]}
    return {"type": "doc", "version": 1, "content": [node]}


@pytest.mark.parametrize("kind", ["blockquote", "bulletList", "panel", "table", "unknown", "layoutSection"])
def test_deep_documents_of_jira_are_read(kind: str) -> None:
    assert "cause" in adf_to_markdown(_nested(kind, 3_000))


@pytest.mark.parametrize("odd", [None, 7, [], "x", {"a": 1}, True])
def test_documents_with_odd_parts_are_read(odd: object) -> None:
    for part in ("content", "attrs", "marks", "text", "type"):
        node = {"type": "text", "text": "a", "marks": [{"type": "strong"}], part: odd}
        adf_to_markdown({"type": "doc", "content": [{"type": "heading", "attrs": odd, "content": [node, odd]}, node]})

"""The simulated Jira reads and writes text by itself, as the vendor does: it sees what our converter gets wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskhand.kit.markdown import markdown_to_html
from deskhand.notes.markup import plain
from deskhand.plugins.jira.adf_write import markdown_to_adf
from deskhand.plugins.jira.wiki_write import markdown_to_wiki
from deskhand.simulators.jira.documents import from_html, is_sound, to_html, words
from deskhand.simulators.jira.wiki_in import wiki_to_adf
from deskhand.simulators.jira.wiki_out import adf_to_wiki

RECORDED = Path(__file__).parents[1] / "plugins" / "data" / "jira-wiki-by-vendor-12.2.2.json"
VENDOR = json.loads(RECORDED.read_text("utf-8"))
PIECES = [*"ab *_~[]()<>|#->1.!\\{}^+?:;", "{code}", "{noformat}", "h1. ", "bq. ", "{{", "}}", "||", "--", "??", "{*}"]
FORMS = (
    *("`{raw}`", "x `{raw}` y", "- a `{raw}`", "## `{raw}`", "```\n{raw}\n```", "{plain}", "**{plain}**"),
    *("*{plain}* x", "- {plain}", "1. {plain}", "## {plain}", "> {plain}", "{plain}\\\n{plain}"),
    "| a | b |\n|---|---|\n| {plain} | c |",
)


def _said(document: dict[str, Any]) -> str:
    """Its words; a bar has another form in a cell, since the vendor's reader divides cells even at an escaped one."""
    return " ".join(words(document).split()).replace("|", "¦")


@pytest.mark.parametrize("sample", VENDOR, ids=lambda row: row["our_wiki"][:24])
def test_wiki_is_read_as_the_vendor_reads_it(sample: dict[str, Any]) -> None:
    assert wiki_to_adf(sample["our_wiki"]) == sample["read_by_vendor"]


@pytest.mark.parametrize(
    ("wiki", "said"),
    [
        (r"a\\b", "a\nb"),
        ("{color:red}stop{color} {anchor:x}now", "stop now"),
        ("ask [~accountid:5b10], see [^log.txt]", "ask @5b10, see "),
        ("# {code:sql}\nSELECT 1;\n{code}\nmore", "SELECT 1;\nmore"),
        ("{quote}never closed", "{quote}never closed"),
        ("bq. said -- twice", "said – twice"),
        ("a ??book?? b", "a — book b"),
        ("|a{noformat}x|y{noformat}|[t|http://x.test]|", "ax|yt"),
        ("-x- x-y -", "x x-y -"),
        ("[no link] {nothing} {{", "[no link] {nothing} {{"),
    ],
)
def test_the_notation_of_the_vendors_guide(wiki: str, said: str) -> None:
    assert "".join(words(wiki_to_adf(wiki)).split("\n")) == said.replace("\n", "")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join), st.sampled_from(FORMS))
def test_what_we_write_as_wiki_says_what_we_write_as_adf(typed: str, form: str) -> None:
    raw = typed.strip().replace("`", "") or "x"
    markdown = form.format(raw=raw, plain=plain(raw))
    wiki = markdown_to_wiki(markdown)
    told_apart = "{noformat" in raw and "{code" in raw  # one of the two macros has to give: a space stands in it
    assert told_apart or _said(wiki_to_adf(wiki)) == _said(markdown_to_adf(markdown)), wiki


@pytest.mark.parametrize(
    "markdown", ["`C:\\dir\\`", "see \\\\\\\\srv\\\\x\\\\", "**\\***", "*a \\_*", "**# b**", "**bb\\*--**", "`a\\`b`"]
)
def test_signs_that_end_beside_ours_stay(markdown: str) -> None:
    assert _said(wiki_to_adf(markdown_to_wiki(markdown))) == _said(markdown_to_adf(markdown))


def test_a_command_with_a_bar_stays_whole_in_a_cell() -> None:
    table = wiki_to_adf(markdown_to_wiki("| do | then |\n|---|---|\n| `ps \\| sort` | look |"))
    first, second = table["content"][0]["content"][1]["content"]
    assert words(first).strip().startswith("ps | sort")
    assert words(second) == "look"


@pytest.mark.parametrize("sample", [row for row in VENDOR if ":\\)" not in row["our_wiki"]])
def test_what_the_site_gives_out_says_what_it_stores(sample: dict[str, Any]) -> None:
    document = sample["read_by_vendor"]
    assert is_sound(document)
    assert wiki_to_adf(adf_to_wiki(document)) == document


def test_what_is_typed_on_the_sites_page_is_stored_as_adf_and_shown_again() -> None:
    table = "| a | b |\n|---|---|\n| [t](http://x.test/) | c |"
    typed = f"## Steps\n\n- one **bold**\n  1. `x < y`\n\n> said\n\n{table}\n\n```\nls\n```"
    document = from_html(markdown_to_html(typed))
    assert is_sound(document)
    assert json.loads(json.dumps(document)) == document
    assert "loose" not in json.dumps(document)
    page = to_html(document)
    wanted = ("<h2>Steps</h2>", "<strong>bold</strong>", "<code>x &lt; y</code>", "<blockquote>", "<pre>ls")
    for part in (*wanted, 'href="http://x.test/"'):
        assert part in page


def test_a_document_of_a_kind_the_vendor_does_not_know_is_refused() -> None:
    text = {"type": "text", "text": "x"}
    assert is_sound({"type": "doc", "content": [{"type": "paragraph", "content": [text]}]})
    assert not is_sound({"type": "doc", "content": [{"type": "paragraph", "content": [{**text, "text": ""}]}]})
    assert not is_sound({"type": "doc", "content": [{"type": "marquee"}]})
    assert not is_sound({"type": "doc", "content": "x"})

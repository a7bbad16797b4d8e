"""Jira text: what we write follows the vendor's schema and is read by the vendor's own reader as we meant it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins import wiki_words

from deskhand.plugins.jira.adf_read import adf_to_markdown
from deskhand.plugins.jira.adf_write import markdown_to_adf
from deskhand.plugins.jira.wiki_write import adf_to_wiki, markdown_to_wiki
from deskhand.simulators.jira.documents import words
from deskhand.simulators.jira.wiki_in import wiki_to_adf

DATA = Path(__file__).parent / "data"
SCHEMA = jsonschema.Draft4Validator(json.loads((DATA / "adf-schema-57.7.22.json").read_text("utf-8")))
VENDOR = json.loads((DATA / "jira-wiki-by-vendor-12.2.2.json").read_text("utf-8"))
READ_WORDS = json.loads((DATA / "jira-wiki-words-by-vendor-12.2.2.json").read_text("utf-8"))
INERT = {
    *("doc", "paragraph", "text", "hardBreak", "code", "codeBlock", "strong"),
    *("bulletList", "orderedList", "listItem", "blockquote"),  # of our own layout
}


def _paragraph(*nodes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": list(nodes)}]}


def _flat(markdown: str) -> str:
    """Without what wiki markup cannot say: where a paragraph of a list item ends, bold heads, monospace paths."""
    words = markdown.replace("\u200b", "").replace("\\\n", " ").replace("`", "").replace("**", "")
    return " ".join(words.replace("[x@corp.test](mailto:x@corp.test)", "<mailto:x@corp.test>").split())


@pytest.mark.parametrize("sample", VENDOR, ids=lambda row: row["markdown"][:24])
def test_the_vendors_reader_reads_our_wiki_as_meant(sample: dict[str, Any]) -> None:
    document = markdown_to_adf(sample["markdown"])
    assert adf_to_wiki(document) == sample["our_wiki"]  # else record the vendor's reading anew
    assert _flat(adf_to_markdown(sample["read_by_vendor"])) == _flat(adf_to_markdown(document))


def test_the_vendors_reading_of_every_sample_is_on_record() -> None:
    samples = [(words, markdown, markdown_to_wiki(markdown)) for words, markdown in wiki_words.samples()]
    assert samples == [(words, markdown, wiki) for words, markdown, wiki, _, _ in READ_WORDS]  # else record it anew


@pytest.mark.parametrize("sample", READ_WORDS, ids=lambda row: row[1][:40])
def test_no_word_of_a_stranger_acts_in_the_vendors_reader_and_each_stays_as_it_was(sample: list[Any]) -> None:
    words, markdown, wiki, kinds, text = sample
    ours = {"link"} if "](<https://desk.test/1>)" in markdown else set()
    enclosed = {"panel"} if "{quote}" in words and markdown.startswith(">") else set()
    assert set(kinds) - ours - enclosed <= INERT, wiki
    assert " ".join(words.split()) in " ".join(text.split()), wiki
    assert "\u200b" not in wiki


@pytest.mark.parametrize("sample", VENDOR, ids=lambda row: row["markdown"][:24])
def test_adf_follows_the_vendors_schema(sample: dict[str, Any]) -> None:
    SCHEMA.validate(markdown_to_adf(sample["markdown"]))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([*"ab *_`~[]()<>|\n#->1.!\\", "\n\n", "\n- ", "\n1. ", "**", "```\n", "| a |\n|---|\n"]))
)
def test_any_markdown_is_valid_adf_and_keeps_its_words(parts: list[str]) -> None:
    source = "".join(parts)
    document = markdown_to_adf(source)
    SCHEMA.validate(document)
    assert isinstance(adf_to_markdown(document), str)
    SCHEMA.validate(wiki_to_adf(markdown_to_wiki(source)))


@pytest.mark.parametrize("source", ["-\n>a(\n", ">#", "#\\\\[**][\\| a |\n|---|\n~)\n- \\"])
def test_what_no_schema_allows_is_not_written(source: str) -> None:
    """Found by the test above: a quotation within an item, one of nothing, code that is a table's heading."""
    SCHEMA.validate(wiki_to_adf(markdown_to_wiki(source)))


def test_markdown_survives_adf() -> None:
    source = (
        "## Steps\n\n- restart the **client**\n  - nested *em*\n- see [the page](https://kb.corp.test/vpn)\n\n"
        "1. `ipconfig /flushdns`\n2. second\n\n> quoted\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n"
        '```python\nprint("x")\n```\n\n---\n\n~~gone~~\\\nnext'
    )
    assert adf_to_markdown(markdown_to_adf(source)) == source


def test_what_adf_cannot_nest_is_reduced_not_dropped() -> None:
    document = markdown_to_adf("- # Head\n  | a | b |\n  |---|---|\n  | 1 | 2 |\n\n  > q\n\n  ---\n\n> ## In a quote\n")
    SCHEMA.validate(document)
    text = adf_to_markdown(document)
    for phrase in ("**Head**", "a | b", "1 | 2", "q", "---", "**In a quote**"):
        assert phrase in text


def test_html_in_markdown_is_text() -> None:
    document = markdown_to_adf("<script>alert(1)</script> [x](javascript:alert(1))")
    assert "link" not in json.dumps(document)
    assert adf_to_markdown(document).startswith("<script>alert(1)</script>")


def test_nodes_only_people_make_are_read() -> None:
    mention = {"type": "mention", "attrs": {"id": "5b10", "text": "@Ines"}}
    card = {"type": "inlineCard", "attrs": {"url": "https://kb.corp.test/1"}}
    status = {"type": "status", "attrs": {"text": "BLOCKED", "color": "red"}}
    day = {"type": "date", "attrs": {"timestamp": "1795219200000"}}
    emoji = {"type": "emoji", "attrs": {"shortName": ":smile:", "text": "😄"}}
    document = _paragraph(mention, {"type": "text", "text": " "}, card, status, day, emoji)
    assert adf_to_markdown(document) == "@Ines <https://kb.corp.test/1>BLOCKED2026-11-21😄"
    panel = {
        "type": "panel",
        "attrs": {"panelType": "warning"},
        "content": _paragraph({"type": "text", "text": "Hot"})["content"],
    }
    task = {"type": "taskItem", "attrs": {"state": "DONE"}, "content": [{"type": "text", "text": "call"}]}
    tasks = {"type": "taskList", "content": [task]}
    media = {"type": "mediaSingle", "content": [{"type": "media", "attrs": {"type": "file", "id": "1"}}]}
    unknown = {"type": "newThing", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "words"}]}]}
    whole = {"type": "doc", "version": 1, "content": [panel, tasks, media, unknown]}
    assert adf_to_markdown(whole) == "> **Warning:** Hot\n\n- [x] call\n\n[attachment]\n\nwords"


@pytest.mark.parametrize("value", [None, 7, [], {}, {"type": "doc"}, {"type": "doc", "content": [None, "x", {}]}])
def test_what_is_no_adf_reads_as_nothing(value: object) -> None:
    assert adf_to_markdown(value) == ""


def test_marks_of_parts_of_words_and_edges_are_written_so_that_markdown_reads_them() -> None:
    strong = [{"type": "strong"}]
    document = _paragraph(
        {"type": "text", "text": "a "},
        {"type": "text", "text": " bold ", "marks": strong},
        {"type": "text", "text": "more", "marks": strong},
        {"type": "text", "text": "x`y", "marks": [{"type": "code"}]},
    )
    assert adf_to_markdown(document) == "a  **bold more**``x`y``"


@pytest.mark.parametrize(
    "command",
    [
        r"copy \\\\srv\\share\[x] C:\Users\_a_\*b* -f",
        r"grep '\[a\]' {file} | sort ~user",
        r"del C:\_old_\!run!",
        "h1. is typed",
        "bq. is typed",
        "echo {noformat} [link|http://x.test] *all*",
    ],
)
@pytest.mark.parametrize("form", ["{}", "`{}`", "- `{}`", "## `{}`"])
def test_commands_stay_as_they_were_without_invisible_characters(command: str, form: str) -> None:
    document = markdown_to_adf(form.format(command))
    wiki = adf_to_wiki(document)
    assert "\u200b" not in wiki
    assert words(wiki_to_adf(wiki)) == words(document)


@pytest.mark.parametrize("picture", ["!http://e.test/x.png!", "a !https://e.test/a.png|width=1! b", "!x.png!"])
def test_nothing_becomes_a_picture(picture: str) -> None:
    assert "media" not in json.dumps(wiki_to_adf(markdown_to_wiki(picture)))

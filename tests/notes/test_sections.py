"""A paragraph that an agent's own instructions asked for is shown only if it stands on what the run has seen."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.notes.facts import NoteFacts, Source
from deskhand.notes.sections import MAX_SECTIONS, OWN, TEXT_CHARS, Section, check_sections, find_source, sections_schema

VPN = Source(
    ref="T1",
    kind="ticket",
    label="INC-17",
    title="VPN drops every hour",
    problem="The tunnel to vpn.acme.test closes.",
    text="Raised the idle time-out to 480 minutes.",
    url="https://desk.acme.test/17",
)
ARTICLE = Source(ref="article:KB-9", kind="article", label="KB-9", title="VPN client", text="Use version 4.10.")
FACTS = NoteFacts(
    ticket_ref="INC-40", subject="VPN closes", description="On LAP-0231, since Monday.", sources=(VPN, ARTICLE)
)


def checked(text: str, *sources: str, **more: Any) -> Section | tuple[str, str]:
    [one] = check_sections([{"text": text, "sources": list(sources), **more}], FACTS)
    return one


@pytest.mark.parametrize(
    ("text", "sources", "refs"),
    [
        ("The idle time-out was 480 minutes there.", ("T1",), ("T1",)),
        ("The idle time-out was 480 minutes there.", ("[t1]",), ("T1",)),
        ("The idle time-out was 480 minutes there.", ("INC-17", "T1"), ("T1",)),
        ("The idle time-out was 480 minutes there.", ("ticket:inc-17",), ("T1",)),
        ("The client's version is 4.10.", ("article:KB-9",), ("article:KB-9",)),
        ("It concerns LAP-0231 alone.", (OWN,), ()),
        ("LAP-0231 had what INC-17 had.", (OWN, "T1", "made up"), ("T1",)),
        ("See https://desk.acme.test/17 for more.", ("T1",), ("T1",)),
    ],
)
def test_what_stands_in_the_cited_sources_is_shown_with_them(
    text: str, sources: tuple[str, ...], refs: tuple[str, ...]
) -> None:
    assert checked(text, *sources) == Section("", text, refs)


@pytest.mark.parametrize(
    ("text", "sources", "why"),
    [
        ("The idle time-out was 480 minutes there.", (), "cites nothing"),
        ("The idle time-out was 480 minutes there.", ("T9",), "cites nothing"),
        ("The idle time-out was 480 minutes there.", ("KB-9",), "480"),
        ("The idle time-out was 90 minutes there.", ("T1",), "90"),
        ("Install 4.1 first.", ("KB-9",), "4.1"),
        ("Call SRV-DC02 and mail help@evil.test.", ("T1",), "help@evil.test, SRV-DC02"),
        ("The VPN is now working.", ("T1",), "says that something is done"),
    ],
)
def test_what_is_invented_or_claimed_is_refused_and_says_why(text: str, sources: tuple[str, ...], why: str) -> None:
    refusal = checked(text, *sources)
    assert isinstance(refusal, tuple)
    assert refusal[0] == text
    assert why in refusal[1]


def test_that_something_is_done_may_be_told_of_a_source_that_says_so() -> None:
    solved = Source(ref="T2", kind="ticket", label="INC-3", title="Printer", text="The problem is resolved.")
    facts = NoteFacts(ticket_ref="1", subject="Printer", description="", sources=(solved,))
    [section] = check_sections([{"text": "There the problem was resolved.", "sources": ["T2"]}], facts)
    assert isinstance(section, Section)


def test_long_words_of_a_model_are_cut_and_further_sections_are_left_out() -> None:
    item = {"heading": "word " * 40, "text": "x" * (TEXT_CHARS + 50), "sources": [OWN]}
    shown = list(check_sections([item] * (MAX_SECTIONS + 3), FACTS))
    assert len(shown) == MAX_SECTIONS
    first = shown[0]
    assert isinstance(first, Section)
    assert len(first.text) == TEXT_CHARS
    assert first.heading == "word word word word word word word word …"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["T1", OWN]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["text", "sources", "heading", "other"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(draft=JSON)
def test_whatever_a_model_gives_for_sections_is_shown_or_refused_and_ends_no_run(draft: Any) -> None:
    for one in check_sections(draft, FACTS):
        assert isinstance(one, Section | tuple)
        assert len(one.text if isinstance(one, Section) else one[0]) <= TEXT_CHARS


@pytest.mark.parametrize("sources", [OWN, "T1", 5, {"T1": 1}, None, [["T1"]]])
def test_sources_that_are_no_list_of_ids_cite_nothing(sources: object) -> None:
    [refusal] = check_sections([{"text": "The VPN.", "sources": sources}], FACTS)
    assert refusal == ("The VPN.", "cites nothing that this run has seen")


@pytest.mark.parametrize(
    "item",
    [
        {"text": "No sources."},
        {"text": "None of them.", "sources": []},
        {"text": "", "sources": [OWN]},
        {"text": "Another member.", "sources": [OWN], "html": "<b>"},
    ],
)
def test_the_schema_refuses_a_section_without_words_or_sources(item: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(sections_schema())
    assert not validator.is_valid([item])
    assert validator.is_valid([{"text": "It stands there.", "sources": [OWN], "heading": "Where"}])


def test_an_id_goes_before_a_label_of_the_same_words() -> None:
    named = Source(ref="T2", kind="ticket", label="T1", title="Named like an id")
    facts = NoteFacts(ticket_ref="1", subject="s", description="", sources=(named, VPN))
    assert find_source("T1", facts) is VPN
    assert find_source("ticket:T1", facts) is named
    assert find_source("INC-99", facts) is None

"""What an agent said beside what people did, as figures."""

from __future__ import annotations

from typing import Any

from deskhand.lab.comparing import Said, agreement, judge, percentile, said_in

NOTE: dict[str, Any] = {
    "note": {"sources": [{"ref": "INV-1"}, {"ref": "KB-7"}, {"ref": "INV-1"}]},
    "triage": {"category": {"value": "Network"}, "priority": {"value": None}},
}


def test_a_note_says_what_its_neighbours_voted_and_what_it_cites() -> None:
    assert said_in(NOTE, []) == Said({"category": "Network"}, ("INV-1", "KB-7"))
    assert said_in(None, []) == Said({})


def test_a_write_it_would_have_made_says_more_than_a_suggestion() -> None:
    intents = [
        ("update_ticket", {"category": "Hardware", "priority": "high", "body": "x"}),
        ("assign", {"group": "Printers"}),
        ("update_ticket", {"category": "Elsewhere", "target": "jira/2"}),
        ("add_note", {"category": "Nowhere"}),
    ]
    said = said_in({**NOTE, "fields": {"set": {"priority": "low"}}}, intents)
    assert said.fields == {"category": "Hardware", "priority": "high", "group": "Printers"}


def test_a_reply_cites_what_it_names() -> None:
    assert said_in({"reply": {"markdown": "See KB-12, please."}}, []).cited == ("KB-12",)


def test_it_is_right_wrong_or_silent_about_what_people_said() -> None:
    truth = {
        "fields": {"category": ["Network"], "priority": ["high", "2 - High"], "group": ["A"]},
        "solution": ["KB-7"],
    }
    said = Said({"category": " network ", "priority": "2 - HIGH", "group": "B"}, ("kb-7", "INV-1"))
    assert judge(said, truth) == {"category": "right", "priority": "right", "group": "wrong", "solution": "right"}
    assert judge(Said({}), truth) == dict.fromkeys(("category", "priority", "group", "solution"), "silent")
    assert judge(Said({}, ("INV-1",)), {"fields": {}, "solution": ["KB-7"]}) == {"solution": "wrong"}
    assert judge(said, {}) == {}


def test_of_nothing_there_is_no_agreement() -> None:
    assert agreement([])["category"]["agreement"] is None


def test_silence_counts_as_not_the_same() -> None:
    figures = agreement([{"category": "right"}, {"category": "silent"}, {"category": "wrong"}, {"group": "right"}])
    assert figures["category"] == {
        "right": 1,
        "wrong": 1,
        "silent": 1,
        "agreement": 0.3333,
        "low": 0.0615,
        "high": 0.7923,
    }
    assert figures["group"]["agreement"] == 1.0


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([], 0.95) is None
    assert percentile([5], 0.5) == 5
    assert percentile(list(range(1, 101)), 0.95) == 95
    assert percentile([3, 1, 2], 0.5) == 2

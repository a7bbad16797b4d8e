"""How preferences stand in boxes, and what is read from them; and rules in words."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.tenants.preferences.boxes import Box, filled, shown_in
from deskhand.tenants.preferences.rules import BOUNDARIES, CALENDARS, KINDS, MACHINES, in_words
from deskhand.tenants.preferences.sections import APPROVALS, NOTES, SECTIONS, company_section
from deskhand.tenants.schemas import EnhancementPreferences
from deskhand.tenants.traits import CONDITIONS


def box(kind: Any, **columns: Any) -> Box:
    return Box(path=("a", "b"), label="A", help="", kind=kind, **columns)


@pytest.mark.parametrize(
    ("kind", "value", "typed"),
    [
        ("flag", True, "true"),
        ("number", 24, "24"),
        ("text", "Höchste", "Höchste"),
        ("lines", ["a@b.example", "c"], "a@b.example\nc"),
        ("pairs", {"Site": ["Ulm", "Bonn"], "X": ["1"]}, "Site = Ulm, Bonn\nX = 1"),
        ("channels", [{"tool": "slack", "channel": "ops"}], "slack ops"),
        ("choice", "silent", "silent"),
    ],
)
def test_what_is_written_is_read_back(kind: Any, value: Any, typed: str) -> None:
    assert box(kind).written(value) == typed
    assert box(kind).read(typed) == value
    assert box(kind).read("\n ".join(["", *typed.splitlines(), ""])) == value


def test_what_is_as_usual_and_was_never_stored_is_not_stored() -> None:
    for section in SECTIONS.values():
        assert filled({}, section.boxes, shown_in(section.boxes, {}, None)) == {}


def test_each_usual_value_is_the_one_that_counts_where_nothing_is_stored() -> None:
    preferences = EnhancementPreferences().model_dump(mode="json")
    for section in (NOTES, APPROVALS):
        for one in section.boxes:
            assert one.written(one.value_in(preferences)) == one.written(one.usual), one.name


def test_the_parts_that_a_form_does_not_have_stay() -> None:
    stored = {"notes": {"verdict_link": True, "later": 1}, "own": {"x": 1}}
    typed = {**shown_in(NOTES.boxes, stored, None), "notes.verdict_link": "false", "notes.oldest_ticket_days": ""}
    changed = filled(stored, NOTES.boxes, typed)
    assert changed == {"notes": {"verdict_link": False, "later": 1, "oldest_ticket_days": None}, "own": {"x": 1}}
    assert stored == {"notes": {"verdict_link": True, "later": 1}, "own": {"x": 1}}


def test_an_emptied_box_takes_its_value_away_or_gives_the_usual_back() -> None:
    desks = company_section({"jira": "Jira", "*": "Every other desk"})
    assert filled({"jira": "company", "x": "one"}, desks.boxes, {"jira": "", "*": "one"}) == {"x": "one", "*": "one"}
    assert filled({"a": {"b": 7}}, (box("number", usual=5),), {"a.b": ""}) == {"a": {"b": 5}}
    assert filled({}, (box("text"),), {"a.b": " "}) == {}
    assert filled({"a": 3}, (box("text"),), {"a.b": "x"}) == {"a": {"b": "x"}}


def test_what_is_no_number_goes_on_for_the_model_to_refuse() -> None:
    assert [box("number").read(text) for text in ("x", "-1", "9" * 30, "٣")] == ["x", "-1", "9" * 30, "٣"]


def test_a_refused_form_shows_what_was_typed() -> None:
    assert shown_in((box("number", usual=5),), {"a": {"b": 3}}, {"a.b": "x"}) == {"a.b": "x"}
    assert shown_in((box("number", usual=5),), {"a": {"b": 3}}, {}) == {"a.b": ""}


def test_rules_are_told_in_words() -> None:
    rule = {"company": ["Suedwerk", "Nordwind", "7"], "vip": True, "custom": {"Site": ["Ulm"]}, "tags": ["hr"]}
    assert in_words(rule, BOUNDARIES) == (
        "Tickets whose company is Suedwerk, Nordwind or 7, and whose tag is hr, and whose Site is Ulm, and whose"
        " requester is marked as a VIP: nothing is kept, sent to a model or written."
    )
    local = in_words({"vip": False, "effect": "local"}, BOUNDARIES)
    assert local == "Tickets whose requester is not marked as a VIP: no model but a local one reads it."
    said = in_words({"words": ["HR", "legal"], "effect": "local"}, BOUNDARIES)
    assert said.startswith("Tickets whose group, category, form or a tag says HR or legal: no model")
    assert "requester is @x.example: nothing." in in_words({"requester": ["@x.example"]}, MACHINES)


def test_a_calendar_is_told_in_words() -> None:
    office = {"name": "Office", "timezone": "Europe/Berlin", "hours": ["mon-fri 08:00-17:00", "sat 09:00-12:00"]}
    said = "Everybody else: mon-fri 08:00-17:00; sat 09:00-12:00 (Europe/Berlin)"
    assert in_words(office, CALENDARS) == f"{said}."
    more = {**office, "company": ["Nordwind", "7"], "holidays": ["12-25"], "count_waits": True}
    assert in_words(more, CALENDARS) == (
        f"{said.replace('Everybody else', 'Nordwind or 7')}, without 1 holiday, waits count working time alone."
    )


def test_the_form_of_a_rule_has_a_box_for_every_condition() -> None:
    for kind in KINDS.values():
        names = {one.path[0] for one in kind.boxes}
        conditions = CONDITIONS if kind.conditions is None else ("company",)
        assert names >= {"name", *conditions}

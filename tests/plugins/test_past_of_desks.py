"""What a ticket was before: each desk's history and images of a write, in the form in which they are put back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.plugins.contract import FieldChange, LinkKind, Person
from deskhand.plugins.images import to_restore
from deskhand.plugins.jira import past as jira
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.servicedesk_plus import past as servicedesk_plus
from deskhand.plugins.servicenow import past as servicenow
from deskhand.plugins.zendesk import past as zendesk
from deskhand.plugins.zendesk.mapping import Sideloads

JIRA = JiraConfig(
    jira_url="https://acme.atlassian.test",
    jira_api_token="token",
    jira_project_key="HELP",
    jira_group_field="customfield_10200",
)
TEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


# -- Jira ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        ({"accountId": "5b10", "displayName": "Ann", "active": True}, {"accountId": "5b10"}),
        ({"id": "3", "name": "High", "iconUrl": "x"}, {"id": "3"}),
        ([{"id": "1", "name": "Network"}, {"id": "2"}], [{"id": "1"}, {"id": "2"}]),
        ({"type": "doc", "version": 1, "content": []}, {"type": "doc", "version": 1, "content": []}),
        ("plain", "plain"),
        (None, None),
    ],
)
def test_jira_is_given_a_value_back_by_its_id_whatever_it_is_called_by_now(shown: Any, written: Any) -> None:
    assert jira.settable(shown) == written


def test_jira_tells_a_change_by_words_and_puts_it_back_by_id() -> None:
    before = {"priority": {"id": "3", "name": "Medium"}, "summary": "Printer", "labels": ["vpn"]}
    after = {"priority": {"id": "2", "name": "High"}, "summary": "Printer", "labels": ["vpn", "floor3"]}
    priority, labels = jira.images(before, after, ["priority", "summary", "labels", "priority"], JIRA)
    assert (priority.before, priority.before_text, priority.after_text) == ({"id": "3"}, "Medium", "High")
    assert (labels.field, labels.vendor_field, labels.after_text) == ("tags", "labels", "vpn, floor3")


def test_jiras_changelog_keeps_saves_with_fields_alone() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "1", "created": "2026-11-21T10:00:00.000+0000", "author": {"accountId": "5b10"}, "items": [
            {"field": "Support group", "fieldId": "customfield_10200", "fromString": None, "toString": "Network",
             "from": None, "to": "10401"},
            {"field": "summary", "fieldId": "summary", "fromString": "a", "toString": "b", "from": None, "to": None},
            "broken",
        ]},
        {"id": "2", "items": []},
        {"id": "3", "items": "none"},
    ]  # fmt: skip
    (change,) = jira.past_changes(rows, JIRA)
    group, summary = change.fields
    assert (change.id, change.at, change.by.id) == ("1", TEN, "5b10")
    assert (group.field, group.before, group.after, group.after_text) == ("group", None, {"id": "10401"}, "Network")
    assert (summary.before, summary.after) == ("a", "b")


@pytest.mark.parametrize(
    ("row", "link"),
    [
        ({"type": {"outward": "Blocks"}, "outwardIssue": {"id": 7}}, (LinkKind.BLOCKS, "7")),
        ({"type": {"inward": "is caused by"}, "inwardIssue": {"id": 8}}, (LinkKind.CAUSED_BY, "8")),
        ({"type": {"inward": "is blocked by"}, "inwardIssue": {"id": 9}}, None),
        ({"type": {"outward": "was cloned from"}, "outwardIssue": {"id": 9}}, None),
        ({"type": None, "outwardIssue": {"id": 9}}, None),
        ({}, None),
    ],
)
def test_a_link_of_jira_counts_where_we_have_a_word_for_it(row: dict[str, Any], link: tuple[str, str] | None) -> None:
    seen = jira.link_of(row)
    assert (None if seen is None else (seen.kind, seen.ticket_id)) == link
    assert len(jira.links({"issuelinks": [row, "broken"]})) == (link is not None)


# -- Zendesk ---------------------------------------------------------------------------------------


def test_zendesk_has_its_custom_fields_beside_the_others_and_writes_them_apart() -> None:
    raw = {"subject": "VPN", "custom_fields": [{"id": 27642, "value": "network"}, "broken"], "fields": []}
    flat = zendesk.flat(raw)
    assert flat == {"subject": "VPN", "27642": "network"}
    assert zendesk.writable(flat) == {"subject": "VPN", "custom_fields": [{"id": 27642, "value": "network"}]}


def test_a_ticket_of_zendesk_is_never_new_again() -> None:
    names = {"status": ("new", "pending"), "custom_status_id": (5001, 5003), "priority": ("low", "high")}
    changes = [
        FieldChange(field=name, vendor_field=name, before=before, after=after)
        for name, (before, after) in names.items()
    ]
    reached = zendesk.reachable(changes)
    assert {one.vendor_field: one.before for one in reached} == {"status": "open", "priority": "low"}
    # Asked again when it is done, nothing counts as somebody's change.
    done = {"status": "open", "custom_status_id": 5002, "priority": "low"}
    assert to_restore(reached, done, same=zendesk.same) == ({}, ())
    worked_on = changes[2:]
    assert zendesk.reachable(worked_on) == worked_on


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (["b", "a"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (None, "", True),
        (0, "", False),
        ("open", "open", True),
    ],
)
def test_what_is_the_same_to_zendesk(left: Any, right: Any, same: bool) -> None:
    assert zendesk.same(left, right) is same


def test_zendesks_audits_are_told_in_names() -> None:
    side = Sideloads(people={"7": Person(id="7", name="Ann")}, groups={"9": "Network"})
    side.companies["5"] = "Nordwind"
    events = [
        {"type": "Comment", "id": 1},
        {"type": "Change", "field_name": "assignee_id", "previous_value": None, "value": "7"},
        {"type": "Change", "field_name": "group_id", "previous_value": "8", "value": "9"},
        {"type": "Change", "field_name": "organization_id", "previous_value": None, "value": "5"},
        {"type": "Change", "field_name": "tags", "previous_value": ["a"], "value": ["a", "b"]},
    ]
    audits = [
        {"id": 71, "author_id": 7, "created_at": "2026-11-21T10:00:00Z", "events": events},
        {"id": 72, "author_id": 7, "created_at": "2026-11-21T10:00:01Z", "events": [{"type": "Comment"}]},
    ]
    (change,) = zendesk.past_changes(audits, side)
    told = [(field.field, field.before_text, field.after_text) for field in change.fields]
    assert told == [
        ("assignee", "", "Ann"),
        ("group", "8", "Network"),
        ("company", "", "Nordwind"),
        ("tags", "a", "a, b"),
    ]
    assert (change.by.name, change.at) == ("Ann", TEN)


# -- ServiceNow ------------------------------------------------------------------------------------


def cell(value: str, shown: str = "") -> dict[str, str]:
    return {"value": value, "display_value": shown or value}


def test_servicenow_compares_stored_values_and_leaves_its_journals_out() -> None:
    before = {"state": cell("1", "New"), "work_notes": cell("old"), "priority": cell("3", "3 - Moderate")}
    after = {"state": cell("6", "Resolved"), "work_notes": cell("new"), "priority": cell("3", "3 - Medium")}
    (state,) = servicenow.images(before, after, ["state", "work_notes", "priority", "state"])
    assert (state.field, state.before, state.before_text, state.after_text) == ("status", "1", "New", "Resolved")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("a\r\nb ", "a\nb", True), (None, "", True), ("a", "A", False)],
)
def test_what_is_the_same_to_servicenow(left: Any, right: Any, same: bool) -> None:
    assert servicenow.same(left, right) is same


def test_servicenows_audit_is_told_by_its_choices_labels() -> None:
    rows = [
        {"sys_id": "a1", "fieldname": "state", "oldvalue": "1", "newvalue": "99", "user": "ann",
         "sys_created_on": "2026-11-21 10:00:00"},
        {"sys_id": "a2", "fieldname": "comments", "oldvalue": "", "newvalue": "hello", "user": "ann"},
    ]  # fmt: skip
    (change,) = servicenow.past_changes(rows, {"state": {"1": "New"}})
    (field,) = change.fields
    assert (change.by.name, change.at) == ("ann", TEN)
    assert (field.before, field.before_text) == ("1", "New")
    assert (field.after, field.after_text) == ("99", "99"), "a choice that is gone keeps its stored value"


# -- ServiceDesk Plus ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        ({"id": "4", "name": "Ann", "email_id": "ann@corp.test"}, {"email_id": "ann@corp.test"}),
        ({"id": "4", "name": "High", "color": "red"}, {"name": "High"}),
        ({"content": "<p>done</p>", "submitted_on": {}}, {"content": "<p>done</p>"}),
        ({"id": "4"}, {"id": "4"}),
        ({"color": "red"}, None),
        ("plain", "plain"),
    ],
)
def test_servicedesk_plus_is_given_a_value_by_what_holds_on_every_instance(shown: Any, written: Any) -> None:
    assert servicedesk_plus.settable(shown) == written


def test_servicedesk_plus_empties_a_text_by_an_empty_one_and_a_reference_by_null() -> None:
    fields = {"subject": None, "resolution": None, "group": None, "description": "kept"}
    assert servicedesk_plus.writable(fields) == {
        "subject": "",
        "resolution": {"content": ""},
        "group": None,
        "description": "kept",
    }


@pytest.mark.parametrize("empty", [None, "", {}, {"content": None}, {"content": ""}])
def test_servicedesk_plus_shows_an_empty_text_in_many_ways(empty: Any) -> None:
    assert servicedesk_plus.same(empty, None)
    assert servicedesk_plus.same(None, empty)
    assert not servicedesk_plus.same(empty, "text")


@pytest.mark.parametrize(("was", "now"), [("previous_value", "current_value"), ("old_value", "new_value")])
def test_servicedesk_plus_spells_its_history_in_several_ways(was: str, now: str) -> None:
    diff = [
        {"field": {"name": "technician"}, was: None, now: {"name": "Ann", "email_id": "ann@corp.test"}},
        {"field": "udf_fields.udf_sline_1", was: "a", now: "b"},
        {"no": "field"},
    ]
    rows = [
        {"id": 5, "done_by": {"name": "Ann"}, "performed_time": {"value": "1795255200000"}, "diff": diff},
        {"id": 6, "diff": "none"},
    ]
    (change,) = servicedesk_plus.past_changes(rows)
    person, extra = change.fields
    assert (change.id, change.by.name, change.at) == ("5", "Ann", datetime.fromtimestamp(1795255200, UTC))
    assert (person.field, person.after, person.after_text) == ("assignee", {"email_id": "ann@corp.test"}, "Ann")
    assert (extra.field, extra.before, extra.after) == ("udf_sline_1", "a", "b")


# -- any desk --------------------------------------------------------------------------------------


def test_only_what_still_stands_as_we_wrote_it_is_put_back() -> None:
    written = zendesk.images(
        {"priority": "low", "subject": "a", "tags": ["x"]},
        {"priority": "high", "subject": "b", "tags": ["x", "y"]},
        {"priority": "high", "subject": "b", "tags": ["x", "y"]},
    )
    now = {"priority": "high", "subject": "somebody's", "tags": ["x"]}
    wanted, skipped = to_restore(written, now, same=zendesk.same)
    assert wanted == {"priority": "low"}
    assert [(one.field, one.after) for one in skipped] == [("subject", "somebody's")]

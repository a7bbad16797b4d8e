"""Bodies of webhooks as each desk sends them, read without a signature: what counts, and what is only a hint."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.plugins.contract import Ignored, TicketEvent, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.jira import webhook as jira
from deskhand.plugins.servicedesk_plus import webhook as servicedesk_plus
from deskhand.plugins.servicenow import webhook as servicenow

SYS_ID = "46f1784ba9fe19810018aa27fbb23482"
MARK = "dh-0123456789abcdef0123"
TEN = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def sent(body: Any) -> WebhookRequest:
    return WebhookRequest(headers={"content-type": "application/json"}, body=json.dumps(body).encode())


def issue(**more: Any) -> dict[str, Any]:
    fields = {"summary": "VPN", "status": {"name": "Open"}, "updated": "2026-11-21T10:00:00.000+0000"}
    return {"id": "10042", "key": "HELP-42", "fields": {**fields, **more}}


def read(body: Any) -> TicketEvent:
    event = jira.extract(sent(body))
    assert isinstance(event, TicketEvent)
    return event


# -- Jira ------------------------------------------------------------------------------------------


def test_the_two_events_of_one_comment_are_one_delivery() -> None:
    comment = {"id": "9001", "body": "hello"}
    created = {"webhookEvent": "comment_created", "issue": issue(), "comment": comment}
    updated = {
        "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_commented",
        "issue": issue(),
        "comment": comment,
    }
    assert jira.delivery_id(sent(created)) == jira.delivery_id(sent(updated)) == "comment-10042-9001"


@pytest.mark.parametrize(
    "more",
    [
        {"changelog": {"items": [{"field": "priority"}]}},
        {"comment": {}},
        {"issue": {}},
        {"issue_event_type_name": "issue_comment_edited"},
    ],
)
def test_a_save_that_is_more_or_less_than_a_new_comment_is_a_delivery_of_its_own(more: dict[str, Any]) -> None:
    body = {
        "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_commented",
        "issue": issue(),
        "comment": {"id": "9001"},
        **more,
    }
    assert jira.delivery_id(sent(body)) is None


def test_an_automation_is_named_by_issue_change_and_rule() -> None:
    body = {"event": "updated", "rule": "one", "issue": issue()}
    name = jira.delivery_id(sent(body))
    assert name == jira.delivery_id(sent(dict(body)))
    assert name != jira.delivery_id(sent({**body, "rule": "two"}))
    assert name != jira.delivery_id(sent({**body, "comment": {"id": "9"}}))
    assert jira.delivery_id(sent({"event": "updated", "issue": {"id": "1"}})) is None, "no change is named"


def test_the_move_that_ends_the_work_is_ignored_and_a_comment_after_it_is_not() -> None:
    done = {"name": "Resolved", "statusCategory": {"key": "done"}}
    moved = {
        "webhookEvent": "jira:issue_updated",
        "issue": issue(status=done),
        "changelog": {"items": [{"field": "status"}]},
    }
    assert isinstance(jira.extract(sent(moved)), Ignored)
    later = {"webhookEvent": "comment_created", "issue": issue(status=done), "comment": {"id": "1", "body": "again"}}
    assert read(later).event == "comment_created"


def test_a_mark_counts_in_a_comment_that_was_written_and_not_in_one_that_was_edited() -> None:
    comment = {"id": "1", "body": f"hello\n{MARK}", "author": {"accountId": "a"}, "updateAuthor": {"accountId": "b"}}
    written = read({"webhookEvent": "comment_created", "issue": issue(), "comment": comment})
    edited = jira.extract(sent({"webhookEvent": "comment_updated", "issue": issue(), "comment": comment}))
    assert (written.marks, written.note_id, written.actor.id) == ((MARK,), "1", "b")
    assert not isinstance(edited, TicketEvent) or edited.marks == ()


def test_an_automation_may_send_the_issue_itself() -> None:
    event = read(issue())
    assert (event.event, event.ticket.ticket_id, event.ticket.display_id) == ("automation:issue", "10042", "HELP-42")
    assert (event.revision, event.occurred_at) == ("2026-11-21T10:00:00.000+0000", TEN)


@pytest.mark.parametrize(
    "body",
    [
        {"webhookEvent": "jira:issue_created", "issue": {"id": "../../myself"}},
        {"webhookEvent": "jira:issue_created", "issue": {"id": "1" * 21}},
        {"webhookEvent": "jira:issue_created"},
        {"event": "created", "issue": "10042"},
        {"id": "1", "key": "HELP-1"},
        {},
    ],
)
def test_what_names_no_issue_is_not_jiras(body: dict[str, Any]) -> None:
    with pytest.raises(NotAVendorPayloadError):
        jira.extract(sent(body))


# -- ServiceNow ------------------------------------------------------------------------------------


def test_servicenows_rule_is_read_as_stored_values() -> None:
    body = {
        "event": "incident.created",
        "sys_id": SYS_ID,
        "number": "INC0010001",
        "short_description": "VPN",
        "sys_updated_on": "2026-11-21 10:00:00",
        "sys_updated_by": "ann",
        "sys_mod_count": 0,
    }
    event = servicenow.extract(sent(body))
    assert isinstance(event, TicketEvent)
    assert (event.ticket.ticket_id, event.ticket.display_id, event.actor.name) == (SYS_ID, "INC0010001", "ann")
    assert (event.revision, event.occurred_at) == ("0", TEN), "a record's first save is number 0, and not none"


@pytest.mark.parametrize("sys_id", ["", "INC0010001", SYS_ID.upper(), SYS_ID + "0", None, 7])
def test_a_record_is_named_by_its_sys_id_alone(sys_id: Any) -> None:
    with pytest.raises(NotAVendorPayloadError):
        servicenow.extract(sent({"event": "incident.created", "sys_id": sys_id}))


def test_the_script_has_address_and_secret_as_strings_of_its_language() -> None:
    guide = servicenow.setup_guide(webhook_url="https://hooks.test/a?b='c'", secret='quo"te\\')
    assert json.dumps('quo"te\\') in guide
    assert "@@" not in guide


# -- ServiceDesk Plus ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "email", "name"),
    [
        ("ann@corp.test", "ann@corp.test", None),
        ("Ann", None, "Ann"),
        ({"email_id": "ann@corp.test", "name": "Ann"}, "ann@corp.test", "Ann"),
        ("", None, None),
        (None, None, None),
    ],
)
def test_whoever_did_it_is_told_by_an_object_a_name_or_an_address(by: Any, email: str | None, name: str | None) -> None:
    event = servicedesk_plus.extract(sent({"event": "request.created", "request_id": "17", "updated_by": by}))
    if isinstance(event, Ignored):
        pytest.fail(event.reason)
    assert (event.actor.email, event.actor.name) == (email, name)


def test_the_script_sends_the_request_and_an_action_fills_a_flat_body() -> None:
    whole = {"event": "request.created", "request": {"id": "17", "subject": "VPN", "status": {"name": "Open"}}}
    flat = {"event": "request.created", "request_id": "17", "subject": "VPN", "status": "Open"}
    one, other = servicedesk_plus.extract(sent(whole)), servicedesk_plus.extract(sent(flat))
    assert isinstance(one, TicketEvent)
    assert isinstance(other, TicketEvent)
    assert one.ticket == other.ticket


@pytest.mark.parametrize("request_id", ["", "17/notes", "x", "1" * 21, None])
def test_a_request_is_named_by_digits_alone(request_id: Any) -> None:
    with pytest.raises(NotAVendorPayloadError):
        servicedesk_plus.extract(sent({"event": "request.created", "request_id": request_id}))

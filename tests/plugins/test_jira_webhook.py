"""Webhooks of Jira: signatures bit by bit, the 24-hour window, the event table, one delivery per comment."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.plugins.jira_desk import make_plugin, make_simulator

from deskhand.errors import SignatureError
from deskhand.plugins.contract import Ignored, TicketEvent, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.jira import JiraPlugin
from deskhand.plugins.jira.manifest import EVENTS, IGNORED_EVENTS
from deskhand.plugins.signatures import hub_headers

SECRET = "It's a Secret to Everybody"
SENT = datetime(2026, 11, 21, 10, 0, 0, 123000, tzinfo=UTC)
STAMP = 1795255200123


def _admin(payload: dict[str, Any], *, identifier: str | None = "id-1", secret: str = SECRET) -> WebhookRequest:
    body = json.dumps(payload).encode()
    headers = {name.lower(): value for name, value in hub_headers(secret, body, header_name="X-Hub-Signature").items()}
    if identifier:
        headers["x-atlassian-webhook-identifier"] = identifier
    return WebhookRequest(headers=headers, body=body)


def _event(name: str = "jira:issue_updated", **extra: Any) -> dict[str, Any]:
    fields = {"summary": "Printer jams", "status": {"name": "In progress"}, "priority": {"name": "High"}}
    return {
        "timestamp": STAMP,
        "webhookEvent": name,
        "user": {"accountId": "ines", "displayName": "Ines"},
        "issue": {"id": "10042", "key": "HELP-42", "fields": fields},
        **extra,
    }


def _verify(request: WebhookRequest, *, secrets: tuple[str, ...] = (SECRET,), now: datetime = SENT) -> str:
    return JiraPlugin.validate_webhook(request, secrets=secrets, now=now).delivery_id


def test_the_published_vector_holds() -> None:
    signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    request = WebhookRequest(headers={"x-hub-signature": signature}, body=b"Hello World!")
    assert JiraPlugin.validate_webhook(request, secrets=[SECRET], now=SENT).scheme == "x-hub-signature"


def test_one_bit_changed_anywhere_fails() -> None:
    request = _admin(_event())
    for position in range(len(request.body) * 8):
        body = bytearray(request.body)
        body[position // 8] ^= 1 << position % 8
        with pytest.raises(SignatureError):
            _verify(WebhookRequest(headers=request.headers, body=bytes(body)))
    signature = request.headers["x-hub-signature"].encode()
    for position in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[position // 8] ^= 1 << position % 8
        headers = {**request.headers, "x-hub-signature": changed.decode("latin-1")}
        with pytest.raises(SignatureError):
            _verify(WebhookRequest(headers=headers, body=request.body))


def test_an_empty_secret_never_verifies() -> None:
    for request in (_admin(_event(), secret=""), WebhookRequest(headers={"x-itsm-token": ""}, body=b"{}")):
        for secrets in ((), ("",)):
            with pytest.raises(SignatureError):
                _verify(request, secrets=secrets)


def test_a_wrong_signature_is_not_rescued_by_a_right_token() -> None:
    request = _admin(_event(), secret="another")
    with pytest.raises(SignatureError):
        _verify(WebhookRequest(headers={**request.headers, "x-itsm-token": SECRET}, body=request.body))


def test_an_event_older_or_newer_than_24_hours_is_refused() -> None:
    request = _admin(_event())
    for late in (timedelta(hours=23, minutes=59), -timedelta(hours=23, minutes=59)):
        assert _verify(request, now=SENT + late)
    for late in (timedelta(hours=24, minutes=1), -timedelta(hours=24, minutes=1)):
        with pytest.raises(SignatureError, match="24 hours"):
            _verify(request, now=SENT + late)


def test_both_events_of_one_comment_are_one_delivery() -> None:
    comment = {"id": "7001", "author": {"accountId": "ines"}, "body": "It *still* jams", "jsdPublic": True}
    created = _event("comment_created", comment=comment)
    updated = _event(issue_event_type_name="issue_commented", comment=comment)
    assert _verify(_admin(created, identifier="a")) == _verify(_admin(updated, identifier="b"))
    other = {**comment, "id": "7002"}
    assert _verify(_admin(_event("comment_created", comment=other))) != _verify(_admin(created))
    # An edit of the comment, or a change that only carries one, is something else.
    items = [{"field": "status", "from": "1", "to": "3"}]
    for changed in (
        _event("comment_updated", comment=comment),
        _event(issue_event_type_name="issue_commented", comment=comment, changelog={"items": items}),
    ):
        assert _verify(_admin(changed)) != _verify(_admin(created))


def test_without_an_identifier_the_body_identifies() -> None:
    first = _verify(_admin(_event(), identifier=None))
    assert _verify(_admin(_event(), identifier=None)) == first
    assert _verify(_admin(_event("jira:issue_created"), identifier=None)) != first


def _automation(payload: dict[str, Any]) -> WebhookRequest:
    return WebhookRequest(headers={"x-itsm-token": SECRET}, body=json.dumps(payload).encode())


def test_automation_is_deduped_by_issue_change_and_rule() -> None:
    issue = {"id": 11111, "key": "HELP-9", "updated": "2026-11-21T15:20:11.662+0530", "summary": "x"}
    payload = {"event": "created", "rule": "Tell Deskhand", "actor": "ines", "issue": issue}
    first = _verify(_automation(payload))
    assert _verify(_automation({**payload, "issue": {**issue, "summary": "y"}})) == first
    assert _verify(_automation({**payload, "rule": "Another"})) != first
    assert _verify(_automation({**payload, "issue": {**issue, "updated": "2026-11-21T15:21:00.000+0530"}})) != first
    assert _verify(_automation({**payload, "issue": {"id": 11111}})) == _verify(
        _automation({**payload, "issue": {"id": 11111}})
    )


def test_automation_with_numeric_ids_is_read() -> None:
    issue = {"id": 11111, "key": "HELP-9", "updated": "2022-02-18T15:20:11.662+0530", "summary": "x", "status": "Open"}
    event = JiraPlugin.extract_metadata(_automation({"event": "created", "actor": "ines", "issue": issue}))
    assert isinstance(event, TicketEvent)
    assert (event.event, event.ticket.ticket_id, event.actor.id) == ("automation:created", "11111", "ines")
    assert event.ticket.updated_at == datetime(2022, 2, 18, 9, 50, 11, 662000, tzinfo=UTC)
    whole = {"id": 11111, "key": "HELP-9", "self": "x", "fields": {"summary": "x", "updated": issue["updated"]}}
    event = JiraPlugin.extract_metadata(_automation(whole))
    assert isinstance(event, TicketEvent)
    assert (event.event, event.ticket.display_id) == ("automation:issue", "HELP-9")


def test_an_admin_event_is_read() -> None:
    event = JiraPlugin.extract_metadata(
        _admin(
            _event(issue_event_type_name="issue_commented", comment={"id": "1", "body": "Ref: dh-0123456789abcdef0123"})
        )
    )
    assert isinstance(event, TicketEvent)
    assert (event.ticket.ticket_id, event.ticket.display_id, event.ticket.subject) == (
        "10042",
        "HELP-42",
        "Printer jams",
    )
    assert (event.ticket.priority, event.ticket.status, event.actor.id) == ("High", "In progress", "ines")
    assert event.occurred_at == SENT
    assert event.marks == ("dh-0123456789abcdef0123",)


def test_the_author_of_a_comment_is_its_actor() -> None:
    comment = {"id": "1", "author": {"accountId": "ines"}, "updateAuthor": {"accountId": "omar"}}
    for name in ("comment_created", "comment_updated"):
        event = JiraPlugin.extract_metadata(_admin(_event(name, user={"accountId": "nobody"}, comment=comment)))
        assert isinstance(event, TicketEvent)
        assert event.actor.id == "omar"


def test_every_known_event_is_handled_or_ignored_with_a_reason() -> None:
    assert not EVENTS & set(IGNORED_EVENTS)
    for name in [*EVENTS, *IGNORED_EVENTS]:
        if name.startswith("automation:"):
            payload = {"event": name.removeprefix("automation:"), "issue": {"id": "10042"}}
            request = _automation(
                {"id": "10042", "key": "H-1", "fields": {}} if name == "automation:issue" else payload
            )
        else:
            request = _admin(_event(name))
        found = JiraPlugin.extract_metadata(request)
        assert isinstance(found, TicketEvent if name in EVENTS else Ignored)
        assert found.event == name
    unknown = JiraPlugin.extract_metadata(_admin({"webhookEvent": "project_created", "project": {}, "timestamp": 1}))
    assert isinstance(unknown, Ignored)


def test_becoming_done_is_no_reason_to_act_but_a_comment_on_it_is() -> None:
    done = {"name": "Resolved", "statusCategory": {"key": "done"}}
    issue = {"id": "10042", "key": "HELP-42", "fields": {"status": done}}
    items = {"items": [{"field": "status", "from": "1", "to": "5"}]}
    assert isinstance(JiraPlugin.extract_metadata(_admin(_event(issue=issue, changelog=items))), Ignored)
    assert isinstance(JiraPlugin.extract_metadata(_admin(_event("comment_created", issue=issue))), TicketEvent)


@pytest.mark.parametrize("issue", [None, {}, {"id": ""}, {"id": "HELP-42"}, {"id": "../1"}, [], "10042"])
def test_an_event_without_a_numeric_issue_is_not_ours(issue: object) -> None:
    with pytest.raises(NotAVendorPayloadError):
        JiraPlugin.extract_metadata(_admin(_event(issue=issue)))


async def test_own_events_are_known_by_account_or_address() -> None:
    simulator = make_simulator()
    plugin = make_plugin(simulator, "http://127.0.0.1:9", jira_account_id="us")
    for actor, own in (({"accountId": "us"}, True), ({"accountId": "ines"}, False), ({}, None)):
        event = JiraPlugin.extract_metadata(_admin(_event(user=actor)))
        assert isinstance(event, TicketEvent)
        assert JiraPlugin.is_own_event(plugin.config, event) is own
    event = JiraPlugin.extract_metadata(_admin(_event(user={"emailAddress": "Deskhand@desk.test"})))
    assert isinstance(event, TicketEvent)
    assert JiraPlugin.is_own_event(plugin.config, event)
    await plugin.aclose()


def test_the_guide_has_both_ways_filled_in() -> None:
    guide = JiraPlugin.setup_guide(webhook_url="https://hooks.corp.test/x", secret="s3cret")
    assert guide.count("https://hooks.corp.test/x") == 2
    assert guide.count("s3cret") == 2
    assert "@@" not in guide

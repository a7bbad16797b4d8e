"""Zendesk's webhooks: signature, both kinds of body, the table of events, what we give people to paste."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.plugins.zendesk import RunningDesk, new_simulator
from tests.simulators.test_base import Receiver

from deskhand.errors import SignatureError
from deskhand.plugins.contract import (
    Ignored,
    NoteDraft,
    Person,
    TicketChanges,
    TicketEvent,
    TicketMetadata,
    WebhookRequest,
)
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.signatures import ZENDESK_TEST_SECRET
from deskhand.plugins.zendesk import ZendeskPlugin
from deskhand.plugins.zendesk.manifest import EVENT_PREFIX, IGNORED_EVENTS, SUBSCRIBED_EVENTS, TRIGGER_EVENTS
from deskhand.plugins.zendesk.webhook import trigger_body
from deskhand.simulators.base import WebhookTarget, run_in_process
from deskhand.simulators.zendesk.events import TRIGGER_TEMPLATE

SECRET = "c2VjcmV0IG9mIHRoaXMgd2ViaG9vaw=="
MARK = "dh-0123456789abcdef0123"
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
# The vector of the reference, whose secret is the one everybody knows; see test_signatures for the scheme itself.
BODY = b'{"ticket_id":"35436","status":"open"}'
STAMP = "2026-11-21T10:00:00Z"


def signed(body: bytes = BODY, *, secret: str = SECRET, stamp: str = STAMP, **headers: str) -> WebhookRequest:
    """Signed here by the formula of the vendor's page, without our own code."""
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    return WebhookRequest(
        headers={
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
            "x-zendesk-webhook-signature-timestamp": stamp,
            "x-zendesk-webhook-invocation-id": "01JD8Z",
            **headers,
        },
        body=body,
    )


def validate(request: WebhookRequest, *, secrets: tuple[str, ...] = (SECRET,), now: datetime = NOW) -> str:
    return ZendeskPlugin.validate_webhook(request, secrets=secrets, now=now).delivery_id


def test_what_was_signed_names_the_delivery_and_the_invocation_does_not() -> None:
    bare = signed()
    headers = {**bare.headers, "x-zendesk-webhook-invocation-id": "of somebody who captured it"}
    assert validate(bare) == validate(replace(bare, headers=headers))


def test_one_bit_changed_anywhere_is_refused() -> None:
    request = signed()
    for at in range(len(request.body)):
        for bit in range(8):
            changed = bytearray(request.body)
            changed[at] ^= 1 << bit
            with pytest.raises(SignatureError):
                validate(replace(request, body=bytes(changed)))
    for name in ("x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"):
        value = request.headers[name].encode()
        for at in range(len(value)):
            for bit in range(7):
                changed = bytearray(value)
                changed[at] ^= 1 << bit
                headers = {**request.headers, name: changed.decode("latin-1")}
                with pytest.raises(SignatureError):
                    validate(replace(request, headers=headers))


def test_the_secret_everybody_knows_proves_nothing() -> None:
    vector = signed(secret=ZENDESK_TEST_SECRET)
    assert vector.headers["x-zendesk-webhook-signature"] == "0S9UXH5RnZnzWkwRrL6v9dHkoTOfATeeLvBt52T8UgY="
    for secrets in ((ZENDESK_TEST_SECRET,), (ZENDESK_TEST_SECRET, SECRET), ("",), ()):
        with pytest.raises(SignatureError):
            validate(vector, secrets=secrets)
    assert validate(signed(), secrets=(ZENDESK_TEST_SECRET, "", SECRET))


def test_a_replay_is_refused_after_the_retries_are_over() -> None:
    for minutes in (-14, 0, 14):
        assert validate(signed(), now=NOW + timedelta(minutes=minutes))
    for minutes in (-16, 16, 24 * 60):
        with pytest.raises(SignatureError, match="900 seconds"):
            validate(signed(), now=NOW + timedelta(minutes=minutes))


# -- bodies ----------------------------------------------------------------------------------------


def subscribed(event: str, **changes: Any) -> dict[str, Any]:
    detail = {
        "actor_id": "5",
        "id": "35436",
        "priority": "HIGH",
        "status": "OPEN",
        "subject": "VPN drops",
        "updated_at": "2026-11-21T10:00:00Z",
        **changes.pop("detail", {}),
    }
    return {
        "type": EVENT_PREFIX + event,
        "account_id": 1,
        "id": "2b24ef10",
        "time": "2026-11-21T10:00:01.304701605Z",
        "zendesk_event_version": "2022-11-06",
        "subject": "zen:ticket:35436",
        "detail": detail,
        "event": changes,
    }


def extract(payload: object) -> TicketEvent | Ignored:
    return ZendeskPlugin.extract_metadata(WebhookRequest(headers={}, body=json.dumps(payload).encode()))


@pytest.mark.parametrize("event", sorted(SUBSCRIBED_EVENTS))
def test_handled_subscribed_events(event: str) -> None:
    found = extract(subscribed(event))
    assert isinstance(found, TicketEvent)
    assert found.event == event
    assert found.ticket == TicketMetadata(
        tool_type="zendesk",
        ticket_id="35436",
        display_id="35436",
        subject="VPN drops",
        priority="high",
        status="open",
        updated_at=NOW,
    )
    assert found.actor == Person(id="5")


@pytest.mark.parametrize("event", [*sorted(IGNORED_EVENTS), "ticket.something_new", "messaging_ticket.message_added"])
def test_other_events_are_ignored_with_a_reason(event: str) -> None:
    found = extract(subscribed(event))
    assert isinstance(found, Ignored)
    assert (found.event, bool(found.reason)) == (event, True)


@pytest.mark.parametrize("status", ["SOLVED", "CLOSED", "DELETED"])
def test_a_ticket_that_is_done_starts_nothing(status: str) -> None:
    assert isinstance(extract(subscribed("ticket.status_changed", detail={"status": status})), Ignored)
    assert isinstance(extract({"event": "ticket.updated", "ticket_id": "7", "status": status.title()}), Ignored)
    comment = extract(subscribed("ticket.comment_added", detail={"status": status}))
    assert isinstance(comment, TicketEvent)  # a customer who answers reopens it


def test_the_author_of_a_comment_is_the_actor() -> None:
    author = {"id": "58789189659033", "is_staff": False, "name": "Ada"}
    found = extract(subscribed("ticket.comment_added", comment={"id": "1", "body": "Ref: " + MARK, "author": author}))
    assert isinstance(found, TicketEvent)
    assert found.actor == Person(id="58789189659033", name="Ada", is_staff=False)
    assert found.marks == (MARK,)


@pytest.mark.parametrize("ticket_id", ["../../users/5", "17?x", "", None, "a", "0", "-1", "1" * 20])
def test_an_id_that_is_no_id_is_refused(ticket_id: str | None) -> None:
    for payload in (
        {"event": "ticket.created", "ticket_id": ticket_id},
        subscribed("ticket.created", detail={"id": ticket_id}),
    ):
        with pytest.raises(NotAVendorPayloadError):
            extract(payload)


def test_bodies_that_are_not_the_contract() -> None:
    for payload in (
        {"type": EVENT_PREFIX + "ticket.created"},
        {"event": "request.created", "ticket_id": "1"},
        {"type": 1},
    ):
        with pytest.raises(NotAVendorPayloadError):
            extract(payload)


# -- what we ship ----------------------------------------------------------------------------------


def test_the_guide_holds_valid_json_for_webhook_and_triggers() -> None:
    guide = ZendeskPlugin.setup_guide(webhook_url="https://hooks.corp.test/a1", secret=SECRET)
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", guide, re.DOTALL)]
    webhook, *triggers = blocks
    assert webhook["webhook"]["endpoint"] == "https://hooks.corp.test/a1"
    assert webhook["webhook"]["subscriptions"] == ["conditional_ticket_events"]
    events = set()
    for trigger in triggers:
        (action,) = trigger["trigger"]["actions"]
        assert action["field"] == "notification_webhook"
        events.add(json.loads(action["value"][1])["event"])
        assert trigger["trigger"]["conditions"]["all"]
    assert events == TRIGGER_EVENTS
    assert "@@" not in guide


def test_the_trigger_cannot_be_broken_by_what_a_customer_writes() -> None:
    placeholders = set(re.findall(r"\{\{([\w.]+)\}\}", trigger_body("ticket.created")))
    assert placeholders
    assert not placeholders & {"ticket.title", "ticket.description", "current_user.name", "ticket.latest_comment"}


def test_the_simulator_sends_what_the_guide_tells_an_administrator_to_paste() -> None:
    assert json.loads(trigger_body("ticket.updated")) == {"event": "ticket.updated", **TRIGGER_TEMPLATE}


# -- over sockets ----------------------------------------------------------------------------------


@pytest.fixture
async def desk() -> AsyncIterator[RunningDesk]:
    simulator = new_simulator()
    async with run_in_process(simulator.build()) as server:
        yield RunningDesk(simulator, server)


async def test_a_retry_keeps_the_invocation_id(desk: RunningDesk) -> None:
    receiver = Receiver()
    receiver.answers = [503, 409]
    sender = desk.simulator.sender
    async with run_in_process(receiver.build()) as server:
        sender.target = WebhookTarget(url=f"{server.url}/hook", secret=SECRET, retry_delays=(0.01, 0.01))
        ticket_id = desk.file_ticket()
        await sender.drain()
    assert len(receiver.requests) == 3
    assert len({validate(request, now=datetime.now(UTC)) for request in receiver.requests}) == 1
    event = ZendeskPlugin.extract_metadata(receiver.requests[-1])
    assert isinstance(event, TicketEvent)
    assert (event.event, event.ticket.ticket_id, event.ticket.status) == ("ticket.created", ticket_id, "new")


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("", ["ticket.created", "ticket.updated"]),
        ("events", ["ticket.comment_added", "ticket.created", "ticket.priority_changed", "ticket.tags_changed"]),
    ],
)
async def test_our_own_write_is_recognised_in_both_kinds(desk: RunningDesk, scheme: str, expected: list[str]) -> None:
    changes = TicketChanges(priority="high", add_tags=("ai",), note=NoteDraft(body="On it."))
    receiver = Receiver()
    async with run_in_process(receiver.build()) as server, desk.plugin(zendesk_email=None) as plugin:
        desk.simulator.sender.target = WebhookTarget(url=f"{server.url}/hook", secret=SECRET, scheme=scheme)
        ticket_id = desk.file_ticket()
        await plugin.update_ticket(ticket_id, changes)
        await desk.simulator.sender.drain()
        found = [ZendeskPlugin.extract_metadata(request) for request in receiver.requests]
        assert sorted(event.event for event in found) == expected
        for event in found:
            if isinstance(event, TicketEvent):
                assert ZendeskPlugin.is_own_event(plugin.config, event) is (event.event != "ticket.created")

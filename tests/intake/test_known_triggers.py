"""What the accept path knows of a trigger, and what it makes of a body that was proven."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from deskhand.intake.book import DEFAULT_WEBHOOKS_PER_MINUTE, KnownTrigger
from deskhand.intake.reading import EVENT_CHARACTERS, ID_CHARACTERS, TICKET_CHARACTERS, Reading, describe, read_delivery
from deskhand.intake.repository import TriggerRow
from deskhand.plugins.contract import Ignored, TicketEvent, TicketMetadata, VerifiedWebhook, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.jira import JiraPlugin
from deskhand.plugins.zendesk import ZendeskPlugin

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
READERS = (("jira", JiraPlugin), ("zendesk", ZendeskPlugin))
JIRA_EVENT = {
    "webhookEvent": "jira:issue_created",
    "timestamp": 1795255200123,
    "issue": {"id": "10042", "key": "HELP-42", "fields": {"summary": "VPN"}},
}


def _trigger(readers: Any = READERS, **changes: Any) -> KnownTrigger:
    row: dict[str, Any] = {
        "trigger_id": uuid4(),
        "tenant_id": "acme",
        "agent_id": uuid4(),
        "agent_status": "active",
        "agent_revision": 1,
        "hmac_secret": "x",
        "previous_hmac_secret": None,
        "previous_hmac_secret_expires_at": None,
        "payload_schema": None,
        "tool_ids": ("jira", "zendesk"),
        "tenant_tool_type": "zendesk",
        "tenant_is_active": True,
        "webhook_signing_secret_encrypted": "x",
        "rate_limits": {},
    }
    previous = changes.pop("previous_secret", None)
    return KnownTrigger(
        row=TriggerRow(**{**row, **changes}),
        own_secrets=("new",),
        previous_secret=previous,
        tenant_secrets=("tenant",),
        readers=readers,
    )


def _request(body: object) -> WebhookRequest:
    return WebhookRequest(headers={}, body=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("left", "secrets"),
    [
        (timedelta(seconds=1), ("new", "old")),
        (timedelta(0), ("new",)),
        (timedelta(days=-1), ("new",)),
        (None, ("new",)),
    ],
)
def test_the_secret_before_a_rotation_counts_until_its_hour(left: timedelta | None, secrets: tuple[str, ...]) -> None:
    until = NOW + left if left is not None else None
    assert _trigger(previous_secret="old", previous_hmac_secret_expires_at=until).secrets(NOW) == secrets


def test_the_default_desk_is_the_tenants_if_the_agent_has_it() -> None:
    assert _trigger().default_tool == "zendesk"
    assert _trigger(tenant_tool_type="servicenow").default_tool == "jira"
    assert _trigger().plugins_for("jira") == (JiraPlugin,)
    assert _trigger().plugins_for("servicenow") == ()
    assert _trigger().plugins == (JiraPlugin, ZendeskPlugin)


def test_the_rate_is_the_tenants_or_the_installations() -> None:
    assert _trigger(rate_limits={"webhooks_per_minute": 5}).webhooks_per_minute == 5
    assert _trigger().webhooks_per_minute == DEFAULT_WEBHOOKS_PER_MINUTE


def test_what_starts_nothing_says_why_and_what_cannot_be_told_is_not_told() -> None:
    event = TicketEvent(event="x", ticket=TicketMetadata(tool_type="jira", ticket_id="1"))
    assert _trigger().why_ignored() is None
    assert "suspended" in str(_trigger(agent_status="suspended").why_ignored())
    assert _trigger(tenant_is_active=False).why_ignored()
    assert _trigger().is_own_event("jira", event) is None  # no connection to compare with
    assert _trigger().is_own_event("servicenow", event) is None


def test_the_first_desk_that_knows_the_body_reads_it() -> None:
    reading = read_delivery(_request(JIRA_EVENT), _trigger())
    assert reading.tool_type == "jira"
    assert isinstance(reading.event, TicketEvent)
    assert reading.event.ticket.ticket_id == "10042"


@pytest.mark.parametrize("ticket_id", ["HELP-1", 7, "x" * TICKET_CHARACTERS])
def test_a_trigger_with_a_schema_takes_a_plain_ticket_for_its_default_desk(ticket_id: str | int) -> None:
    trigger = _trigger(payload_schema={"type": "object"})
    reading = read_delivery(_request({"ticket_id": ticket_id, "action": "opened"}), trigger)
    assert (reading.tool_type, reading.event.event) == ("zendesk", "opened")
    assert isinstance(reading.event, TicketEvent)
    assert reading.event.ticket.ticket_id == str(ticket_id)
    assert read_delivery(_request({"ticket_id": ticket_id, "action": 5}), trigger).event.event == "custom"


@pytest.mark.parametrize("ticket_id", [True, None, "", "x" * (TICKET_CHARACTERS + 1), ["1"], 1.5, {"id": 1}])
def test_an_odd_ticket_id_is_no_ticket(ticket_id: object) -> None:
    with pytest.raises(NotAVendorPayloadError):
        read_delivery(_request({"ticket_id": ticket_id}), _trigger(payload_schema={"type": "object"}))


@pytest.mark.parametrize(
    "trigger", [_trigger(), _trigger(readers=()), _trigger(readers=(), payload_schema={"type": "object"})]
)
def test_a_body_nobody_knows_is_refused(trigger: KnownTrigger) -> None:
    with pytest.raises(NotAVendorPayloadError):
        read_delivery(_request({"ticket_id": "1"}), trigger)


def test_what_is_kept_of_a_delivery_fits_and_never_is_its_body() -> None:
    request = _request({"secret": "words"})
    ticket = TicketMetadata(tool_type="jira", ticket_id="10042")
    reading = Reading("jira", TicketEvent(event="e" * 500, ticket=ticket))
    delivery = describe(request, VerifiedWebhook(delivery_id="d" * 300, scheme="jira"), reading)
    assert delivery.delivery_id == "sha256-" + hashlib.sha256(b"d" * 300).hexdigest()
    assert len(delivery.delivery_id) <= ID_CHARACTERS
    assert (delivery.event, delivery.ticket_ref, delivery.scheme) == ("e" * EVENT_CHARACTERS, "10042", "jira")
    assert delivery.body_sha256 == hashlib.sha256(request.body).hexdigest()
    assert delivery.body_bytes == len(request.body)
    assert "words" not in repr(delivery)


def test_a_delivery_is_described_as_far_as_it_was_understood() -> None:
    stranger = describe(_request({}))
    assert (stranger.delivery_id, stranger.scheme, stranger.event, stranger.ticket_ref) == (None, None, None, None)
    short = VerifiedWebhook(delivery_id="d" * ID_CHARACTERS, scheme="s")
    ignored = describe(_request({}), short, Reading("jira", Ignored(event="e", reason="r")))
    assert (ignored.delivery_id, ignored.event, ignored.ticket_ref) == ("d" * ID_CHARACTERS, "e", None)

"""Webhooks of the simulated account, of both kinds."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from deskhand.plugins.signatures import zendesk_headers
from deskhand.plugins.zendesk.manifest import EVENT_PREFIX
from deskhand.simulators.base import OutboundEvent, SimNote, SimPerson, SimTicket
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.base.webhooks import WebhookTarget
from deskhand.simulators.zendesk.vocabulary import write_time
from deskhand.simulators.zendesk.wire import ORGANIZATIONS, custom_status_id, group_id, note_json

ACCOUNT_ID = 10_203
WEBHOOK_ID = "01JD0SIMULATEDWEBHOOK00000"
CHANGE_EVENTS = {
    "status": "ticket.status_changed",
    "priority": "ticket.priority_changed",
    "subject": "ticket.subject_changed",
    "group": "ticket.group_assignment_changed",
    "assignee": "ticket.agent_assignment_changed",
    "tags": "ticket.tags_changed",
    "custom": "ticket.custom_field_changed",
}
# What an administrator pasted from the set-up guide; the simulator's own copy, so that a slip in the guide shows.
TRIGGER_TEMPLATE = {
    "ticket_id": "{{ticket.id}}",
    "status": "{{ticket.status}}",
    "priority": "{{ticket.priority}}",
    "updated_at": "{{ticket.updated_at_with_timestamp}}",
    "actor_id": "{{current_user.id}}",
    "actor_email": "{{current_user.email}}",
}
_PLACEHOLDER = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")


def triggered(event: str, ticket: SimTicket, actor: SimPerson, secret: str) -> OutboundEvent:
    """What a trigger sends: its template, with the placeholders filled in as the desk does."""
    values = {
        "ticket.id": ticket.id,
        "ticket.status": ticket.status.capitalize(),
        "ticket.priority": (ticket.priority or "").capitalize(),
        "ticket.updated_at_with_timestamp": write_time(ticket.updated_at),
        "current_user.id": actor.id,
        "current_user.email": actor.email,
    }
    template = json.dumps({"event": event, **TRIGGER_TEMPLATE})
    body = _PLACEHOLDER.sub(lambda placeholder: values[placeholder[1]], template).encode()
    return _outbound(event, ticket, body, secret)


def subscribed(
    event: str, ticket: SimTicket, actor: SimPerson, secret: str, *, note: SimNote | None = None
) -> OutboundEvent:
    """What an event-subscribed webhook sends: ids as text, values in capitals."""
    detail: dict[str, Any] = {
        "actor_id": actor.id,
        "assignee_id": ticket.assignee.id if ticket.assignee else None,
        "brand_id": "360001",
        "created_at": write_time(ticket.created_at),
        "custom_status": str(custom_status_id(ticket)),
        "description": ticket.subject,
        "external_id": None,
        "form_id": ticket.custom.get("ticket_form_id"),
        "group_id": str(group_id(ticket.group)) if ticket.group else None,
        "id": ticket.id,
        "is_public": True,
        "organization_id": _id_of(ORGANIZATIONS.get(ticket.company or "")),
        "priority": ticket.priority.upper() if ticket.priority else None,
        "requester_id": ticket.requester.id,
        "status": ticket.status.upper(),
        "subject": ticket.subject,
        "submitter_id": ticket.requester.id,
        "tags": list(ticket.tags),
        "type": None,
        "updated_at": write_time(ticket.updated_at),
        "via": {"channel": "web"},
    }
    sequence = f"{ticket.id}-{ticket.revision}"
    payload = {
        "type": EVENT_PREFIX + event,
        "account_id": ACCOUNT_ID,
        # Derived and not random: the same event sent twice has the same id, as the vendor's has.
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{event}-{sequence}")),
        "time": write_time(ticket.updated_at),
        "zendesk_event_version": "2022-11-06",
        "subject": f"zen:ticket:{ticket.id}",
        "detail": detail,
        "event": {**_comment(note, actor), "meta": {"sequence": {"id": sequence, "position": 1, "total": 1}}},
    }
    return _outbound(event, ticket, json.dumps(payload).encode(), secret)


def of_save(
    target: WebhookTarget, ticket: SimTicket, by: SimPerson, changed: Iterable[str], note: SimNote | None
) -> Iterator[OutboundEvent]:
    """A trigger runs once for a save; an event-subscribed webhook hears of each thing that changed."""
    if target.scheme != "events":
        yield triggered("ticket.updated", ticket, by, target.secret)
        return
    if note is not None:
        yield subscribed("ticket.comment_added", ticket, by, target.secret, note=note)
    for name in changed:
        if name in CHANGE_EVENTS:
            yield subscribed(CHANGE_EVENTS[name], ticket, by, target.secret)


def of_kind(
    target: WebhookTarget, kind: EventKind, ticket: SimTicket, actor: SimPerson, note: SimNote | None
) -> OutboundEvent:
    """What is sent of one of the simulator kit's own kinds."""
    if target.scheme != "events":
        name = "ticket.created" if kind == "created" else "ticket.updated"
        return triggered(name, ticket, actor, target.secret)
    names = {"created": "ticket.created", "note": "ticket.comment_added"}
    return subscribed(names.get(kind, "ticket.custom_field_changed"), ticket, actor, target.secret, note=note)


def _id_of(number: int | None) -> str | None:
    return None if number is None else str(number)


def _comment(note: SimNote | None, actor: SimPerson) -> dict[str, Any]:
    if note is None:
        return {}
    raw = note_json(note)
    author = {"id": actor.id, "is_staff": actor.is_agent, "name": actor.name}
    said = {"id": note.id, "body": raw["body"], "html_body": raw["html_body"], "is_public": note.public}
    return {"comment": {**said, "author": author}}


def _outbound(event: str, ticket: SimTicket, body: bytes, secret: str) -> OutboundEvent:
    # By the body, so that each attempt of an event names the same invocation.
    invocation = hashlib.sha256(WEBHOOK_ID.encode() + body).hexdigest()[:26].upper()
    fixed = {
        "User-Agent": "Zendesk Webhook",
        "X-Zendesk-Account-Id": str(ACCOUNT_ID),
        "X-Zendesk-Webhook-Id": WEBHOOK_ID,
        "X-Zendesk-Webhook-Invocation-Id": invocation,
    }
    return OutboundEvent(
        invocation, event, ticket.id, body, lambda now: {**fixed, **zendesk_headers(secret, body, now=now)}
    )

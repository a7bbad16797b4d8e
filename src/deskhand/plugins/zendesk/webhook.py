"""Webhooks of Zendesk: one signature, two kinds of body, one table of events.

An event-subscribed webhook sends Zendesk's own JSON, a trigger sends the template we ship. Either way the ticket is
read again before anything is done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import Company, Ignored, Person, TicketEvent, TicketMetadata, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.zendesk.manifest import (
    DESK,
    DONE_STATUSES,
    EVENT_PREFIX,
    GONE_EVENTS,
    IGNORED_EVENTS,
    MANIFEST,
    TOOL_TYPE,
    TRIGGER_EVENTS,
)
from deskhand.plugins.zendesk.mapping import read_time

_ID = re.compile(r"[1-9][0-9]{0,18}")
_SETUP = Path(__file__).parent / "setup"
_NEW_COMMENT = "ticket.comment_added"
_STATUS_EVENTS = {"ticket.status_changed", "ticket.custom_status_changed", "ticket.updated"}


def delivery_id(request: WebhookRequest) -> str | None:
    """Zendesk's own id of a subscribed event. A trigger's body has none, and the invocation id is not signed."""
    event_id = request.payload.get("id")
    return f"event-{event_id}" if isinstance(event_id, str) and event_id else None


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = request.payload
    kind = payload.get("type")
    if isinstance(kind, str) and kind.startswith(EVENT_PREFIX):
        return _subscribed(payload, kind.removeprefix(EVENT_PREFIX))
    return _triggered(payload)


def _subscribed(payload: Mapping[str, Any], event: str) -> TicketEvent | Ignored:
    detail = payload.get("detail")
    if not event.startswith("ticket."):
        return Ignored(event=event, reason="not about a ticket")
    if not isinstance(detail, dict):
        raise NotAVendorPayloadError(f"The {DESK} event has no detail.")
    return _event(
        event,
        ticket_id=detail.get("id"),
        subject=detail.get("subject"),
        status=detail.get("status"),
        priority=detail.get("priority"),
        updated=detail.get("updated_at"),
        actor=_actor(event, payload, detail),
        comment=_comment(payload) if event == _NEW_COMMENT else {},
        detail=detail,
    )


def _actor(event: str, payload: Mapping[str, Any], detail: Mapping[str, Any]) -> Person:
    """Who did it: the author of a new comment, else the event's actor (who may have changed a comment of ours)."""
    author = _comment(payload).get("author")
    # The comment says who wrote it; the event's actor may be the account of a rule.
    if event == _NEW_COMMENT and isinstance(author, dict) and author.get("id"):
        is_staff = author.get("is_staff")
        return Person(
            id=str(author["id"]),
            name=_word(author.get("name")),
            is_staff=is_staff if isinstance(is_staff, bool) else None,
        )
    return Person(id=_word(detail.get("actor_id")))


def _comment(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    event = payload.get("event")
    comment = event.get("comment") if isinstance(event, dict) else None
    return comment if isinstance(comment, dict) else {}


def _triggered(payload: Mapping[str, Any]) -> TicketEvent | Ignored:
    event = payload.get("event")
    if not isinstance(event, str) or event not in TRIGGER_EVENTS:
        raise NotAVendorPayloadError(f"The body is neither a {DESK} event nor from the trigger that Deskhand ships.")
    return _event(
        event,
        ticket_id=payload.get("ticket_id"),
        subject=None,  # free text would break the JSON of the template, so it is not in there
        status=payload.get("status"),
        priority=payload.get("priority"),
        updated=payload.get("updated_at"),
        actor=Person(id=_word(payload.get("actor_id")), email=_word(payload.get("actor_email"))),
        comment={},
    )


def _event(  # the two kinds of body end here
    event: str,
    *,
    ticket_id: object,
    subject: object,
    status: object,
    priority: object,
    updated: object,
    actor: Person,
    comment: Mapping[str, Any],
    detail: Mapping[str, Any] | None = None,
) -> TicketEvent | Ignored:
    number, state = str(ticket_id or ""), _lower(status)
    if not _ID.fullmatch(number):
        raise NotAVendorPayloadError(f"The {DESK} event has no ticket id.")
    stamp = read_time(updated)
    ticket = TicketMetadata(
        tool_type=TOOL_TYPE,
        ticket_id=number,
        display_id=number,
        subject=_word(subject),
        priority=_lower(priority),
        status=state,
        updated_at=stamp,
        **_whose(detail or {}),
    )
    if event in IGNORED_EVENTS:
        return Ignored(
            event=event, reason=IGNORED_EVENTS[event], ticket_id=number, ended=event in GONE_EVENTS, ticket=ticket
        )
    if event not in MANIFEST.events:
        return Ignored(event=event, reason="not an event Deskhand acts on")
    if event in _STATUS_EVENTS and state in DONE_STATUSES:
        return Ignored(event=event, reason=DONE_STATUSES[state], ticket_id=number, ended=True, ticket=ticket)
    return TicketEvent(
        event=event,
        ticket=ticket,
        actor=actor,
        occurred_at=stamp,
        note_id=_word(comment.get("id")),
        note_public=bool(comment["is_public"]) if "is_public" in comment else None,
        note_text=_word(comment.get("body")),
        revision=_word(updated),
        marks=find_marks(_word(comment.get("body")) or ""),
    )


def _whose(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What a subscribed event says of whose ticket it is; a trigger's body says none of it."""
    said: dict[str, Any] = {"requester_id": _word(detail.get("requester_id"))}
    if "organization_id" in detail:
        number = _word(detail["organization_id"])
        # The event has no name; where it is not known, it is the id a second time, as in a ticket.
        said["companies"] = {"organization_id": Company(id=number, name=number)} if number else {}
    if "group_id" in detail:
        said["group_id"] = _word(detail["group_id"]) or ""
    if "form_id" in detail:
        said["kinds"] = tuple(filter(None, (_word(detail["form_id"]), _lower(detail.get("type")))))
    if isinstance(detail.get("tags"), list):
        said["tags"] = tuple(str(tag) for tag in detail["tags"])
    return said


def _word(value: object) -> str | None:
    return str(value) if value else None


def _lower(value: object) -> str | None:
    """Events write values in capitals, the API in small letters."""
    return str(value).casefold() if value else None


def trigger_body(event: str) -> str:
    """What our trigger sends: JSON with the desk's placeholders, none of which can hold free text."""
    return (_SETUP / "trigger_body.json").read_text("utf-8").replace("@@EVENT@@", event).strip()


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """Webhook and triggers to paste, with address and secret filled in."""
    guide = (_SETUP / "guide.md").read_text("utf-8")
    triggers = "\n\n".join(_trigger_json(title, event) for title, event in _TRIGGERS)
    return (
        guide.replace("@@WEBHOOK@@", _fenced(_webhook_json(webhook_url, ["conditional_ticket_events"])))
        .replace("@@TRIGGERS@@", triggers)
        .replace("@@URL@@", webhook_url)
        .replace("@@SECRET@@", secret)
    )


_TRIGGERS = (("Tell Deskhand about a new ticket", "ticket.created"), ("Tell Deskhand about a change", "ticket.updated"))


def _webhook_json(url: str, subscriptions: list[str]) -> dict[str, Any]:
    webhook = {
        "name": "Deskhand",
        "endpoint": url,
        "http_method": "POST",
        "request_format": "json",
        "status": "active",
        "subscriptions": subscriptions,
    }
    return {"webhook": webhook}


def _trigger_json(title: str, event: str) -> str:
    created = event == "ticket.created"
    conditions: list[dict[str, str]] = [
        {"field": "update_type", "operator": "is", "value": "Create" if created else "Change"},
        # In the trigger itself, so that Zendesk does not even send what Deskhand would ignore.
        {"field": "status", "operator": "less_than", "value": "solved"},
    ]
    if not created:
        # A tag by which people keep Deskhand off one ticket without touching any setting.
        conditions.append({"field": "current_tags", "operator": "not_includes", "value": "deskhand_off"})
        # "Current user" of the page is called `role` in the API and takes a user's id.
        conditions.append({"field": "role", "operator": "is_not", "value": "<id of Deskhand's account>"})
    action = {"field": "notification_webhook", "value": ["<id of the webhook>", trigger_body(event)]}
    return _fenced(
        {"trigger": {"title": title, "conditions": {"all": conditions, "any": []}, "actions": [action]}},
    )


def _fenced(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"

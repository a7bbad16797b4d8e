"""Webhooks of Jira: signed admin webhooks, Automation's web requests, one table of events.

An admin webhook is signed over its body, without a time: what bounds a replay is the delivery id, kept by the
caller, and the body's own ``timestamp``. Automation sends a secret header and no id. Text in either is wiki
markup and a hint: the ticket is read again before anything is done.

**Two events, one comment.** Jira reports a new comment as ``comment_created`` and as ``jira:issue_updated``
(``issue_commented``), each with an identifier of its own. Both get the same delivery id here, made of issue and
comment id, so whoever dedupes deliveries sees one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deskhand.errors import SignatureError
from deskhand.plugins.contract import Ignored, Person, TicketEvent, TicketMetadata, VerifiedWebhook, WebhookRequest
from deskhand.plugins.errors import NotOurPayloadError
from deskhand.plugins.jira.manifest import DESK, EVENTS, IGNORED_EVENTS, TOOL_TYPE
from deskhand.plugins.jira.mapping import is_done, name_of, read_person, read_time
from deskhand.plugins.signatures import HUB_SIGNATURE, STATIC_TOKEN, verify
from deskhand.plugins.text import find_marks

IDENTIFIER = "x-atlassian-webhook-identifier"
REPLAY_WINDOW = timedelta(hours=24)

_ID = re.compile(r"[0-9]{1,20}")
_GUIDE = Path(__file__).parent / "setup" / "guide.md"
_AUTOMATION = "automation:"

Payload = Mapping[str, Any]


def validate(request: WebhookRequest, *, secrets: Sequence[str], now: datetime) -> VerifiedWebhook:
    """Prove the sender; see ``TicketingToolPlugin.validate_webhook``."""
    scheme, _ = verify(request, schemes=(HUB_SIGNATURE, STATIC_TOKEN), secrets=secrets, now=now)
    payload = _lenient(request.body)
    if scheme is HUB_SIGNATURE:
        sent = read_time(payload.get("timestamp"))
        if sent is not None and abs(now - sent) > REPLAY_WINDOW:
            raise SignatureError("The event's own timestamp differs from this server's clock by more than 24 hours.")
        delivery = _comment_delivery(payload) or request.headers.get(IDENTIFIER) or _digest(request.body)
    else:
        delivery = _automation_delivery(payload, request.body)
    return VerifiedWebhook(delivery_id=delivery, scheme=scheme.name)


def _comment_delivery(payload: Payload) -> str | None:
    """The shared id of the two events of one new comment; edits and mixed changes keep their own."""
    changelog = payload.get("changelog")
    mixed = isinstance(changelog, Mapping) and bool(changelog.get("items"))
    commented = payload.get("webhookEvent") == "comment_created" or (
        payload.get("webhookEvent") == "jira:issue_updated"
        and payload.get("issue_event_type_name") == "issue_commented"
        and not mixed
    )
    issue, comment = _mapping(payload.get("issue")), _mapping(payload.get("comment"))
    if not commented or not issue.get("id") or not comment.get("id"):
        return None
    return f"comment-{issue['id']}-{comment['id']}"


def _automation_delivery(payload: Payload, body: bytes) -> str:
    """Automation has no delivery id: issue, change and rule name one; without them the body does."""
    issue = _mapping(payload.get("issue")) or payload
    updated = issue.get("updated") or _mapping(issue.get("fields")).get("updated")
    if not issue.get("id") or not updated:
        return _digest(body)
    comment = _mapping(payload.get("comment")).get("id")
    parts = (issue["id"], updated, payload.get("rule"), payload.get("event"), comment)
    return _digest("\x00".join(str(part or "") for part in parts).encode())


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = _payload(request.body)
    event = _event_name(payload)
    if event in IGNORED_EVENTS:
        return Ignored(event=event, reason=IGNORED_EVENTS[event])
    if event not in EVENTS:
        return Ignored(event=event, reason="not an event Deskhand acts on")
    issue = payload if event == "automation:issue" else _mapping(payload.get("issue"))
    fields = _mapping(issue.get("fields")) or issue
    ticket_id = str(issue.get("id") or "")
    if not _ID.fullmatch(ticket_id):
        raise NotOurPayloadError(f"The body is not a {DESK} event: `issue.id` is not a number.")
    if _became_done(payload, fields):
        return Ignored(event=event, reason="the work on the ticket is done")
    return TicketEvent(
        event=event,
        ticket=TicketMetadata(
            tool_type=TOOL_TYPE,
            ticket_id=ticket_id,
            display_id=_word(issue.get("key")),
            subject=_word(fields.get("summary")),
            priority=_word(fields.get("priority")),
            status=_word(fields.get("status")),
            updated_at=read_time(fields.get("updated")) or read_time(payload.get("timestamp")),
        ),
        actor=_actor(payload, event),
        occurred_at=read_time(payload.get("timestamp")) or read_time(fields.get("updated")),
        marks=find_marks(request.body.decode(errors="replace")),
    )


def _event_name(payload: Payload) -> str:
    for name, prefix in (("webhookEvent", ""), ("event", _AUTOMATION)):
        value = payload.get(name)
        if isinstance(value, str) and value and (not prefix or isinstance(payload.get("issue"), Mapping)):
            return prefix + value
    if payload.get("id") and payload.get("key") and isinstance(payload.get("fields"), Mapping):
        return "automation:issue"
    raise NotOurPayloadError(f"The body is not a {DESK} event: it has neither `webhookEvent` nor an issue.")


def _became_done(payload: Payload, fields: Payload) -> bool:
    items = _mapping(payload.get("changelog")).get("items")
    moved = isinstance(items, list) and any(_mapping(item).get("field") == "status" for item in items)
    return moved and is_done(fields.get("status"))


def _actor(payload: Payload, event: str) -> Person:
    comment = _mapping(payload.get("comment"))
    if event.startswith("comment_"):
        return read_person(comment.get("updateAuthor") or comment.get("author")) or Person()
    if event.startswith(_AUTOMATION):
        return Person(id=_word(payload.get("actor")) or _word(comment.get("author")))
    return read_person(payload.get("user")) or Person()


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise NotOurPayloadError("The body is not JSON.") from error
    if not isinstance(payload, dict):
        raise NotOurPayloadError("The body is not a JSON object.")
    return payload


def _lenient(body: bytes) -> dict[str, Any]:
    try:
        return _payload(body)
    except NotOurPayloadError:
        return {}  # its signature may hold all the same; ``extract`` says what is wrong with it


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str | None:
    return name_of(value) if isinstance(value, Mapping) else (str(value) if value else None)


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """Both ways to connect, with address and secret filled in."""
    return _GUIDE.read_text("utf-8").replace("@@URL@@", webhook_url).replace("@@SECRET@@", secret)

"""Webhooks of Jira: signed admin webhooks, Automation's web requests, one table of events.

An admin webhook is signed over its body, without a time: what bounds a replay is the delivery id, made of the body
(the identifier in its header is not signed), and the body's own ``timestamp``. Automation sends a secret header and no
id. Text in either is wiki markup and a hint: the ticket is read again before anything is done.

**Two events, one comment.** Jira reports a new comment as ``comment_created`` and as ``jira:issue_updated``
(``issue_commented``), each with an identifier of its own. Both get the same delivery id here, made of issue and
comment id, so whoever dedupes deliveries sees one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import Ignored, Person, TicketEvent, TicketMetadata, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.jira.manifest import DESK, EVENTS, GONE_EVENTS, IGNORED_EVENTS, TOOL_TYPE
from deskhand.plugins.jira.mapping import (
    is_done,
    kinds_of,
    name_of,
    plain,
    read_company,
    read_person,
    read_time,
)

_ID = re.compile(r"[0-9]{1,20}")
_GUIDE = Path(__file__).parent / "setup" / "guide.md"
_AUTOMATION = "automation:"

Payload = Mapping[str, Any]


def delivery_id(request: WebhookRequest) -> str | None:
    """What names the event; see ``TicketingToolPlugin.delivery_id``."""
    payload = request.payload
    if "webhookEvent" in payload:
        return _comment_delivery(payload)
    return _automation_delivery(payload)


def sent_at(request: WebhookRequest) -> datetime | None:
    """The admin webhook's own time; an Automation rule sends none."""
    return read_time(request.payload.get("timestamp"))


def _comment_delivery(payload: Payload) -> str | None:
    """The shared id of the two events of one new comment; edits and mixed changes keep their own."""
    changelog = payload.get("changelog")
    # A save that changed fields beside the comment is an event of its own: merged with the comment's, the change is
    # lost.
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


def _automation_delivery(payload: Payload) -> str | None:
    """Automation has no delivery id: issue, change and rule name one; without them the body does."""
    # Automation's "issue data" format is the issue itself, without an envelope around it.
    issue = _mapping(payload.get("issue")) or payload
    updated = issue.get("updated") or _mapping(issue.get("fields")).get("updated")
    if not issue.get("id") or not updated:
        return None
    comment = _mapping(payload.get("comment")).get("id")
    # The rule counts: two rules may report one change, and each of them was set up to start something.
    parts = (issue["id"], updated, payload.get("rule"), payload.get("event"), comment)
    return _digest("\x00".join(str(part or "") for part in parts).encode())


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = request.payload
    event = _event_name(payload)
    if event in IGNORED_EVENTS:
        return _ignored(payload, event)
    if event not in EVENTS:
        return Ignored(event=event, reason="not an event Deskhand acts on")
    issue = payload if event == "automation:issue" else _mapping(payload.get("issue"))
    fields = _mapping(issue.get("fields")) or issue
    ticket_id = str(issue.get("id") or "")
    # The id goes into addresses of later calls, so it must be what Jira's ids are.
    if not _ID.fullmatch(ticket_id):
        raise NotAVendorPayloadError(f"The body is not a {DESK} event: `issue.id` is not a number.")
    comment = _new_comment(payload, event)
    ticket = TicketMetadata(
        tool_type=TOOL_TYPE,
        ticket_id=ticket_id,
        display_id=_word(issue.get("key")),
        subject=_word(fields.get("summary")),
        priority=_word(fields.get("priority")),
        status=_word(fields.get("status")),
        updated_at=read_time(fields.get("updated")) or read_time(payload.get("timestamp")),
        requester_email=(read_person(fields.get("reporter")) or Person()).email,
        description=_word(fields.get("description")),
        **_whose(fields),
    )
    if _became_done(payload, fields):
        reason = "the work on the ticket is done"
        return Ignored(event=event, reason=reason, ticket_id=ticket_id, ended=True, ticket=ticket)
    return TicketEvent(
        event=event,
        ticket=ticket,
        actor=_actor(payload, event),
        occurred_at=read_time(payload.get("timestamp")) or read_time(fields.get("updated")),
        note_id=_word(comment.get("id")),
        note_public=bool(comment["jsdPublic"]) if "jsdPublic" in comment else None,
        note_text=_word(comment.get("body")),
        revision=_word((_mapping(payload.get("comment")) if _is_edit(payload) else fields).get("updated")),
        marks=find_marks(_word(comment.get("body")) or ""),
    )


def _whose(fields: Payload) -> dict[str, Any]:
    """Whose issue it is, as far as the event has its fields: of a comment's it has five."""
    # By the reporter, which every whole issue has: an organisation that is not there is then none.
    if "reporter" not in fields:
        return {}
    company = read_company(fields)
    labels = fields.get("labels")
    return {
        "companies": {"organizations": company} if company else {},
        "kinds": kinds_of(fields),
        "tags": tuple(str(one) for one in labels) if isinstance(labels, list) else None,
        "requester_id": (read_person(fields.get("reporter")) or Person()).id,
        "custom": {name: shown for name, value in fields.items() if (shown := plain(value)) is not None},
    }


def _ignored(payload: Payload, event: str) -> Ignored:
    ticket_id = str(_mapping(payload.get("issue")).get("id") or "")
    gone = event in GONE_EVENTS and _ID.fullmatch(ticket_id) is not None
    return Ignored(event=event, reason=IGNORED_EVENTS[event], ticket_id=ticket_id if gone else None, ended=gone)


def _event_name(payload: Payload) -> str:
    for name, prefix in (("webhookEvent", ""), ("event", _AUTOMATION)):
        value = payload.get(name)
        if isinstance(value, str) and value and (not prefix or isinstance(payload.get("issue"), Mapping)):
            return prefix + value
    if payload.get("id") and payload.get("key") and isinstance(payload.get("fields"), Mapping):
        return "automation:issue"
    raise NotAVendorPayloadError(f"The body is not a {DESK} event: it has neither `webhookEvent` nor an issue.")


def _became_done(payload: Payload, fields: Payload) -> bool:
    items = _mapping(payload.get("changelog")).get("items")
    moved = isinstance(items, list) and any(_mapping(item).get("field") == "status" for item in items)
    # Only the move itself: a comment on a ticket that is done is news, and an agent may have to reopen it.
    return moved and is_done(fields.get("status"))


def _new_comment(payload: Payload, event: str) -> Payload:
    """The comment that the event is about, if it was written and not edited: an edit is never a write of ours."""
    written = event in {"comment_created", "automation:commented"} or (
        payload.get("issue_event_type_name") == "issue_commented"
    )
    return _mapping(payload.get("comment")) if written else {}


def _is_edit(payload: Payload) -> bool:
    """Whether a comment was edited: its own stamp tells our edit, which is one of a note, from anybody's."""
    named = payload.get("webhookEvent") == "comment_updated"
    return named or payload.get("issue_event_type_name") == "issue_comment_edited"


def _actor(payload: Payload, event: str) -> Person:
    comment = _mapping(payload.get("comment"))
    # The payload of a comment event has no user; the comment says who wrote or edited it.
    if event.startswith("comment_"):
        return read_person(comment.get("updateAuthor") or comment.get("author")) or Person()
    if event.startswith(_AUTOMATION):
        return Person(id=_word(payload.get("actor")) or _word(comment.get("author")))
    return read_person(payload.get("user")) or Person()


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str | None:
    return name_of(value) if isinstance(value, Mapping) else (str(value) if value else None)


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """Both ways to connect, with address and secret filled in."""
    return _GUIDE.read_text("utf-8").replace("@@URL@@", webhook_url).replace("@@SECRET@@", secret)

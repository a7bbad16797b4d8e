"""Webhook bodies of the simulated site: admin webhooks and an Automation rule's web request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deskhand.plugins.signatures import hub_headers
from deskhand.simulators.base import SimNote, SimPerson, SimTicket, WebhookTarget
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.base.webhooks import Sign
from deskhand.simulators.jira import text, world
from deskhand.simulators.jira.state import JiraSite

_SITE = "https://simulated.atlassian.test"
_TRACKED = {
    "status": "status",
    "priority": "priority",
    "subject": "summary",
    "assignee": "assignee",
    "resolution": "resolution",
    "group": "Support group",
    "category": "Component",
    "tags": "labels",
    "description": "description",
}
_IDS = {"category": "components", "group": world.GROUP_FIELD}
"""Of fields that the changelog calls otherwise than their id."""

Built = tuple[str, SimTicket, dict[str, Any]]


def changelog_items(ticket: SimTicket, changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a save changes, as the changelog lists it."""
    items = []
    for attribute, name in _TRACKED.items():
        if attribute not in changes or changes[attribute] == getattr(ticket, attribute):
            continue
        before, after = _shown(getattr(ticket, attribute)), _shown(changes[attribute])
        known = {
            "field": name,
            "fieldtype": "jira",
            "fieldId": _IDS.get(attribute, name),
            "fromString": before,
            "toString": after,
        }
        # Of statuses the vendor gives ids as well, since people rename them.
        if name == "status":
            known |= {"from": world.STATUSES[str(before)][0], "to": world.STATUSES[str(after)][0]}
        items.append({"from": None, "to": None, **known})
    return items


def time_items(ticket: SimTicket, seconds: int) -> list[dict[str, Any]]:
    """What a work log changes, as the changelog lists it."""
    before = sum(log.seconds for log in ticket.work_logs)
    was, now = (str(total) if total else None for total in (before, before + seconds))
    known = {"field": "timespent", "fieldtype": "jira", "fieldId": "timespent"}
    return [{**known, "from": was, "fromString": was, "to": now, "toString": now}]


def _shown(value: object) -> str | None:
    if isinstance(value, SimPerson):
        return value.name
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return None if value is None else str(value)


def admin_body(sim: JiraSite, kind: EventKind, ticket: SimTicket, actor: SimPerson, note: SimNote | None) -> Built:
    """``jira:issue_created``, ``jira:issue_updated`` or ``comment_created``."""
    if kind == "note" and note is not None:
        short = {name: _fields(sim, ticket)[name] for name in ("summary", "status", "priority", "project", "issuetype")}
        payload = {
            "timestamp": _milliseconds(note.created_at),
            "webhookEvent": "comment_created",
            "comment": _comment(sim, ticket, note),
            "issue": _issue(ticket, short),
            "eventType": "primaryAction",
        }
        return "comment_created", ticket, payload
    created = kind == "created"
    name = "jira:issue_created" if created else "jira:issue_updated"
    payload = {
        "timestamp": _milliseconds(ticket.updated_at),
        "webhookEvent": name,
        "issue_event_type_name": "issue_created" if created else "issue_generic",
        "user": world.person_json(_SITE, actor),
        "issue": _issue(ticket, _fields(sim, ticket)),
    }
    entries = sim.history.get(ticket.id)
    # Only the newest save: the vendor's webhook tells of one change and not of the ticket's history.
    if not created and entries:
        payload["changelog"] = {"id": entries[-1]["id"], "items": entries[-1]["items"]}
    return name, ticket, payload


def commented_body(sim: JiraSite, ticket: SimTicket, actor: SimPerson, note: SimNote) -> Built:
    """The second event of a new comment."""
    payload = {
        "timestamp": _milliseconds(note.created_at),
        "webhookEvent": "jira:issue_updated",
        "issue_event_type_name": "issue_commented",
        "user": world.person_json(_SITE, actor),
        "issue": _issue(ticket, _fields(sim, ticket)),
        "comment": _comment(sim, ticket, note),
    }
    return "jira:issue_updated", ticket, payload


def edited_body(sim: JiraSite, ticket: SimTicket, actor: SimPerson, note: SimNote) -> Built:
    """``comment_updated``: the comment as it is now, without what it was."""
    _, _, payload = admin_body(sim, "note", ticket, actor, note)
    return (
        "comment_updated",
        ticket,
        {**payload, "webhookEvent": "comment_updated", "timestamp": _milliseconds(note.edited_at or note.created_at)},
    )


def edited_issue_body(sim: JiraSite, ticket: SimTicket, actor: SimPerson, note: SimNote) -> Built:
    """The second event of an edited comment."""
    name, _, payload = commented_body(sim, ticket, actor, note)
    stamp = _milliseconds(note.edited_at or note.created_at)
    return name, ticket, {**payload, "issue_event_type_name": "issue_comment_edited", "timestamp": stamp}


def automation_body(
    _sim: JiraSite, kind: EventKind, ticket: SimTicket, actor: SimPerson, note: SimNote | None
) -> Built:
    """The body of our set-up guide, its smart values filled in."""
    event = {"created": "created", "updated": "updated", "note": "commented"}[kind]
    payload: dict[str, Any] = {
        "event": event,
        "rule": f"Tell Deskhand: {event}",
        "actor": world.account_id(actor),
        "issue": {
            "id": ticket.id,
            "key": ticket.display_id,
            "summary": ticket.subject,
            "status": ticket.status,
            "priority": ticket.priority,
            "updated": world.iso(ticket.updated_at),
        },
    }
    if note is not None:
        payload["comment"] = {"id": note.id, "author": world.account_id(note.author)}
    return f"automation:{event}", ticket, payload


def signer(target: WebhookTarget, body: bytes, delivery: str) -> Sign:
    """Headers of an attempt: the secret header of a rule, or the signature and identifiers of an admin webhook."""
    if target.scheme == "automation":
        return lambda _now: {"X-Itsm-Token": target.secret}
    # Counted per event, since the vendor's header numbers the retries and the first attempt has none.
    attempts: list[datetime] = []

    def sign(now: datetime) -> dict[str, str]:
        attempts.append(now)
        retry = {"X-Atlassian-Webhook-Retry": str(len(attempts) - 1)} if len(attempts) > 1 else {}
        return {
            **hub_headers(target.secret, body, header_name="X-Hub-Signature"),
            "X-Atlassian-Webhook-Identifier": delivery,
            "X-Atlassian-Webhook-Flow": "Primary",
            **retry,
        }

    return sign


def _issue(ticket: SimTicket, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "self": f"{_SITE}/rest/api/2/issue/{ticket.id}",
        "key": ticket.display_id,
        "fields": fields,
    }


def _fields(sim: JiraSite, ticket: SimTicket) -> dict[str, Any]:
    fields = sim.issues.fields(ticket, _SITE, text.as_wiki)
    # The vendor leaves comments out of an issue's fields in webhooks; a reader that counted on them would find none.
    return {name: value for name, value in fields.items() if name != "comment"}


def _comment(sim: JiraSite, ticket: SimTicket, note: SimNote) -> dict[str, Any]:
    comment = sim.issues.comment(ticket, note, _SITE, text.as_wiki)
    return {name: value for name, value in comment.items() if name != "properties"}


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)

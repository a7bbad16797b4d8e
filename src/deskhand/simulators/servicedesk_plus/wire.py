"""Shapes of the simulated desk: requests, notes and answers as API v3 sends them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from starlette.responses import Response

from deskhand.simulators.base import SimNote, SimPerson, SimTicket
from deskhand.simulators.base.state import SimChange, SimLink, SimLog

_RESPOND_WITHIN, _SOLVE_WITHIN = timedelta(hours=1), timedelta(hours=8)
HTTP_STATUS = {4002: 403, 4004: 500, 4007: 404, 4015: 429, 4022: 401}
CODE_OF_STATUS = {401: 4022, 403: 4002, 404: 4007, 429: 4015, 500: 4004}
LISTS: dict[str, tuple[str, ...]] = {
    "priorities": ("Low", "Normal", "Medium", "High", "Urgent"),
    "statuses": ("Open", "In Progress", "Onhold", "Resolved", "Closed", "Canceled"),
    "urgencies": ("Low", "Normal", "High", "Urgent"),
    "impacts": ("Affects User", "Affects Group", "Affects Department", "Affects Business"),
    "levels": ("Tier 1", "Tier 2", "Tier 3"),
    "modes": ("E-Mail", "Phone Call", "Web Form"),
    "request_types": ("Incident", "Service Request"),
    "closure_codes": ("Success", "Failure", "Cancelled", "Unable to Reproduce"),
    "groups": ("Service Desk", "Network", "Hardware", "Applications", "Identity"),
    "sites": ("Head Office", "Nordwind", "Suedwerk"),
    "categories": ("General", "Network", "Hardware", "Software", "Email", "Access", "Printing", "Telephony"),
}


class RefusedError(Exception):
    """A call the desk refuses; carries the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Dialect(StrEnum):
    """The product that is simulated; both share the name and most of the API."""

    ON_PREMISES = "on_premises"
    CLOUD = "cloud"


def answer(body: dict[str, Any], *, status: int = 200, as_list: bool = False, success: int = 2000) -> Response:
    """A successful answer; list answers carry ``response_status`` as an array, single ones as an object."""
    # `success` is a parameter, since some on-premises builds say 200 where the others say 2000.
    stamp = {"status_code": success, "status": "success"}
    return _json(status, {"response_status": [stamp] if as_list else stamp, **body})


def failure(code: int, *, fields: tuple[str, ...] = (), message: str = "", status: int | None = None) -> Response:
    """A failed answer: outer 4000, the real code in ``messages``."""
    item: dict[str, Any] = {"status_code": code, "type": "failed"}
    if fields:
        item["fields"] = list(fields)
    if message:
        item["message"] = message
    # The outer code says nothing but "failed": a client that read only it would take every refusal for one kind.
    body = {"response_status": {"status_code": 4000, "status": "failed", "messages": [item]}}
    return _json(status or HTTP_STATUS.get(code, 400), body)


def said(message: str) -> Response:
    """The answer to an action that shows nothing but that it was done."""
    rows = [{"status_code": 2000, "type": "success", "message": message}]
    return _json(200, {"response_status": {"status_code": 2000, "messages": rows, "status": "success"}})


def refuse(code: int, *fields: str, message: str = "") -> RefusedError:
    """The refusal with a vendor code."""
    return RefusedError(failure(code, fields=fields, message=message))


def _json(status: int, body: object) -> Response:
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status_code=status, media_type="application/vnd.manageengine.sdp.v3+json")


def time_json(moment: datetime | None) -> dict[str, str] | None:
    """Epoch milliseconds as text, and the words a person reads."""
    if moment is None:
        return None
    # Text and not a number, as the vendor sends it; the words beside it are in the user's own format.
    return {"display_value": moment.strftime("%b %d, %Y %I:%M %p"), "value": str(round(moment.timestamp() * 1000))}


def person_json(person: SimPerson | None) -> dict[str, Any] | None:
    """A requester or technician."""
    if person is None:
        return None
    return {"id": person.id, "name": person.name, "email_id": person.email, "phone": None, "is_vipuser": person.is_vip}


def named_json(kind: str, name: str | None) -> dict[str, Any] | None:
    """A reference to a value of one of the lists."""
    if name is None:
        return None
    values = [value.casefold() for value in LISTS[kind]]
    # Ids of an instance mean nothing elsewhere; the ones here differ from the vendor's on purpose.
    position = values.index(name.casefold()) + 1 if name.casefold() in values else 900
    return {"id": str(position), "name": name}


def request_json(ticket: SimTicket) -> dict[str, Any]:
    """A request with every field."""
    status = named_json("statuses", ticket.status) or {}
    return {
        "id": ticket.id,
        "display_id": ticket.display_id,
        "subject": ticket.subject,
        "description": ticket.description,
        "status": {**status, "internal_name": ticket.status},
        "priority": named_json("priorities", ticket.priority),
        "urgency": ticket.custom.get("urgency"),
        "impact": ticket.custom.get("impact"),
        "category": named_json("categories", ticket.category),
        "group": named_json("groups", ticket.group),
        "site": named_json("sites", ticket.company),
        "request_type": named_json("request_types", ticket.kind),
        "requester": person_json(ticket.requester),
        "technician": person_json(ticket.assignee),
        "created_time": time_json(ticket.created_at),
        "last_updated_time": time_json(ticket.updated_at),
        "resolved_time": time_json(ticket.resolved_at),
        "completed_time": time_json(ticket.resolved_at),
        "responded_time": time_json(ticket.responded_at),
        "first_response_due_by_time": time_json(ticket.created_at + _RESPOND_WITHIN),
        "due_by_time": time_json(ticket.created_at + _SOLVE_WITHIN),
        "has_notes": bool(ticket.notes),
        "is_service_request": False,
        "linked_to_request": {"id": ticket.parent} if ticket.parent else None,
        "udf_fields": {"udf_sline_1": None, **ticket.custom.get("udf_fields", {})},
        "resolution": resolution_json(ticket),
        "attachments": files_json(ticket),
    }


def resolution_json(ticket: SimTicket) -> dict[str, Any]:
    """The resolution; its author is the last editor."""
    if ticket.resolution is None:
        return {"content": None, "resolution_attachments": []}
    return {
        "content": ticket.resolution,
        "resolution_attachments": [],
        "submitted_by": person_json(ticket.updated_by or ticket.requester),
        "submitted_on": time_json(ticket.updated_at),
    }


def files_json(ticket: SimTicket, note_id: str = "") -> list[dict[str, Any]]:
    """Attachments of a request, or of one of its notes."""
    return [
        {
            "id": one.id,
            "name": one.name,
            "content_type": one.content_type,
            "content_url": f"/api/v3/requests/{ticket.id}/attachments/{one.id}/download",
            "size": {"display_value": f"{len(one.content) / 1024:.2f} KB", "value": str(len(one.content))},
        }
        for one in ticket.attachments
        if one.note_id == note_id
    ]


def note_json(ticket: SimTicket, note: SimNote) -> dict[str, Any]:
    """A note of a request."""
    return {
        "id": note.id,
        "description": note.body,
        "show_to_requester": note.public,
        "added_by": person_json(note.author),
        "added_time": time_json(note.created_at),
        "attachments": files_json(ticket, note.id),
    }


def mails_json(ticket: SimTicket) -> list[dict[str, Any]]:
    """Notifications that were sent about a request."""
    return [
        {"id": mail.id, "to": [{"email_id": mail.to}], "subject": mail.rule, "sent_time": time_json(mail.sent_at)}
        for mail in ticket.mails
    ]


def notes_json(ticket: SimTicket) -> list[dict[str, Any]]:
    """Notes of a request."""
    return [note_json(ticket, note) for note in ticket.notes]


_FIELDS = {"assignee": "technician", "company": "site", "kind": "request_type"}
_LISTS_OF = {"status": "statuses", "priority": "priorities", "category": "categories", "group": "groups"}
_LISTS_OF |= {"company": "sites", "kind": "request_types"}
_UNLISTED = {"resolved_at", "custom"}


def history_json(change: SimChange) -> dict[str, Any]:
    """One save, as the history lists it: the fields with their values before and after."""
    moved: list[tuple[str, Any, Any]] = []
    for name, (before, after) in change.fields.items():
        if name == "custom":
            old, new = before.get("udf_fields", {}), after.get("udf_fields", {})
            moved += [(f"udf_fields.{udf}", old.get(udf), value) for udf, value in new.items() if old.get(udf) != value]
        if name not in _UNLISTED:
            moved.append((_FIELDS.get(name, name), _past(name, before), _past(name, after)))
    return {
        "id": change.id,
        "operation": "UPDATE",
        "performed_by": person_json(change.by),
        "performed_time": time_json(change.at),
        "diff": [
            {"field": {"name": field}, "previous_value": before, "current_value": after}
            for field, before, after in moved
        ],
    }


def _past(name: str, value: Any) -> Any:
    if isinstance(value, SimPerson):
        return person_json(value)
    return named_json(_LISTS_OF[name], value) if name in _LISTS_OF else value


LOG_FIELDS = (
    *("owner", "description", "start_time", "end_time", "time_spent", "include_nonoperational_hours"),
    *("mark_first_response", "type", "recorded_time"),
)
COSTS = {Dialect.CLOUD: ("tech_charge", "other_charge"), Dialect.ON_PREMISES: ("owner_cost", "other_cost")}
"""What the products call what a work log costs; each refuses the other's words."""


def log_json(log: SimLog, dialect: Dialect) -> dict[str, Any]:
    """A work log of a request."""
    hours, seconds = divmod(log.seconds, 3600)
    return {
        "id": log.id,
        "owner": person_json(log.author),
        "description": log.text,
        "start_time": time_json(log.started_at),
        "recorded_time": time_json(log.created_at),
        "time_spent": {"hours": str(hours), "minutes": str(seconds // 60), "value": str(log.seconds * 1000)},
        COSTS[dialect][0]: log.cost,
    }


def link_json(link: SimLink, other: SimTicket) -> dict[str, Any]:
    """A linked request."""
    shown = {"id": other.id, "display_id": other.display_id, "subject": other.subject}
    return {"id": link.id, "linked_request": shown, "comments": link.text}

"""Shapes of the simulated account: tickets, comments, audits, users and errors as API v2 sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from deskhand.plugins.text import html_to_text
from deskhand.simulators.base import SimNote, SimPerson, SimTicket
from deskhand.simulators.zendesk import family
from deskhand.simulators.zendesk.vocabulary import STATUSES, write_time

PRIORITIES = ("low", "normal", "high", "urgent")
TYPES = ("problem", "incident", "question", "task")
GROUPS = {"Support": 98701, "Network": 98702, "Hardware": 98703, "Applications": 98704, "Identity": 98705}
ORGANIZATIONS = {"Nordwind": 77001, "Suedwerk": 77002}
CATEGORY_FIELD, ASSET_FIELD, RESOLUTION_FIELD = 27642, 27648, 27650
CATEGORIES = ("network", "hardware", "software", "email", "access", "printing")
CUSTOM_FIELDS: dict[int, tuple[str, str]] = {
    CATEGORY_FIELD: ("Category", "tagger"),
    ASSET_FIELD: ("Asset tag", "text"),
    RESOLUTION_FIELD: ("Resolution", "textarea"),
}
DEFAULT_STATUS_IDS = {"new": 5001, "open": 5002, "pending": 5003, "hold": 5004, "solved": 5005, "closed": 5005}
ADDED_STATUSES = {5101: ("Waiting for vendor", "pending"), 5102: ("In progress", "open")}
_BORN = "2026-01-01T00:00:00Z"
_BRAND = 360001
_ERRORS = {
    401: ("Couldn't authenticate you", None),
    403: ("Forbidden", "You do not have access to this page. Please contact the account owner for further help."),
    404: ("RecordNotFound", "Not found"),
    409: ("DatabaseConflict", "Database collision"),
    422: ("RecordInvalid", "Record validation errors"),
}


class RefusedError(Exception):
    """A call the account refuses; carries the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def refuse(status: int, error: str, description: str | None = None, **more: object) -> RefusedError:
    """The refusal in the API's usual family of bodies."""
    body: dict[str, Any] = {"error": error}
    if description is not None:
        body["description"] = description
    return RefusedError(JSONResponse({**body, **more}, status))


def invalid(field: str, said: str, error: str = "InvalidValue") -> RefusedError:
    """422 for one field."""
    details = {field: [{"description": said, "error": error}]}
    return refuse(422, "RecordInvalid", "Record validation errors", details=details)


def failure(status: int) -> Response:
    """What the account answers with a status; a rate limit is plain text."""
    if status == 429:
        return PlainTextResponse("Number of allowed API requests per minute exceeded", 429)
    if status not in _ERRORS:
        return PlainTextResponse("", status)
    error, description = _ERRORS[status]
    return refuse(status, error, description).response


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a call."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        raise refuse(400, "InvalidJSON", "The body is not JSON") from None
    if not isinstance(body, dict):
        raise refuse(400, "InvalidValue", "The body must be an object")
    return body


async def ticket_of(request: Request) -> dict[str, Any]:
    """The object ``ticket`` of a call."""
    fields = (await body_of(request)).get("ticket")
    if not isinstance(fields, dict):
        raise refuse(400, "InvalidValue", "Parameter ticket is required and must be an object")
    return fields


def base_of(request: Request) -> str:
    """Address of the account."""
    return str(request.base_url).rstrip("/")


def address_of(request: Request) -> str:
    """Address of a call without its query."""
    return f"{base_of(request)}{request.url.path}"


def number(identity: str | None) -> int | None:
    """Ids are numbers on the wire."""
    return None if identity is None else int(identity)


def custom_status_id(ticket: SimTicket) -> int:
    """The added status a ticket is in, else the default one of its category."""
    added = ticket.custom.get("custom_status_id")
    return int(added) if added else DEFAULT_STATUS_IDS.get(ticket.status, DEFAULT_STATUS_IDS["open"])


def with_category(custom: Mapping[str, Any], category: str | None) -> dict[str, Any]:
    """A ticket's further values with the category in the field that holds it."""
    if category is None:
        return dict(custom)
    return {**custom, "fields": {**custom.get("fields", {}), CATEGORY_FIELD: category}}


def ticket_json(ticket: SimTicket, base: str) -> dict[str, Any]:
    values = ticket.custom.get("fields", {})
    fields = [{"id": field, "value": values.get(field)} for field in CUSTOM_FIELDS]
    return {
        "url": f"{base}/api/v2/tickets/{ticket.id}.json",
        "id": int(ticket.id),
        "external_id": ticket.custom.get("external_id"),
        "via": family.via_of(ticket) or _via("web"),
        "created_at": write_time(ticket.created_at),
        "updated_at": write_time(ticket.updated_at),
        # The clock of the export; at the vendor it moves with system changes that updated_at does not show.
        "generated_timestamp": int(ticket.updated_at.timestamp()),
        "type": ticket.custom.get("type"),
        "subject": ticket.subject,
        "raw_subject": ticket.subject,
        "description": html_to_text(first_comment_html(ticket)),
        "priority": ticket.priority,
        "status": ticket.status,
        "custom_status_id": custom_status_id(ticket),
        "requester_id": number(ticket.requester.id),
        "submitter_id": number(ticket.requester.id),
        "assignee_id": number(ticket.assignee.id) if ticket.assignee else None,
        "organization_id": ORGANIZATIONS.get(ticket.company or ""),
        "group_id": group_id(ticket.group),
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "problem_id": ticket.custom.get("problem_id", family.number_of(ticket.parent)),
        "has_incidents": False,
        "is_public": True,
        "due_at": ticket.custom.get("due_at"),
        "tags": list(ticket.tags),
        "custom_fields": fields,
        # The same list under its old name, which the vendor still sends.
        "fields": fields,
        "satisfaction_rating": {"score": "unoffered"},
        "sharing_agreement_ids": [],
        "followup_ids": [],
        "brand_id": _BRAND,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }


def organization_json(name: str, base: str) -> dict[str, Any]:
    """One of the account's organizations."""
    ident = ORGANIZATIONS[name]
    return {
        "id": ident,
        "url": f"{base}/api/v2/organizations/{ident}.json",
        "name": name,
        "shared_tickets": False,
        "shared_comments": False,
        "created_at": _BORN,
        "updated_at": _BORN,
        "domain_names": [],
        "tags": [],
    }


def audited(name: str, value: Any, previous: Any) -> list[tuple[str, Any, Any]]:
    """What an audit says of one attribute that changed: field, value, value before; all values are text."""
    if name == "custom":
        fields, before = value.get("fields", {}), previous.get("fields", {})
        rows = [(str(ident), fields.get(ident), before.get(ident)) for ident in fields]
        rows += [(key, value.get(key), previous.get(key)) for key in ("type", "problem_id", "custom_status_id")]
        return [row for row in rows if row[1] != row[2]]
    if name == "group":
        return [("group_id", _told(group_id(value)), _told(group_id(previous)))]
    if name == "company":
        return [("organization_id", _told(ORGANIZATIONS.get(value)), _told(ORGANIZATIONS.get(previous)))]
    if name == "assignee":
        return [("assignee_id", value.id if value else None, previous.id if previous else None)]
    # The category is one of the custom fields, which tell of it themselves.
    return [] if name == "category" else [(name, _told(value), _told(previous))]


def _told(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value if value is None else str(value)


def group_id(name: str | None) -> int | None:
    """Id of a group; a name the page made up gets one of its own."""
    if name is None:
        return None
    return GROUPS.get(name, 98900 + sum(name.encode()))


def first_comment_html(ticket: SimTicket) -> str:
    """Every ticket starts with a comment; the desk repeats the subject where there is no text."""
    return ticket.description or f"<p>{ticket.subject}</p>"


def comment_json(ident: str, html: str, *, public: bool, author: SimPerson, at: datetime) -> dict[str, Any]:
    """A comment as it stands in lists."""
    plain = html_to_text(html)
    return {
        "id": int(ident),
        "type": "Comment",
        "author_id": number(author.id),
        "body": plain,
        # The vendor wraps every comment in a block of its own, which must not show in Markdown.
        "html_body": f'<div class="zd-comment" dir="auto">{html}</div>',
        "plain_body": plain,
        "public": public,
        "attachments": [],
        "via": _via("api"),
        "created_at": write_time(at),
        "metadata": {"system": {}, "custom": {}},
    }


def comments_json(ticket: SimTicket, audit_of: Mapping[int, int]) -> list[dict[str, Any]]:
    """All comments, oldest first; the first is the description."""
    first = comment_json(
        str(ticket.custom["first_comment"]),
        first_comment_html(ticket),
        public=True,
        author=ticket.requester,
        at=ticket.created_at,
    )
    rows = [first, *(note_json(note) for note in ticket.notes)]
    return [{**row, "audit_id": audit_of.get(row["id"], 0)} for row in rows]


def note_json(note: SimNote) -> dict[str, Any]:
    """A later comment."""
    return comment_json(note.id, note.body, public=note.public, author=note.author, at=note.created_at)


def user_json(person: SimPerson, role: str, base: str) -> dict[str, Any]:
    return {
        "id": number(person.id),
        "url": f"{base}/api/v2/users/{person.id}.json",
        "name": person.name,
        "email": person.email,
        "role": role,
        "active": True,
        "verified": True,
        "suspended": False,
        # The vendor's document knows no null here, so who never signed in has no such field.
        **({"last_login_at": _BORN} if person.signs_in else {}),
        "created_at": _BORN,
        "updated_at": _BORN,
        "time_zone": "UTC",
        "iana_time_zone": "Etc/UTC",
        "locale": "en-US",
        "organization_id": None,
        "tags": [],
    }


def anonymous_user() -> dict[str, Any]:
    """What ``users/me`` tells a visitor, with status 200."""
    # Status 200 without credentials is the vendor's trap: a check that looks at the status alone passes with a wrong
    # key.
    return {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}


def group_json(name: str, base: str) -> dict[str, Any]:
    ident = group_id(name)
    return {
        "id": ident,
        "url": f"{base}/api/v2/groups/{ident}.json",
        "name": name,
        "description": "",
        "default": name == "Support",
        "deleted": False,
        "is_public": True,
        "created_at": _BORN,
        "updated_at": _BORN,
    }


def custom_statuses_json() -> list[dict[str, Any]]:
    """One default status of each category, and the added ones."""
    rows = [(ident, name.capitalize(), name, True) for name, ident in DEFAULT_STATUS_IDS.items() if name != "closed"]
    rows += [(ident, label, category, False) for ident, (label, category) in ADDED_STATUSES.items()]
    return [
        {
            "id": ident,
            "agent_label": label,
            "raw_agent_label": label,
            "end_user_label": label,
            "raw_end_user_label": label,
            "description": "",
            "end_user_description": "",
            "status_category": category,
            "active": True,
            "default": default,
            "created_at": _BORN,
            "updated_at": _BORN,
        }
        for ident, label, category, default in rows
    ]


def ticket_fields_json(base: str) -> list[dict[str, Any]]:
    """System fields and the account's own."""
    rows: list[dict[str, Any]] = [
        _field(21, "Subject", "subject", base),
        _field(22, "Description", "description", base),
        {**_field(23, "Status", "status", base), "system_field_options": _options(STATUSES)},
        {**_field(24, "Type", "tickettype", base), "system_field_options": _options(TYPES)},
        {**_field(25, "Priority", "priority", base), "system_field_options": _options(PRIORITIES)},
        _field(26, "Group", "group", base),
        _field(27, "Assignee", "assignee", base),
    ]
    for ident, (title, kind) in CUSTOM_FIELDS.items():
        row = {**_field(ident, title, kind, base), "removable": True}
        if kind == "tagger":
            names = [(at, name) for at, name in enumerate(CATEGORIES, 1)]
            row["custom_field_options"] = [{"id": at, "name": name.title(), "value": name} for at, name in names]
        rows.append(row)
    return rows


def _field(ident: int, title: str, kind: str, base: str) -> dict[str, Any]:
    return {
        "id": ident,
        "url": f"{base}/api/v2/ticket_fields/{ident}.json",
        "type": kind,
        "title": title,
        "raw_title": title,
        "active": True,
        "required": False,
        "removable": False,
        "position": ident,
        "created_at": _BORN,
        "updated_at": _BORN,
    }


def _options(values: Iterable[str]) -> list[dict[str, str]]:
    return [{"name": value.capitalize(), "value": value} for value in values]


def _via(channel: str) -> dict[str, Any]:
    return {"channel": channel, "source": {"from": {}, "to": {}, "rel": None}}


def audit_json(
    ident: int, ticket: SimTicket, by: SimPerson, events: list[dict[str, Any]], custom: Mapping[str, Any]
) -> dict[str, Any]:
    """An audit: one save with everything it did."""
    return {
        "id": ident,
        "ticket_id": int(ticket.id),
        "created_at": write_time(ticket.updated_at.astimezone(UTC)),
        "author_id": number(by.id),
        "metadata": {"system": {"client": "simulator"}, "custom": dict(custom)},
        "events": events,
        "via": _via("api"),
    }

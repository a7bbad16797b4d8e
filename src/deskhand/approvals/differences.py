"""What a call would change, field by field, on the ticket as it was when the run asked; and the digests. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from deskhand.plugins.contract import Person, Ticket
from deskhand.plugins.registry import is_beside_desks

Value = str | list[str] | None

_PLAIN = ("subject", "description", "priority", "category", "group")
# What a new thing consists of; it replaces nothing, so its parts have no before.
_NEW = {
    "create_ticket": ("subject", "description", "requester_email", "type", "priority", "category", "group", "tags"),
    "send": ("to", "subject", "body"),
    "post_message": ("channel", "text"),
    "send_event": ("endpoint", "type", "data"),
    **dict.fromkeys(("post", "put", "patch", "delete"), ("url", "query", "body")),
    "add_note": ("body",),
    "reply": ("body",),
    "ask_requester": ("question",),
    "link_tickets": ("kind", "other_ticket_id", "url", "title"),
    "log_time": ("text", "minutes", "billable"),
}
_NAMED = {
    "add_note": "internal note",
    "reply": "reply to the requester",
    "ask_requester": "question to the requester",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one call.

    Attributes:
        before: None where there is nothing yet, or where the desk does not say.
    """

    field: str
    before: Value
    after: Value


def snapshot(ticket: Ticket) -> dict[str, Any]:
    """What is kept of a ticket so that the differences can be shown, also of arguments that somebody changes later."""
    return {
        **{name: getattr(ticket, name) for name in (*_PLAIN, "status", "resolution")},
        "number": ticket.display_id,
        "url": ticket.url,
        "assignee": _person(ticket.assignee),
        "tags": list(ticket.tags),
        "is_closed": ticket.is_closed,
        "custom": to_jsonable_python(dict(ticket.custom)),
    }


def stamp(ticket: Ticket) -> str:
    """The state of a ticket that an approval is bound to: the desk's own stamp, or of a desk without one a digest."""
    return ticket.revision or digest_of(to_jsonable_python(ticket))


def digest_of(*parts: Any) -> str:
    """A digest of JSON values; the same values give the same one, in whatever order their members come."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def differences(
    operation: str, arguments: Mapping[str, Any], ticket: Mapping[str, Any] | None, *, tool_id: str = ""
) -> list[Difference]:
    """What a call changes.

    Args:
        operation: Its name in the catalogue.
        arguments: As they would be used.
        ticket: ``snapshot`` of the ticket it is about.
        tool_id: Of what tool it is.
    """
    # A tenant's own operation may be called as one of a desk, and does something else: its arguments are all we know.
    if is_beside_desks(tool_id) and ":" in tool_id:
        return [Difference(name, None, _shown(value)) for name, value in arguments.items()]
    if operation in _NEW:
        return [
            Difference(_NAMED.get(operation, name), None, _shown(arguments[name]))
            for name in _NEW[operation]
            if arguments.get(name) or arguments.get(name) is False
        ]
    return [one for one in _changes(operation, arguments, ticket or {}) if one.before != one.after]


def _changes(operation: str, arguments: Mapping[str, Any], ticket: Mapping[str, Any]) -> Iterator[Difference]:
    if operation == "assign":
        email, group = arguments.get("assignee_email"), arguments.get("group")
        if email is not None:
            yield Difference("assignee", ticket.get("assignee"), email)
        if group is not None:
            yield Difference("group", ticket.get("group"), group)
    elif operation == "transition":
        yield Difference("status", ticket.get("status"), arguments.get("status"))
    elif operation == "resolve":
        # How a desk calls its resolved state is known only afterwards.
        yield Difference(
            "status", ticket.get("status"), ticket.get("status") if ticket.get("is_closed") else "resolved"
        )
        yield Difference("resolution", ticket.get("resolution") or None, arguments.get("resolution"))
    else:
        yield from _fields(arguments, ticket)


def _fields(arguments: Mapping[str, Any], ticket: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _PLAIN:
        if arguments.get(name) is not None:
            yield Difference(name, ticket.get(name) or None, _shown(arguments[name]))
    tags: list[str] = list(ticket.get("tags") or ())
    removed = set(arguments.get("remove_tags") or ())
    added = [tag for tag in arguments.get("add_tags") or () if tag not in tags]
    yield Difference("tags", tags, [*(tag for tag in tags if tag not in removed), *added])
    custom = ticket.get("custom") or {}
    for name, value in (arguments.get("custom") or {}).items():
        yield Difference(name, _shown(custom.get(name)), _shown(value))


def _shown(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _person(person: Person | None) -> str | None:
    return None if person is None else person.email or person.name or person.id

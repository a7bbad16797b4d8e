"""Webhooks of the detector in ``setup``: signed with Standard Webhooks, sent after the commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import Ignored, Person, TicketEvent, TicketMetadata, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand_roundup import mapping
from deskhand_roundup.manifest import DESK, EVENTS, IGNORED_EVENTS, TOOL_TYPE

_ID = re.compile(r"[0-9]{1,18}")
_SETUP = files("deskhand_roundup") / "setup"


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = request.payload
    event, issue, actor = payload.get("event"), _mapping(payload, "issue"), _mapping(payload, "actor")
    ticket_id = str(issue.get("id") or "")
    if not isinstance(event, str) or not event.startswith("issue.") or not _ID.fullmatch(ticket_id):
        raise NotAVendorPayloadError(f"The body is not a {DESK} event: it needs `event` and a numeric `issue.id`.")
    if event not in EVENTS:
        return Ignored(event=event, reason=IGNORED_EVENTS.get(event, "not an event Deskhand acts on"))
    messages = _new_messages(payload)
    updated = mapping.read_time(issue.get("activity"))
    return TicketEvent(
        event=event,
        ticket=TicketMetadata(
            tool_type=TOOL_TYPE,
            ticket_id=ticket_id,
            display_id=ticket_id,
            subject=_word(issue.get("title")),
            priority=_word(issue.get("priority")),
            status=_word(issue.get("status")),
            updated_at=updated,
        ),
        actor=Person(id=_word(actor.get("id")), name=_word(actor.get("username")), email=_word(actor.get("address"))),
        occurred_at=updated,
        note_id=_word(messages[0].get("id")) if len(messages) == 1 else None,
        revision=_word(issue.get("activity")),
        marks=find_marks(" ".join(str(message.get("messageid")) for message in messages)),
    )


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """What to add to the tracker, with address and secret filled in."""
    guide = (_SETUP / "guide.md").read_text("utf-8")
    for place, name in (("@@SCHEMA@@", "schema_addition.py.txt"), ("@@DETECTOR@@", "deskhand_webhook.py")):
        guide = guide.replace(place, (_SETUP / name).read_text("utf-8").rstrip())
    # A percent sign would be an interpolation of config.ini.
    return guide.replace("@@URL@@", webhook_url.replace("%", "%%")).replace("@@SECRET@@", secret.replace("%", "%%"))


def _mapping(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def _new_messages(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = payload.get("messages")
    return [message for message in listed if isinstance(message, dict)] if isinstance(listed, list) else []


def _word(value: object) -> str | None:
    return str(value) if value else None

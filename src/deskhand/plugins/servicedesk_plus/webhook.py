"""Webhooks of ServiceDesk Plus: two ways to prove them, one table of events.

The product signs nothing itself. On-premises, our custom-trigger script signs with Standard Webhooks; a
webhook action (Cloud, MSP) can only send a static header. Either way the fields in the body are hints: the
ticket is read again before anything is done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import Ignored, Person, TicketEvent, TicketMetadata, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.servicedesk_plus import mapping
from deskhand.plugins.servicedesk_plus.manifest import DESK, EVENTS, IGNORED_EVENTS, TOOL_TYPE

_ID = re.compile(r"[0-9]{1,20}")
_SCRIPT = Path(__file__).parent / "setup" / "notify_deskhand.py.txt"
_GUIDE = Path(__file__).parent / "setup" / "guide.md"


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = request.payload
    event = payload.get("event")
    raw = payload.get("request")
    # The script sends the request as an object; a webhook action can only fill variables into a flat body.
    raw = raw if isinstance(raw, dict) else payload
    ticket_id = str(raw.get("id") or payload.get("request_id") or "")
    # The id goes into addresses later, so anything but digits ends here.
    if not isinstance(event, str) or not event or not _ID.fullmatch(ticket_id):
        raise NotAVendorPayloadError(f"The body is not a {DESK} event: it needs `event` and a numeric `request_id`.")
    updated = mapping.read_time(raw.get("last_updated_time") or payload.get("updated_time"))
    ticket = _ticket(raw, ticket_id, updated)
    if event in IGNORED_EVENTS:
        return Ignored(event=event, reason=IGNORED_EVENTS[event], ticket_id=ticket_id, ended=True, ticket=ticket)
    if event not in EVENTS:
        return Ignored(event=event, reason="not an event Deskhand acts on")
    note = payload.get("note")
    note = note if isinstance(note, dict) else {}
    return TicketEvent(
        event=event,
        ticket=ticket,
        actor=_actor(payload),
        occurred_at=updated,
        note_id=_word(note.get("id")),
        note_public=bool(note["show_to_requester"]) if "show_to_requester" in note else None,
        note_text=_word(note.get("description")),
        revision=mapping.revision_of(raw) or _word(payload.get("updated_time")),
        marks=find_marks(_word(note.get("description")) or ""),
    )


def _ticket(raw: Mapping[str, Any], ticket_id: str, updated: datetime | None) -> TicketMetadata:
    requester = mapping.read_person(raw.get("requester")) or Person()
    clients = {name: mapping.read_company(raw[name]) for name in ("site", "account") if name in raw}
    custom = raw.get("udf_fields")
    return TicketMetadata(
        tool_type=TOOL_TYPE,
        ticket_id=ticket_id,
        display_id=_word(raw.get("display_id")),
        subject=_word(raw.get("subject")),
        priority=_word(raw.get("priority")),
        status=_word(raw.get("status")),
        updated_at=updated,
        group=_word(raw.get("group")),
        requester_email=requester.email,
        requester_id=requester.id,
        is_vip=requester.is_vip,
        description=_word(raw.get("description")),
        # A webhook action's flat body has no reference at all, so that a client who is not named may be there.
        companies=clients or None,
        kinds=mapping.kinds_of(raw) if "template" in raw or "request_type" in raw else None,
        custom=custom if isinstance(custom, dict) else {},
    )


def _actor(payload: Mapping[str, Any]) -> Person:
    """Who did it: an object from the script; a name or an address from a webhook action's variables."""
    by = payload.get("updated_by")
    if isinstance(by, str) and by:
        # The variable holds whichever of the two the desk has of its user.
        return Person(email=by) if "@" in by else Person(name=by)
    return mapping.read_person(by) or Person()


def _word(value: object) -> str | None:
    return mapping.name_of(value) if isinstance(value, dict) else (str(value) if value else None)


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """Both ways to connect, with address and secret filled in."""
    script = _SCRIPT.read_text("utf-8").replace("@@URL@@", repr(webhook_url)).replace("@@SECRET@@", repr(secret))
    guide = _GUIDE.read_text("utf-8")
    return guide.replace("@@SCRIPT@@", script).replace("@@URL@@", webhook_url).replace("@@SECRET@@", secret)

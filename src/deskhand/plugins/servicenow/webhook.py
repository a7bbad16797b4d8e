"""Webhooks of ServiceNow, which has none: a business rule of ours posts them, signed. One table of events.

The delivery id is ``sys_id-sys_mod_count``: every save of a record has its own, and a rule that runs twice for one save
does not start anything twice. Fields in a body are hints; the record is read again before anything is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deskhand.plugins.contract import Company, Ignored, Person, TicketEvent, TicketMetadata, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.servicenow import mapping
from deskhand.plugins.servicenow.manifest import DESK, EVENTS, IGNORED_EVENTS, TOOL_TYPE

_SETUP = Path(__file__).parent / "setup"


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = request.payload
    event, sys_id = payload.get("event"), str(payload.get("sys_id") or "")
    if not isinstance(event, str) or not event or not mapping.is_sys_id(sys_id):
        raise NotAVendorPayloadError(
            f"The body is not a {DESK} event: it needs `event` and a `sys_id` of 32 hex digits."
        )
    updated = mapping.read_time(payload, "sys_updated_on")
    ticket = TicketMetadata(
        tool_type=TOOL_TYPE,
        ticket_id=sys_id,
        display_id=_word(payload, "number"),
        subject=_word(payload, "short_description"),
        priority=_word(payload, "priority"),
        status=_word(payload, "state"),
        updated_at=updated,
        description=_word(payload, "description"),
        **_whose(payload),
    )
    if event in IGNORED_EVENTS:
        return Ignored(event=event, reason=IGNORED_EVENTS[event], ticket_id=sys_id, ended=True, ticket=ticket)
    if event not in EVENTS:
        return Ignored(event=event, reason="not an event Deskhand acts on")
    return TicketEvent(
        event=event,
        ticket=ticket,
        # The stored user name, which is what a record has; ServiceNow sends no id of the user with it.
        actor=Person(name=_word(payload, "sys_updated_by")),
        occurred_at=updated,
        revision=_word(payload, "sys_mod_count"),
    )


def _whose(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Whose ticket it is, by ids; a business rule of an older set-up sends none of it."""
    said: dict[str, Any] = {"requester_id": _word(payload, "caller_id")}
    if "company" in payload:
        number = _word(payload, "company")
        said["companies"] = {"company": Company(id=number, name=number)} if number else {}
    if "assignment_group" in payload:
        said["group_id"] = _word(payload, "assignment_group") or ""
    if kind := _word(payload, "table"):
        said["kinds"] = (kind,)
    return said


def _word(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return str(value) if isinstance(value, str | int) and value != "" else None


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """Script include and business rule with address and secret filled in, and what to set around them."""
    include = (_SETUP / "script_include.js.txt").read_text("utf-8")
    # As JSON strings, so that no character of an address or a secret ends the script's own quotes.
    include = include.replace("@@URL@@", json.dumps(webhook_url)).replace("@@SECRET@@", json.dumps(secret))
    rule = (_SETUP / "business_rule.js.txt").read_text("utf-8")
    return (_SETUP / "guide.md").read_text("utf-8").replace("@@SCRIPT@@", rule).replace("@@INCLUDE@@", include)

"""Webhooks of ServiceDesk Plus: two ways to prove them, one table of events.

The product signs nothing itself. On-premises, our custom-trigger script signs with Standard Webhooks; a
webhook action (Cloud, MSP) can only send a static header. Either way the fields in the body are hints: the
ticket is read again before anything is done.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deskhand.plugins.contract import Ignored, Person, TicketEvent, TicketMetadata, VerifiedWebhook, WebhookRequest
from deskhand.plugins.errors import NotOurPayloadError
from deskhand.plugins.servicedesk_plus import mapping
from deskhand.plugins.servicedesk_plus.manifest import DESK, EVENTS, IGNORED_EVENTS, TOOL_TYPE
from deskhand.plugins.signatures import STANDARD_WEBHOOKS, STATIC_TOKEN, verify
from deskhand.plugins.text import find_marks

_ID = re.compile(r"[0-9]{1,20}")
_SCRIPT = Path(__file__).parent / "setup" / "notify_deskhand.py.txt"
_GUIDE = Path(__file__).parent / "setup" / "guide.md"


def validate(request: WebhookRequest, *, secrets: Sequence[str], now: datetime) -> VerifiedWebhook:
    """Prove the sender; see ``TicketingToolPlugin.validate_webhook``."""
    scheme, claim = verify(request, schemes=(STANDARD_WEBHOOKS, STATIC_TOKEN), secrets=secrets, now=now)
    return VerifiedWebhook(delivery_id=claim.message_id or _delivery_id(request.body), scheme=scheme.name)


def _delivery_id(body: bytes) -> str:
    """A webhook action has no delivery id: the same body about the same change is the same delivery."""
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    known = payload if isinstance(payload, dict) else {}
    parts = (str(known.get(name) or "") for name in ("request_id", "updated_time", "event"))
    return hashlib.sha256("\x00".join(parts).encode() + b"\x00" + body).hexdigest()


def extract(request: WebhookRequest) -> TicketEvent | Ignored:
    """Read a verified body; see ``TicketingToolPlugin.extract_metadata``."""
    payload = _payload(request.body)
    event = payload.get("event")
    raw = payload.get("request")
    raw = raw if isinstance(raw, dict) else payload
    ticket_id = str(raw.get("id") or payload.get("request_id") or "")
    if not isinstance(event, str) or not event or not _ID.fullmatch(ticket_id):
        raise NotOurPayloadError(f"The body is not a {DESK} event: it needs `event` and a numeric `request_id`.")
    if event in IGNORED_EVENTS:
        return Ignored(event=event, reason=IGNORED_EVENTS[event])
    if event not in EVENTS:
        return Ignored(event=event, reason="not an event Deskhand acts on")
    updated = mapping.read_time(raw.get("last_updated_time") or payload.get("updated_time"))
    return TicketEvent(
        event=event,
        ticket=TicketMetadata(
            tool_type=TOOL_TYPE,
            ticket_id=ticket_id,
            display_id=_word(raw.get("display_id")),
            subject=_word(raw.get("subject")),
            priority=_word(raw.get("priority")),
            status=_word(raw.get("status")),
            updated_at=updated,
        ),
        actor=_actor(payload),
        occurred_at=updated,
        marks=find_marks(request.body.decode(errors="replace")),
    )


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise NotOurPayloadError("The body is not JSON.") from error
    if not isinstance(payload, dict):
        raise NotOurPayloadError("The body is not a JSON object.")
    return payload


def _actor(payload: Mapping[str, Any]) -> Person:
    """Who did it: an object from the script; a name or an address from a webhook action's variables."""
    by = payload.get("updated_by")
    if isinstance(by, str) and by:
        return Person(email=by) if "@" in by else Person(name=by)
    return mapping.read_person(by) or Person()


def _word(value: object) -> str | None:
    return mapping.name_of(value) if isinstance(value, dict) else (str(value) if value else None)


def setup_guide(*, webhook_url: str, secret: str) -> str:
    """Both ways to connect, with address and secret filled in."""
    script = _SCRIPT.read_text("utf-8").replace("@@URL@@", repr(webhook_url)).replace("@@SECRET@@", repr(secret))
    guide = _GUIDE.read_text("utf-8")
    return guide.replace("@@SCRIPT@@", script).replace("@@URL@@", webhook_url).replace("@@SECRET@@", secret)

"""An event to try a webhook with: the sample of a desk's manifest, signed as that desk signs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from deskhand.plugins.contract import TicketingToolPlugin, WebhookRequest
from deskhand.plugins.operations import SAMPLE_MILLISECONDS, SAMPLE_TICKET, SAMPLE_TIME
from deskhand.plugins.signatures import (
    HUB_SIGNATURE,
    SERVICENOW,
    STANDARD_WEBHOOKS,
    ZENDESK,
    hub_headers,
    servicenow_headers,
    standard_headers,
    zendesk_headers,
)

Signer = Callable[[str, bytes, datetime], dict[str, str]]

_SIGNERS: Mapping[str, Signer] = {
    STANDARD_WEBHOOKS.name: lambda secret, body, now: standard_headers(secret, body, message_id=_name(), now=now),
    HUB_SIGNATURE.name: lambda secret, body, _now: hub_headers(secret, body, header_name="X-Hub-Signature"),
    ZENDESK.name: lambda secret, body, now: zendesk_headers(secret, body, now=now),
    SERVICENOW.name: lambda secret, body, now: servicenow_headers(secret, body, message_id=_name(), now=now),
}


def sample_event(
    plugin: type[TicketingToolPlugin], *, ticket_id: str, secret: str, now: datetime
) -> WebhookRequest | None:
    """A change of a ticket as the desk would report it; None where the plugin has no sample, or signs otherwise.

    Args:
        plugin: The desk.
        ticket_id: Which ticket, by the desk's stable id.
        secret: What it signs with.
        now: Current time; each event has its own, so that none is taken for the one before.
    """
    sample = plugin.manifest.sample_event
    signer = next((_SIGNERS[one.name] for one in plugin.signature_schemes if one.name in _SIGNERS), None)
    if sample is None or signer is None:
        return None
    body = json.dumps(_filled(sample, ticket_id, now)).encode()
    sent = {**signer(secret, body, now), "Content-Type": "application/json"}
    return WebhookRequest(headers={name.lower(): value for name, value in sent.items()}, body=body)


def _filled(part: Any, ticket_id: str, now: datetime) -> Any:
    if isinstance(part, Mapping):
        return {name: _filled(member, ticket_id, now) for name, member in part.items()}
    filled = {
        SAMPLE_TICKET: ticket_id,
        SAMPLE_TIME: now.isoformat(),
        SAMPLE_MILLISECONDS: int(now.timestamp() * 1000),
    }
    return filled.get(part, part)


def _name() -> str:
    return f"trial-{uuid4()}"

"""What a verified body means for one agent. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from deskhand.intake.book import KnownTrigger
from deskhand.intake.filtering import facts_of, kept_facts
from deskhand.intake.repository import Delivery
from deskhand.plugins.contract import Ignored, TicketEvent, TicketMetadata, VerifiedWebhook, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError

# What the columns hold. A name that is longer is cut; an id that is longer is hashed, so that it stays one.
ID_CHARACTERS = 255
EVENT_CHARACTERS = 100
TICKET_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """What a verified body turned out to be."""

    tool_type: str
    event: TicketEvent | Ignored


def read_delivery(request: WebhookRequest, trigger: KnownTrigger) -> Reading:
    """Let the agent's desks read the body; a trigger with a schema of its own may also take a plain ``ticket_id``.

    Raises:
        NotAVendorPayloadError: It is no JSON object, or nobody recognises it.
    """
    failure: NotAVendorPayloadError | None = None
    for tool_type, plugin in trigger.readers:
        try:
            return Reading(tool_type, plugin.extract_metadata(request))
        except NotAVendorPayloadError as error:
            # The first desk's sentence: it is the agent's most likely sender, and the others say only that it is not
            # theirs.
            failure = failure or error
    plain = _plain_event(request, trigger)
    if plain is not None:
        return plain
    raise failure or NotAVendorPayloadError("No desk of this agent sends such a body.")


def _plain_event(request: WebhookRequest, trigger: KnownTrigger) -> Reading | None:
    ticket_id, action = request.payload.get("ticket_id"), request.payload.get("action")
    # Without a schema nobody said that plain bodies may come, and any JSON with a ticket_id would start a run.
    if trigger.row.payload_schema is None or isinstance(ticket_id, bool) or not isinstance(ticket_id, str | int):
        return None
    if not trigger.readers or not 0 < len(str(ticket_id)) <= TICKET_CHARACTERS:
        return None
    tool_type = trigger.default_tool
    ticket = TicketMetadata(tool_type=tool_type, ticket_id=str(ticket_id))
    return Reading(tool_type, TicketEvent(event=action if isinstance(action, str) else "custom", ticket=ticket))


def describe(
    request: WebhookRequest, verified: VerifiedWebhook | None = None, reading: Reading | None = None
) -> Delivery:
    """What is kept of a delivery, as far as it has been understood."""
    event = reading.event if reading else None
    return Delivery(
        delivery_id=_fitting_id(verified.delivery_id) if verified else None,
        scheme=verified.scheme if verified else None,
        event=event.event[:EVENT_CHARACTERS] if event else None,
        tool_type=reading.tool_type if reading else None,
        ticket_ref=event.ticket.ticket_id if isinstance(event, TicketEvent) else None,
        body_sha256=hashlib.sha256(request.body).hexdigest(),
        body_bytes=len(request.body),
        facts=kept_facts(facts_of(reading.tool_type, event)) if reading and isinstance(event, TicketEvent) else None,
    )


def _fitting_id(delivery_id: str) -> str:
    if len(delivery_id) <= ID_CHARACTERS:
        return delivery_id
    # Cut, two long ids could become one, and the second event would be lost as a repetition.
    return "sha256-" + hashlib.sha256(delivery_id.encode()).hexdigest()

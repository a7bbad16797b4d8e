"""What a desk reports by webhook. Frozen and vendor-neutral; imported through ``plugins.contract``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.values import Company, Person


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketMetadata:
    """The few facts about a ticket that a webhook itself carries; a hint, never trusted as truth.

    Attributes:
        ticket_id: The desk's stable id (never the display number).
        display_id: The number people see.
        updated_at: The desk's own stamp of the change, if the event carries it.
        group: Name of the group it is with; empty where the event says that it is with none.
        requester_email: Of who filed it.
        description: What the ticket says, in whatever markup the event has.
        companies: The client it is for, by the vendor's field, and None for a field that names none; None for all of
            it where the event does not say.
        group_id: Id of the group it is with; empty where the event says that it is with none.
        kinds: As ``Ticket.kinds``; None where the event does not say.
        tags: Its tags; None where the event does not say.
        requester_id: Who filed it, by the desk's id.
        is_vip: Whether the desk marks them as a VIP; None where the event does not say.
        custom: Vendor fields as far as the event has them.
    """

    tool_type: str
    ticket_id: str
    display_id: str | None = None
    subject: str | None = None
    priority: str | None = None
    status: str | None = None
    updated_at: datetime | None = None
    group: str | None = None
    requester_email: str | None = None
    description: str | None = None
    companies: Mapping[str, Company | None] | None = None
    group_id: str | None = None
    kinds: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    requester_id: str | None = None
    is_vip: bool | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WebhookRequest:
    """An inbound HTTP request, raw: header names in lower case, body untouched."""

    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def payload(self) -> Mapping[str, Any]:
        """The body as a JSON object: parsed once, by whoever asks first, and storable throughout.

        Ask only after the sender was proven; parsing costs more than a stranger may spend.

        Raises:
            NotAVendorPayloadError: The body is not JSON, or not an object.
        """
        try:
            payload = read_json(self.body)
        except UnreadableJsonError as error:
            raise NotAVendorPayloadError(
                f"The body is not JSON that can be read: {error} {_how_to_send(self.headers)}"
            ) from error
        if not isinstance(payload, dict):
            raise NotAVendorPayloadError("The body must be a JSON object.")
        return payload


def _how_to_send(headers: Mapping[str, str]) -> str:
    """What the sender is to do instead, as far as its headers tell what it did."""
    # Packed bodies are not unpacked: a few kilobytes of them can be gigabytes.
    packed = headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        return f"It is packed ({packed[:40]}); send it as it is, without content-encoding."
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and "json" not in kind:
        return f"It was sent as {kind[:80]}; send an object as application/json."
    return "Send an object."


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedWebhook:
    """A request whose origin was proven.

    Attributes:
        delivery_id: Same for every redelivery of one event; the key of deduplication. It comes from what was signed.
        scheme: Which scheme held, for the delivery log.
    """

    delivery_id: str
    scheme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketEvent:
    """Something happened to a ticket and an agent may act on it.

    Attributes:
        event: The vendor's own event name.
        actor: Who did it, as far as the event says.
        note_id: The note that the event is about, if it is about one and names it.
        note_public: Whether the requester sees that note; None where the event does not say.
        note_text: What is new in it; None where the event does not say. A hint, as all that an event says.
        revision: The ticket's stamp after the change, in the form in which a ``WriteReceipt`` has it.
        marks: Idempotency marks in the text that is new with this event. What the event merely repeats (earlier
            notes, the description) says nothing about who caused it.
    """

    event: str
    ticket: TicketMetadata
    actor: Person = field(default_factory=Person)
    occurred_at: datetime | None = None
    note_id: str | None = None
    note_public: bool | None = None
    note_text: str | None = None
    revision: str | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A genuine vendor event that starts nothing, and why.

    Attributes:
        ticket_id: The desk's stable id of the ticket that it is about: a run that waits there may have to look.
        ended: Whether the ticket was solved or closed, or is gone: what is known of past tickets has to look.
        ticket: What the event says of the ticket, where it says more than its id.
    """

    event: str
    reason: str
    ticket_id: str | None = None
    ended: bool = False
    ticket: TicketMetadata | None = None

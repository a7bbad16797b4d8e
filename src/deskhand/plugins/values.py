"""Values of the desk contract: frozen and vendor-neutral. Imported through ``plugins.contract``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.plugins.errors import NotAVendorPayloadError


class Access(StrEnum):
    """Whether an operation only looks, or changes the ticket."""

    READ = "read"
    WRITE = "write"


class Operation(StrEnum):
    """Everything an agent can be granted on a desk."""

    GET_TICKET = "get_ticket"
    SEARCH_TICKETS = "search_tickets"
    LIST_HISTORY = "list_history"
    LIST_VALUES = "list_values"
    ADD_NOTE = "add_note"
    UPDATE_TICKET = "update_ticket"
    ASSIGN = "assign"
    TRANSITION = "transition"
    RESOLVE = "resolve"

    @property
    def access(self) -> Access:
        """Read or write; grants are checked against it."""
        return Access.WRITE if self in _WRITES else Access.READ


_WRITES = frozenset(
    {Operation.ADD_NOTE, Operation.UPDATE_TICKET, Operation.ASSIGN, Operation.TRANSITION, Operation.RESOLVE}
)


class ValueKind(StrEnum):
    """Lists of values a desk can be asked for."""

    FIELDS = "fields"
    PRIORITIES = "priorities"
    STATUSES = "statuses"
    GROUPS = "groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the console and the API say about a plugin.

    Attributes:
        tool_type: Routing key, e.g. ``"servicedesk_plus"``.
        name: The product's own name.
        operations: What this desk can do; asking for another raises ``DeskUnsupportedError``.
        events: Vendor event names we act on.
        ignored_events: Vendor event names we know and ignore.
        signature: How its webhooks are authenticated, in one sentence.
        optimistic_writes: True if the desk itself refuses a stale write; else we read-compare-write.
        documentation: Path of the how-to page.
    """

    tool_type: str
    name: str
    operations: frozenset[Operation]
    events: frozenset[str]
    ignored_events: frozenset[str] = frozenset()
    signature: str
    optimistic_writes: bool = False
    documentation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A requester, technician or author as the desk knows it.

    Attributes:
        is_staff: Works on tickets (True) or only files them (False); None where the desk does not say.
    """

    id: str | None = None
    name: str | None = None
    email: str | None = None
    is_staff: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketMetadata:
    """The few facts about a ticket that a webhook itself carries; a hint, never trusted as truth.

    Attributes:
        ticket_id: The desk's stable id (never the display number).
        display_id: The number people see.
        updated_at: The desk's own stamp of the change, if the event carries it.
    """

    tool_type: str
    ticket_id: str
    display_id: str | None = None
    subject: str | None = None
    priority: str | None = None
    status: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One comment on a ticket; ``body`` is Markdown."""

    id: str
    body: str
    public: bool
    author: Person
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket as read from the desk. Text is Markdown, times are aware UTC datetimes.

    Attributes:
        id: Stable id used in every call.
        display_id: The number people see.
        priority: ``critical``, ``high``, ``medium`` or ``low`` after the tenant's mapping.
        vendor_priority: The desk's own word for it.
        status: The desk's own word.
        is_closed: True when the desk counts it as resolved or closed.
        revision: Opaque stamp that changes with every save, compared before a write.
        listed_at: In ``list_history``: the ticket's place on the clock that the desk lists its history by.
        custom: Vendor fields that have no place of their own, by the vendor's name.
        unread: What could not be read of it, each in a few words; empty for a ticket that is here as a whole.
    """

    tool_type: str
    id: str
    display_id: str
    subject: str
    description: str = ""
    status: str | None = None
    is_closed: bool = False
    priority: str | None = None
    vendor_priority: str | None = None
    category: str | None = None
    requester: Person | None = None
    assignee: Person | None = None
    group: str | None = None
    resolution: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    resolved_at: datetime | None = None
    url: str | None = None
    revision: str | None = None
    listed_at: datetime | None = None
    tags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketQuery:
    """A search on the desk.

    Attributes:
        text: Words to look for in the subject (and where the desk can, the description).
        status: Vendor status names; empty means any.
        updated_since: Lower bound, inclusive.
        page_size: Rows per call, 1 to 100.
        cursor: ``next_cursor`` of the page before.
    """

    text: str = ""
    status: tuple[str, ...] = ()
    updated_since: datetime | None = None
    page_size: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedTicket:
    """A ticket the desk listed and then would not show, or sent in a form that cannot be read; and why."""

    ref: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketPage:
    """One page of tickets; ``next_cursor`` is None on the last.

    Attributes:
        skipped: Tickets of the page that could not be read; the others are not lost because of them.
    """

    tickets: tuple[Ticket, ...]
    next_cursor: str | None = None
    total: int | None = None
    skipped: tuple[SkippedTicket, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """A priority, status, group or field the desk offers."""

    id: str
    name: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketChanges:
    """Fields to set; None leaves a field alone.

    Attributes:
        priority: ``critical``, ``high``, ``medium`` or ``low``, or the desk's own word.
        custom: Vendor field name to value.
        note: Folded into the same vendor call where the desk limits updates.
    """

    subject: str | None = None
    priority: str | None = None
    category: str | None = None
    group: str | None = None
    assignee_email: str | None = None
    add_tags: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    note: NoteDraft | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteDraft:
    """A note to write.

    Attributes:
        body: Markdown.
        public: True if the requester may read it; False is an internal note.
        mark: Idempotency mark (``dh-`` + 20 hex digits) that the desk keeps with the note.
    """

    body: str
    public: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReceipt:
    """Proof of a write: what the desk called it and the ticket's stamp afterwards.

    Attributes:
        id: Vendor id of the note, audit or transaction; the ticket id where the desk has none.
        mark: The idempotency mark the write carried.
        revision: The ticket's stamp after the write, if the desk gave one.
        adopted: True if the write was found from an earlier try and not repeated.
    """

    id: str
    ticket_id: str
    mark: str = ""
    revision: str | None = None
    adopted: bool = False


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
            raise NotAVendorPayloadError(f"The body is not JSON that can be read: {error} Send an object.") from error
        if not isinstance(payload, dict):
            raise NotAVendorPayloadError("The body must be a JSON object.")
        return payload


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
        revision: The ticket's stamp after the change, in the form in which a ``WriteReceipt`` has it.
        marks: Idempotency marks in the text that is new with this event. What the event merely repeats (earlier
            notes, the description) says nothing about who caused it.
    """

    event: str
    ticket: TicketMetadata
    actor: Person = Person()
    occurred_at: datetime | None = None
    note_id: str | None = None
    revision: str | None = None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A genuine vendor event that Deskhand does not act on, and why."""

    event: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """Result of testing a connection: what was checked, in order, and what failed."""

    ok: bool
    checks: tuple[tuple[str, bool, str], ...]
    account: Person | None = None

"""What is written to a desk, and what comes of it. Frozen and vendor-neutral; imported through ``plugins.contract``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of one save. Values are JSON.

    Attributes:
        field: Our name where we have one (``subject``, ``description``, ``status``, ``priority``, ``category``,
            ``group``, ``assignee``, ``resolution``, ``tags``, ``company``), else the desk's own.
        vendor_field: The desk's own name.
        before: The value as the desk keeps it, in the form in which ``restore_fields`` gives it back.
        after: The same of the new value.
        before_text: What a person reads for it.
        after_text: The same of the new value.
    """

    field: str
    vendor_field: str
    before: Any = None
    after: Any = None
    before_text: str = ""
    after_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketChanges:
    """Fields to set; None leaves a field alone. ``Manifest.settable`` names what a desk has a place for.

    Attributes:
        description: Markdown.
        priority: ``critical``, ``high``, ``medium`` or ``low``, or the desk's own word.
        custom: Any other field to its value, by the name people see or the desk's own; None empties it.
        note: Folded into the same vendor call where the desk limits updates.
    """

    subject: str | None = None
    description: str | None = None
    priority: str | None = None
    category: str | None = None
    group: str | None = None
    assignee_email: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    note: NoteDraft | None = None

    @property
    def used(self) -> frozenset[str]:
        """Names of the fields that are set."""
        return frozenset(one.name for one in fields(self) if one.name != "note" and getattr(self, one.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDraft:
    """A ticket to create. Of what is not given the desk's own defaults hold.

    Attributes:
        description: Markdown.
        requester_email: Whom it is for; our own account if nobody is named.
        type: What the desk calls the type: request type, issue type, or ticket type.
        company: Name or id of the client it is for.
        custom: Any other field to its value, by the name people see or the desk's own.
    """

    subject: str
    description: str = ""
    requester_email: str | None = None
    type: str | None = None
    priority: str | None = None
    category: str | None = None
    group: str | None = None
    assignee_email: str | None = None
    company: str | None = None
    tags: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)

    def as_changes(self) -> TicketChanges:
        """What a desk sets on a new ticket as it would on one that is there; the rest each desk does in its own way."""
        return TicketChanges(
            subject=self.subject,
            priority=self.priority,
            category=self.category,
            group=self.group,
            assignee_email=self.assignee_email,
            custom=self.custom,
        )


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
class WorkLog:
    """Time that was worked on a ticket, to be written beside it; no requester reads it.

    Attributes:
        minutes: Whole minutes, at least one.
        text: What was done (Markdown).
        started_at: When the work began, with its zone.
        billable: Whether a client may be charged for it, on desks that tell (``Manifest.bills_time``).
        mark: Idempotency mark, kept where ``find_time`` will find it.
    """

    minutes: int
    text: str
    started_at: datetime
    billable: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReceipt:
    """Proof of a write: what the desk called it and the ticket's stamp afterwards.

    Attributes:
        id: Vendor id of the note, audit or transaction; the ticket id where the desk has none.
        mark: The idempotency mark the write carried.
        revision: The ticket's stamp after the write, if the desk gave one.
        adopted: True if the write was found from an earlier try and not repeated, or was not needed.
        changes: The fields it changed, each as it was before and is now; what ``restore_fields`` takes back. Empty
            for an adopted one: the desk's own history (``ticket_changes``) tells.
        display_id: Of a created ticket, the number people see.
        url: Of a created ticket, its address.
        public: Of a note, whether the requester may read it, whatever was asked for; None where the desk's answer does
            not tell.
    """

    id: str
    ticket_id: str
    mark: str = ""
    revision: str | None = None
    adopted: bool = False
    changes: tuple[FieldChange, ...] = ()
    display_id: str | None = None
    url: str | None = None
    public: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What became of fields that were to be as before.

    Attributes:
        receipt: Of the write; None if nothing was left to write.
        skipped: Fields that somebody else has changed since, each with the value found in ``after``.
        fields: The desk's own names of those that were set, or would be.
    """

    receipt: WriteReceipt | None
    skipped: tuple[FieldChange, ...] = ()
    fields: tuple[str, ...] = ()

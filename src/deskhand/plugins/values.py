"""What a desk shows: tickets, people, notes, history. Frozen, vendor-neutral; imported through ``plugins.contract``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from deskhand.plugins.operations import LinkKind
from deskhand.plugins.writes import FieldChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A requester, technician or author as the desk knows it.

    Attributes:
        is_staff: Works on tickets (True) or only files them (False); None where the desk does not say.
        account: The name they sign in with, on desks whose records name people by it.
        is_vip: Whether the desk marks them as a VIP; None on desks that have or show no such mark.
    """

    id: str | None = None
    name: str | None = None
    email: str | None = None
    is_staff: bool | None = None
    account: str | None = None
    is_vip: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One comment on a ticket; ``body`` is Markdown."""

    id: str
    body: str
    public: bool
    author: Person
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePage:
    """One page of a ticket's notes, newest first; ``next_cursor`` is None on the last."""

    notes: tuple[Note, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The client a ticket is for: what desks call organisation, account, site or company."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLink:
    """A ticket that another one is linked with: one of the same desk by its id, or one elsewhere by its address.

    Attributes:
        kind: How the linking ticket stands to this one.
        ticket_id: Stable id on the same desk; empty for a ticket elsewhere.
        url: Address of a ticket elsewhere.
        title: What people read for an address.
    """

    kind: LinkKind = LinkKind.RELATED
    ticket_id: str = ""
    url: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """One save in a ticket's history.

    Attributes:
        id: The desk's own, the same however often it is listed.
        by: Who saved.
        fields: What changed; notes are not among them.
    """

    id: str
    at: datetime | None
    by: Person = Person()
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChangePage:
    """One page of a ticket's history, oldest first; ``next_cursor`` is None on the last."""

    changes: tuple[PastChange, ...]
    next_cursor: str | None = None


MAX_FILE_BYTES = 10 * 1024 * 1024
"""Longest file that is read: a log or a screenshot is smaller, and a run has no use for a dump."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedFile:
    """A file that hangs on a ticket or on one of its notes, and that the desk gives out.

    Attributes:
        id: What ``read_file`` finds it by; opaque.
        size: Bytes, where the desk says.
        public: Whether the requester sees it; None where the desk does not say.
    """

    id: str
    name: str
    size: int | None = None
    public: bool | None = None


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
        company: The client it is for, on desks that serve several.
        links: Tickets it is linked with, as far as the desk shows them with the ticket.
        kinds: What sort of ticket it is, by id and name: form, template, request type, issue type.
        custom: Vendor fields that have no place of their own, by the vendor's name.
        attachments: Names of the files that hang on it and on its notes, as far as the desk sends them with the ticket.
        files: Those of them that can be read, in the desk's order.
        unread: What could not be read of it, each in a few words; empty for a ticket that is here as a whole.
        merged_into: Id of the ticket that it was merged into or closed as a duplicate of, "" where the desk says only
            that it was; None for one that stands by itself.
        parent: Id of the ticket that it is a part of, where the desk says so.
        split_from: Id of the ticket that it was made out of: split from it, cloned, opened as its follow-up.
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
    company: Company | None = None
    links: tuple[TicketLink, ...] = ()
    kinds: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[str, ...] = ()
    files: tuple[AttachedFile, ...] = ()
    unread: tuple[str, ...] = ()
    merged_into: str | None = None
    parent: str | None = None
    split_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketQuery:
    """A search on the desk. What is given must all hold; ``Manifest.filters`` names what a desk can search by.

    Attributes:
        text: Words to look for in the subject (and where the desk can, the description).
        status: Vendor status names, any of them.
        priority: ``critical``, ``high``, ``medium``, ``low`` or the desk's own words, any of them.
        group: Name of the group it is with.
        requester: Mail address of who filed it.
        created_since: Lower bound, inclusive.
        created_until: Upper bound, exclusive.
        updated_since: Lower bound, inclusive.
        updated_until: Upper bound, exclusive.
        page_size: Rows per call, 1 to 100; more is taken as 100.
        cursor: ``next_cursor`` of the page before.
    """

    text: str = ""
    status: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    group: str | None = None
    requester: str | None = None
    created_since: datetime | None = None
    created_until: datetime | None = None
    updated_since: datetime | None = None
    updated_until: datetime | None = None
    page_size: int = 50
    cursor: str | None = None

    @property
    def used(self) -> frozenset[str]:
        """Names of the filters that are set."""
        return frozenset(name for name in ALL_FILTERS if getattr(self, name))


ALL_FILTERS = frozenset(one.name for one in fields(TicketQuery)) - {"page_size", "cursor"}


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
class ConnectionReport:
    """Result of testing a connection: what was checked, in order, and what failed.

    Attributes:
        warnings: What works and should not stay so, in sentences.
    """

    ok: bool
    checks: tuple[tuple[str, bool, str], ...]
    account: Person | None = None
    warnings: tuple[str, ...] = ()

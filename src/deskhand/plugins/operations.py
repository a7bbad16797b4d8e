"""What can be asked of a desk, and what a plugin says of itself. Imported through ``plugins.contract``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deskhand.plugins.standing import NoteEffect


class Access(StrEnum):
    """Whether an operation only looks, or changes the ticket."""

    READ = "read"
    WRITE = "write"


class Operation(StrEnum):
    """Everything an agent can be granted on a desk."""

    GET_TICKET = "get_ticket"
    LIST_NOTES = "list_notes"
    TICKET_CHANGES = "ticket_changes"
    SEARCH_TICKETS = "search_tickets"
    LIST_HISTORY = "list_history"
    LIST_VALUES = "list_values"
    ADD_NOTE = "add_note"
    UPDATE_NOTE = "update_note"
    REPLY = "reply"
    UPDATE_TICKET = "update_ticket"
    ASSIGN = "assign"
    TRANSITION = "transition"
    RESOLVE = "resolve"
    CREATE_TICKET = "create_ticket"
    LINK_TICKETS = "link_tickets"
    LOG_TIME = "log_time"

    @property
    def access(self) -> Access:
        """Read or write; grants are checked against it."""
        return Access.WRITE if self in _REPEATABLE | _ONCE else Access.READ

    @property
    def is_repeatable(self) -> bool:
        """Whether doing it twice leaves the desk as doing it once, so that a doubt needs no question.

        Of the others the desk is asked by their mark: ``find_write``, ``find_created`` for a new ticket, ``find_time``
        for a work log.
        """
        return self not in _ONCE


_REPEATABLE = frozenset(
    {
        *(Operation.UPDATE_NOTE, Operation.UPDATE_TICKET, Operation.ASSIGN, Operation.TRANSITION, Operation.RESOLVE),
        Operation.LINK_TICKETS,
    }
)
# What is there twice after being done twice; no desk compares notes, new tickets or work logs.
_ONCE = frozenset({Operation.ADD_NOTE, Operation.REPLY, Operation.CREATE_TICKET, Operation.LOG_TIME})
BASIC_OPERATIONS = (_REPEATABLE - {Operation.LINK_TICKETS, Operation.UPDATE_NOTE}) | {
    *(Operation.GET_TICKET, Operation.SEARCH_TICKETS, Operation.LIST_HISTORY, Operation.LIST_VALUES),
    *(Operation.ADD_NOTE, Operation.REPLY),
}
"""What every plugin can do with its abstract methods; the others are methods of its own choice."""


class ValueKind(StrEnum):
    """Lists of values a desk can be asked for."""

    FIELDS = "fields"
    PRIORITIES = "priorities"
    STATUSES = "statuses"
    GROUPS = "groups"
    CATEGORIES = "categories"
    TYPES = "types"


class LinkKind(StrEnum):
    """How one ticket stands to another, read from the ticket that is linked to the one that it is linked with."""

    RELATED = "related"
    DUPLICATES = "duplicates"
    BLOCKS = "blocks"
    CAUSED_BY = "caused_by"
    CHILD_OF = "child_of"


class Inverse(StrEnum):
    """Ways to take a write back, each a method of the plugin."""

    RESTORE_FIELDS = "restore_fields"
    WITHDRAW_NOTE = "withdraw_note"
    UNLINK_TICKETS = "unlink_tickets"
    CLOSE_CREATED = "close_created"
    WITHDRAW_TIME = "withdraw_time"


SAMPLE_TICKET, SAMPLE_TIME, SAMPLE_MILLISECONDS = "@@TICKET@@", "@@TIME@@", "@@MILLISECONDS@@"
"""What stands in a sample event for the ticket, and for the time of sending in the two forms that desks have."""


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
        settable: Attributes of ``TicketChanges`` that this desk has a place for.
        filters: Attributes of ``TicketQuery`` that this desk can search by.
        value_kinds: What ``list_values`` can be asked for.
        links: How tickets of this desk can be linked with each other.
        inverses: Writes that can be taken back, each by the method that ``Inverse`` names.
        bills_time: Whether a work log of this desk says that a client may be charged for it.
        deletes_notes: Whether ``withdraw_note`` takes a note away; else it writes a correction, and both are read.
        sample_event: Body of an event about a change of a ticket, to try a webhook with; None where there is none.
        limits: What an operation does differently here, in a sentence for the author of an agent.
        note_settings: Where an administrator of the desk changes what a note sets off, in the words of its own pages.
    """

    tool_type: str
    name: str
    operations: frozenset[Operation]
    events: frozenset[str]
    ignored_events: frozenset[str] = frozenset()
    signature: str
    optimistic_writes: bool = False
    documentation: str = ""
    settable: frozenset[str] = frozenset({"subject", "priority", "category", "group", "assignee_email", "custom"})
    filters: frozenset[str] = frozenset({"text", "status", "updated_since"})
    value_kinds: frozenset[ValueKind] = frozenset(
        {ValueKind.FIELDS, ValueKind.PRIORITIES, ValueKind.STATUSES, ValueKind.GROUPS}
    )
    links: frozenset[LinkKind] = frozenset()
    inverses: frozenset[Inverse] = frozenset()
    deletes_notes: bool = False
    bills_time: bool = False
    sample_event: Mapping[str, Any] | None = None
    limits: Mapping[Operation, str] = field(default_factory=dict)
    note_settings: Mapping[NoteEffect, str] = field(default_factory=dict)

"""The contract between Deskhand and a ticketing tool ("desk").

A plugin is a class: its ``manifest``, ``config_model`` and ``signature_schemes`` describe it, an instance is one
tenant's connection. Verifying and reading a webhook is pure (no I/O), so the API can do it
before it answers; everything else talks to the desk and may only raise ``plugins.errors``.
Values are frozen and vendor-neutral; what a vendor calls things stays inside its plugin.

What every desk can do is abstract here; what only some can do is in ``plugins.further``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.events import Ignored, TicketEvent, TicketMetadata, VerifiedWebhook, WebhookRequest
from deskhand.plugins.further import FurtherOperations
from deskhand.plugins.operations import BASIC_OPERATIONS, Access, Inverse, LinkKind, Manifest, Operation, ValueKind
from deskhand.plugins.signatures import Scheme, prove
from deskhand.plugins.standing import NoteEffect, SentMail, Standing
from deskhand.plugins.values import (
    ALL_FILTERS,
    MAX_FILE_BYTES,
    AttachedFile,
    Company,
    ConnectionReport,
    NamedValue,
    Note,
    NotePage,
    PastChange,
    PastChangePage,
    Person,
    SkippedTicket,
    Ticket,
    TicketLink,
    TicketPage,
    TicketQuery,
)
from deskhand.plugins.writes import FieldChange, NoteDraft, Restored, TicketChanges, TicketDraft, WorkLog, WriteReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskContext:
    """What a connection needs besides its configuration.

    Attributes:
        http: Makes the outbound client; the only door out.
        priority_mapping: Tenant's map from our four priorities to the desk's words.
    """

    http: HttpClientFactory
    priority_mapping: Mapping[str, str] = field(default_factory=dict)


class TicketingToolPlugin(FurtherOperations, ABC):
    """One tenant's connection to one desk.

    Args:
        config: A validated instance of ``config_model``; secrets are ``SecretStr``.
        context: Outbound HTTP and the tenant's mappings.
    """

    config_model: ClassVar[type[BaseModel]]
    signature_schemes: ClassVar[tuple[Scheme, ...]]

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        self.config = config
        self.context = context

    # -- webhooks: pure ----------------------------------------------------------------------

    @classmethod
    def validate_webhook(cls, request: WebhookRequest, *, secrets: Sequence[str], now: datetime) -> VerifiedWebhook:
        """Prove that the desk sent this request, by one of ``signature_schemes``.

        Args:
            request: Raw request.
            secrets: Secrets in force (two during a rotation); an empty one never verifies.
            now: Current time; signed timestamps may differ by the scheme's window.

        Raises:
            SignatureError: Nothing fits; the detail says which part failed, never the secret.
        """
        return prove(request, schemes=cls.signature_schemes, readers=(cls,), secrets=secrets, now=now)

    @classmethod
    def delivery_id(cls, request: WebhookRequest) -> str | None:
        """What the body itself calls its event, for schemes whose signature covers no delivery id.

        Two bodies with one name are one event. None: the bytes of the body are the name.
        """
        del request
        return None

    @classmethod
    def sent_at(cls, request: WebhookRequest) -> datetime | None:
        """When the body itself says it was sent, for schemes whose signature covers no time."""
        del request
        return None

    @classmethod
    @abstractmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        """Read a verified request; ``request.payload`` is its body, parsed once.

        Raises:
            NotAVendorPayloadError: The body is not something this vendor sends.
        """

    @classmethod
    @abstractmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        """Whether our own account on that desk caused the event.

        Args:
            config: The tenant's connection; nothing is called.
            event: What came in.

        Returns:
            True or False; None if the event names nobody, or the connection does not say which account is ours.
        """

    @classmethod
    def company_field(cls, config: BaseModel) -> str | None:
        """Which of ``TicketMetadata.companies`` is the client; None where events name one at most."""
        del config
        return None

    # -- reading -----------------------------------------------------------------------------

    @abstractmethod
    async def test_connection(self) -> ConnectionReport:
        """Check address, credentials and permissions; never raises for what it tests."""

    @abstractmethod
    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        """Read one ticket.

        Raises:
            DeskNotFoundError: The desk shows no such ticket to our account.
        """

    @abstractmethod
    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        """Find tickets on the desk, newest change first.

        Raises:
            DeskUnsupportedError: A filter is set that ``manifest.filters`` does not name.
            DeskValidationError: The cursor is none of ours, or the desk knows no such status, priority or group.
        """

    @abstractmethod
    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = 100) -> TicketPage:
        """Tickets that are resolved or closed, with their resolution, oldest first on the desk's own clock.

        Args:
            since: Lower bound on that clock (the last change, or the solving, as the desk can list by).
            cursor: ``next_cursor`` of the page before.
            page_size: Tickets per call.

        Returns:
            Tickets with ``listed_at`` set to their place on the same clock: the greatest that was stored is the
            ``since`` an import goes on from. A ticket that cannot be read is one of ``skipped``.
        """

    @abstractmethod
    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        """Priorities, statuses, groups, fields and so on, as far as ``manifest.value_kinds`` names them."""

    # -- writing -----------------------------------------------------------------------------

    @abstractmethod
    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        """Write a note; ``note.mark`` ends up where ``find_write`` will find it."""

    async def reply(self, ticket_id: str, body: str, *, mark: str = "") -> WriteReceipt:
        """Answer the requester: a note (Markdown) that is public, sent as a technician's is."""
        if Operation.REPLY not in self.manifest.operations:
            raise self._cannot(Operation.REPLY)
        return await self.add_note(ticket_id, NoteDraft(body=body, public=True, mark=mark))

    @abstractmethod
    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        """Set fields.

        Args:
            ticket_id: Stable id.
            changes: What to set.
            mark: Idempotency mark kept with the write where the desk has a place for it.
            if_revision: Refuse (``DeskConflictError``) if the ticket's revision is another.
        """

    @abstractmethod
    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        """Assign to a technician, a group, or both; None for both unassigns."""

    @abstractmethod
    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        """Move to a status, by the desk's own name."""

    @abstractmethod
    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        """Resolve with a text (Markdown)."""

    @abstractmethod
    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        """Look up a write by its mark.

        Returns:
            The receipt, or None if the desk surely has no such write.

        Raises:
            DeskCannotTellError: The desk cannot answer that question.
        """

    async def is_linked(self, ticket_id: str, link: TicketLink) -> bool:
        """Whether a link is there still; one elsewhere, which no desk shows with the ticket, counts as there."""
        return bool(link.url) or link in (await self.get_ticket(ticket_id, with_notes=False)).links

    # -- set-up ------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        """Markdown: the ready-made rule or script to paste into the desk, filled in."""

    async def aclose(self) -> None:
        """Release connections held by this instance."""
        return


def header(request: WebhookRequest, name: str) -> str | None:
    """Value of a header, by lower-case name."""
    return request.headers.get(name.lower())


__all__ = [
    "ALL_FILTERS",
    "BASIC_OPERATIONS",
    "MAX_FILE_BYTES",
    "Access",
    "AttachedFile",
    "Company",
    "ConnectionReport",
    "DeskContext",
    "FieldChange",
    "Ignored",
    "Inverse",
    "LinkKind",
    "Manifest",
    "NamedValue",
    "Note",
    "NoteDraft",
    "NoteEffect",
    "NotePage",
    "Operation",
    "PastChange",
    "PastChangePage",
    "Person",
    "Restored",
    "SentMail",
    "SkippedTicket",
    "Standing",
    "Ticket",
    "TicketChanges",
    "TicketDraft",
    "TicketEvent",
    "TicketLink",
    "TicketMetadata",
    "TicketPage",
    "TicketQuery",
    "TicketingToolPlugin",
    "ValueKind",
    "VerifiedWebhook",
    "WebhookRequest",
    "WorkLog",
    "WriteReceipt",
    "header",
]

"""What a run of the lab may see: its ticket as it was when it came, and of the desk what has not changed since.

The desk of such a run is asked as it is now, for there is no other; this stands between the two. What cannot be shown
as it was at the time is not shown: another ticket that was saved since, a note, a change, anything that is written.
"""

# ruff: noqa: ARG002, ARG003 - a method that refuses needs nothing of what it is asked for

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from deskhand.errors import ForbiddenError
from deskhand.lab.rebuilding import Truth, rebuild, truth_of
from deskhand.plugins.contract import (
    NamedValue,
    NoteDraft,
    NotePage,
    Operation,
    PastChange,
    PastChangePage,
    Ticket,
    TicketChanges,
    TicketEvent,
    TicketingToolPlugin,
    TicketMetadata,
    TicketPage,
    TicketQuery,
    ValueKind,
    WriteReceipt,
)
from deskhand.plugins.errors import DeskNotFoundError, DeskUnsupportedError
from deskhand.plugins.events import Ignored, WebhookRequest

TICKET = TypeAdapter(Ticket)
PAGES = 20
"""Of a ticket's history; a longer one is not whole here, and a ticket that is not whole is not rebuilt."""

Keep = Callable[[Truth, datetime], Awaitable[None]]
Decide = Callable[[Ticket], object]


@dataclass(slots=True, kw_only=True)
class Past:
    """The time in which a run of the lab takes place.

    Attributes:
        case_id: The ticket's row in the lab.
        ticket_ref: Its id at the desk.
        kept: A test case's ticket, as a run once read it; None for one that is rebuilt.
        at: When it is; of a rebuilt ticket it is known once that was read.
        keep: Keeps what people did, where the run itself does not look.
    """

    case_id: UUID
    ticket_ref: str
    kept: Ticket | None = None
    at: datetime | None = None
    keep: Keep = field(repr=False)

    @property
    def moment(self) -> datetime:
        """When it is.

        Raises:
            ForbiddenError: The ticket has not been read: nothing may be looked up before it is known for when.
        """
        if self.at is None:
            raise ForbiddenError("A run of the replay lab looks nothing up before it has read its ticket.")
        return self.at

    def saw(self, ticket: Ticket) -> None:
        """Set the time by the run's ticket, also where a run that was taken up again has it from its journal."""
        if self.at is None:
            self.at = ticket.created_at

    def of(self, desk: TicketingToolPlugin, decide: Decide) -> TicketingToolPlugin:
        """A connection that shows what was there at the time.

        Args:
            desk: The tenant's connection.
            decide: The tenant's rule about a ticket.
        """
        return PastDesk(desk, self, decide)


class PastDesk(TicketingToolPlugin):
    """One tenant's desk, as it was."""

    config_model = BaseModel
    signature_schemes = ()

    def __init__(self, desk: TicketingToolPlugin, past: Past, decide: Decide) -> None:
        super().__init__(desk.config, desk.context)
        # What it is and who we are there is the desk's own answer; an instance's attribute goes before the class's.
        self.__dict__["manifest"] = desk.manifest
        self.__dict__["is_own_event"] = desk.is_own_event
        self._desk = desk
        self._past = past
        self._decide = decide

    # -- reading -----------------------------------------------------------------------------

    async def get_ticket(self, ticket_id: str, *, with_notes: bool = True) -> Ticket:
        if ticket_id == self._past.ticket_ref:
            own = self._past.kept or await self._rebuilt(ticket_id)
            return own if with_notes else replace(own, notes=())
        ticket = await self._desk.get_ticket(ticket_id, with_notes=with_notes)
        if not self._is_as_it_was(ticket):
            raise DeskNotFoundError(
                f"{self.manifest.name} has changed ticket {ticket_id} since, so what it was then is not known."
            )
        return ticket

    async def search_tickets(self, query: TicketQuery) -> TicketPage:
        page = await self._desk.search_tickets(query)
        then = tuple(ticket for ticket in page.tickets if self._is_as_it_was(ticket))
        return TicketPage(tickets=then, next_cursor=page.next_cursor)

    async def list_notes(
        self, ticket_id: str, *, public: bool | None = None, cursor: str | None = None, page_size: int = 50
    ) -> NotePage:
        del cursor, page_size
        notes = (await self.get_ticket(ticket_id)).notes
        return NotePage(notes=tuple(note for note in notes[::-1] if public is None or note.public is public))

    async def ticket_changes(
        self, ticket_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> PastChangePage:
        del cursor, page_size
        at = self._past.moment
        await self.get_ticket(ticket_id, with_notes=False)
        earlier = [change for change in await self._changes(ticket_id) if change.at is not None and change.at <= at]
        return PastChangePage(changes=tuple(earlier))

    async def list_history(self, since: datetime, *, cursor: str | None = None, page_size: int = 100) -> TicketPage:
        raise self._later()

    async def list_values(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        return await self._desk.list_values(kind)

    async def test_connection(self) -> Any:
        return await self._desk.test_connection()

    async def aclose(self) -> None:
        await self._desk.aclose()

    async def _rebuilt(self, ticket_id: str) -> Ticket:
        now = await self._desk.get_ticket(ticket_id, with_notes=False)
        changes = await self._changes(ticket_id)
        try:
            then = rebuild(now, changes)
        except ValueError as error:
            raise DeskUnsupportedError(f"Ticket {ticket_id} cannot be rebuilt: {error}.") from error
        # A mark that people put on it later keeps it from models all the same: what was it then is no permission now.
        if self._decide(now) != self._decide(then):
            raise ForbiddenError("A rule of the tenant is about this ticket as it is now; no model is shown it.")
        self._past.saw(then)
        await self._past.keep(truth_of(now, changes, self._is_ours), self._past.moment)
        return then

    def _is_ours(self, change: PastChange) -> bool:
        about = TicketMetadata(tool_type=self.manifest.tool_type, ticket_id="")
        event = TicketEvent(event="changed", ticket=about, actor=change.by)
        return self._desk.is_own_event(self.config, event) is True

    async def _changes(self, ticket_id: str) -> list[PastChange]:
        if Operation.TICKET_CHANGES not in self.manifest.operations:
            return []
        changes: list[PastChange] = []
        cursor: str | None = None
        for _ in range(PAGES):
            page = await self._desk.ticket_changes(ticket_id, cursor=cursor)
            changes.extend(page.changes)
            cursor = page.next_cursor
            if cursor is None:
                return changes
        raise DeskUnsupportedError(f"Ticket {ticket_id} has too long a history to be rebuilt from it.")

    def _is_as_it_was(self, ticket: Ticket) -> bool:
        """Whether nothing was saved on a ticket since; only then is what the desk shows what it showed then."""
        return ticket.updated_at is not None and ticket.updated_at < self._past.moment

    # -- writing: a dry run ends before it ----------------------------------------------------

    async def add_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        raise self._later()

    async def update_ticket(
        self, ticket_id: str, changes: TicketChanges, *, mark: str = "", if_revision: str | None = None
    ) -> WriteReceipt:
        raise self._later()

    async def assign(
        self, ticket_id: str, *, assignee_email: str | None, group: str | None = None, mark: str = ""
    ) -> WriteReceipt:
        raise self._later()

    async def transition(self, ticket_id: str, status: str, *, mark: str = "") -> WriteReceipt:
        raise self._later()

    async def resolve(self, ticket_id: str, resolution: str, *, mark: str = "") -> WriteReceipt:
        raise self._later()

    async def find_write(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        raise self._later()

    def _later(self) -> DeskUnsupportedError:
        return DeskUnsupportedError(f"{self.manifest.name} as it was: nothing can be written there or listed.")

    # -- events: none come from the past ------------------------------------------------------

    @classmethod
    def extract_metadata(cls, request: WebhookRequest) -> TicketEvent | Ignored:
        return Ignored(event="", reason="No event comes from the past.")

    @classmethod
    def is_own_event(cls, config: BaseModel, event: TicketEvent) -> bool | None:
        return None

    @classmethod
    def setup_guide(cls, *, webhook_url: str, secret: str) -> str:
        return ""


__all__ = ["TICKET", "Past", "PastDesk"]

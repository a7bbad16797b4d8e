"""What a simulated desk is, whichever vendor's: tickets, events, and what the vendor's part provides.

``app`` serves it; pages and control endpoints know a desk by this module alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.text import sanitize_html
from deskhand.simulators.base.faults import Fault, FaultList
from deskhand.simulators.base.state import SimClock, SimFile, SimLog, SimNote, SimPerson, SimTicket, TicketStore
from deskhand.simulators.base.webhooks import OutboundEvent, WebhookSender

EventKind = Literal["created", "updated", "note"]
_CALLS_KEPT = 20_000


class SimulatedDesk(ABC):
    """A ticketing tool in miniature. Subclasses add the vendor's routes and shapes.

    Vendor routes change tickets only through ``file_ticket``, ``write_note`` and ``change``, so that
    every effect is counted and announced by a webhook, whoever causes it.

    Args:
        seed: Makes ids reproducible.
        now: Freezes the clock at this instant; None follows the real one.
        bot: The account our plugin signs in as.
        http: Makes the client that sends webhooks.
    """

    tool_type: ClassVar[str]
    product: ClassVar[str]
    priorities: ClassVar[tuple[str, ...]]
    statuses: ClassVar[tuple[str, ...]]
    spared_paths: ClassVar[str | None] = None
    """Paths (regular expression) that faults pass over unless they name them, e.g. token endpoints."""
    resolution: ClassVar[timedelta] = timedelta(milliseconds=1)

    def __init__(
        self,
        *,
        seed: int = 0,
        now: datetime | None = None,
        bot: SimPerson | None = None,
        http: HttpClientFactory | None = None,
    ) -> None:
        self.clock = SimClock(now)
        account = bot or SimPerson(id="5", name="Deskhand", email="deskhand@desk.test", is_agent=True)
        self.store = TicketStore(self.clock, seed=seed, bot=account, resolution=self.resolution)
        self.faults = FaultList(self.clock, spared=self.spared_paths)
        self.sender = WebhookSender(self.clock, http or HttpClientFactory(allow_private=True, read_timeout=10.0))
        self.calls: deque[dict[str, Any]] = deque(maxlen=_CALLS_KEPT)

    # -- what the vendor's part provides ---------------------------------------------------------

    @abstractmethod
    def routes(self) -> list[BaseRoute]:
        """The vendor's API."""

    @abstractmethod
    def render_fault(self, fault: Fault, request: Request) -> Response:
        """The vendor's answer, with its usual headers, for a ``status`` fault."""

    @abstractmethod
    def event(self, kind: EventKind, ticket: SimTicket, *, actor: SimPerson, note: SimNote | None) -> OutboundEvent:
        """The vendor's webhook for something that has just happened."""

    @abstractmethod
    def new_ticket_id(self) -> str:
        """A ticket id in the vendor's form."""

    def new_file_id(self) -> str:
        """An id of an attachment in the vendor's form."""
        return str(70_000 + self.store.next_serial())

    @abstractmethod
    def from_markdown(self, markdown: str) -> str:
        """The vendor's markup for text typed into the page or a control endpoint."""

    @abstractmethod
    def to_html(self, markup: str) -> str:
        """The vendor's markup as HTML for the page (cleaned again before it is shown)."""

    def initial_fields(self) -> dict[str, Any]:
        """Fields of a new ticket that nobody set."""
        return {"status": self.statuses[0]}

    def closing_fields(self, status: str) -> dict[str, Any]:
        """Further fields that change when a ticket gets this status; override to set ``resolved_at``."""
        return {"status": status}

    def expire_tokens(self) -> None:
        """End every access token handed out; desks with static keys have none."""
        return

    # -- the only ways to change a ticket --------------------------------------------------------

    def file_ticket(self, *, subject: str, requester: SimPerson, **fields: Any) -> SimTicket:
        """Create a ticket and announce it; text is in the vendor's markup."""
        # Announced after it is stored, as vendors do: a receiver that asks back at once finds the ticket.
        ticket = self.store.add(
            self.new_ticket_id(), subject=subject, requester=requester, **{**self.initial_fields(), **fields}
        )
        self._announce("created", ticket, requester)
        return ticket

    def write_note(
        self, ticket: SimTicket, body: str, *, public: bool, author: SimPerson, files: Sequence[SimFile] = ()
    ) -> SimNote:
        """Add a note with its files and announce it."""
        note = self.store.add_note(ticket, body, public=public, author=author)
        ticket.attachments += [replace(one, note_id=note.id) for one in files]
        self._announce("note", ticket, author, note)
        return note

    def rewrite(self, ticket: SimTicket, note: SimNote, body: str) -> None:
        """Edit a note as the account that calls, and announce it as a change of the ticket."""
        self.store.edit_note(ticket, note, body, by=self.store.bot)
        self._announce("updated", ticket, self.store.bot)

    def log_time(self, ticket: SimTicket, *, seconds: int, text: str, started_at: datetime) -> SimLog:
        """Write down time as the account that calls, on a desk that counts it among the changes of the ticket."""
        log = self.store.log_time(ticket, seconds=seconds, text=text, started_at=started_at)
        self._announce("updated", ticket, log.author)
        return log

    def change(self, ticket: SimTicket, changes: dict[str, Any], *, by: SimPerson, texts: Iterable[str] = ()) -> None:
        """Set fields in one save and announce it; ``texts`` are where an idempotency mark may stand."""
        self.store.update(ticket, changes, by=by, texts=texts)
        self._announce("updated", ticket, by)

    def _announce(self, kind: EventKind, ticket: SimTicket, actor: SimPerson, note: SimNote | None = None) -> None:
        self.sender.emit(self.event(kind, ticket, actor=actor, note=note))

    # -- for the pages and the control endpoints -------------------------------------------------

    def safe_html(self, markup: str | None) -> str:
        """Markup ready to be put into a page."""
        return sanitize_html(self.to_html(markup)) if markup else ""

    def reset(self) -> None:
        """Empty state; the webhook target stays."""
        self.store.clear()
        self.store.index_lag = 0.0
        # The clock too: a test that froze it would leave the next one in another time.
        self.clock.freeze(None)
        self.faults.clear()
        self.sender.forget()
        self.calls.clear()

"""What the contract suite needs to know of a desk, and the ready-made answer for simulated ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import LinkKind, TicketingToolPlugin, WebhookRequest
from deskhand.plugins.errors import DeskError
from deskhand.simulators.base import DeskSimulator, Fault, SimTicket
from deskhand.simulators.base.desk import EventKind
from deskhand.simulators.base.state import SimFile, SimLog

READ_TIMEOUT = 0.25
"""Seconds a plugin under test waits for an answer, so that the slow desk is a short test."""

TEST_HTTP = HttpClientFactory(allow_private=True, read_timeout=READ_TIMEOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Words of the desk under test.

    Attributes:
        working_status: A status that leaves the ticket open and differs from a new ticket's.
        technician: Mail address of somebody a ticket can be assigned to.
        group: A group that exists and differs from a new ticket's.
        priorities: Those of our four that the desk can set and give back.
        missing_id: Id of no ticket, in the desk's form.
        foreign_body: A JSON body that this vendor never sends.
        custom: A field without a place in ``TicketChanges``, as people call it, and two values for it.
        company: A client that a ticket can be for.
        category: A category that exists and differs from a new ticket's.
        restored_status: The status of a ticket that was taken back to a new one's; None is the same.
        tag: A tag that exists, where tags are made beforehand.
    """

    working_status: str
    technician: str
    group: str | None
    priorities: tuple[str, ...] = ("critical", "high", "medium", "low")
    missing_id: str = "1"
    foreign_body: bytes = b'{"zen": "Design for failure.", "hook_id": 1}'
    custom: tuple[str, Any, Any] | None = None
    company: str | None = None
    category: str | None = None
    tag: str = "vpn"
    restored_status: str | None = None


class DeskHarness(ABC):
    """A plugin, the desk behind it, and the hands to make the desk do things.

    Attributes:
        plugin: Connected to the desk, with ``TEST_HTTP``.
        words: The desk's vocabulary.
        secret: Webhook secret in force.
        rich_text: Headings, lists and links survive a round trip.
        signs_body: Webhook authentication covers the body (a static token does not).
        signs_time: It covers a timestamp.
        tells_images: Receipts say what was before.
        checks_cursors: What is no cursor of the desk's is known as such before it is asked.
    """

    plugin: TicketingToolPlugin
    words: Vocabulary
    secret: str
    rich_text = True
    signs_body = True
    signs_time = True
    tells_images = False
    checks_cursors = False

    @abstractmethod
    async def create_ticket(self, subject: str, description: str = "") -> str:
        """A ticket filed by a requester (Markdown); returns its id."""

    async def create_for(self, company: str) -> str:
        """A ticket for one of the desk's clients; needed where ``words.company`` is set."""
        raise NotImplementedError(f"The words name a company: make a ticket for '{company}' at the desk.")

    async def rename_elsewhere(self, ticket_id: str, subject: str) -> None:
        """Another technician changes the subject; needed where the desk can restore fields."""
        raise NotImplementedError(f"The desk restores fields: rename {ticket_id} to '{subject}' as a technician would.")

    async def create_with_files(self, filed: Mapping[str, bytes], noted: Mapping[str, bytes]) -> str:
        """A ticket that was filed with some files, with an internal note that carries the others."""
        raise NotImplementedError(f"The desk gives out files: file {[*filed]} and write a note with {[*noted]}.")

    async def mentions(self, ticket_id: str, url: str) -> int:
        """How often a ticket names an address, in its notes or links."""
        ticket = await self.plugin.get_ticket(ticket_id)
        return sum(
            url in text for text in (*(note.body for note in ticket.notes), *(link.url for link in ticket.links))
        )

    async def create_target(self, kind: LinkKind) -> str:
        """A ticket that another one can be linked with in this way."""
        del kind
        return await self.create_ticket("Print server is down")

    async def count_created(self, subject: str) -> int:
        """How many tickets the desk has under a subject; needed where the desk can create tickets."""
        raise NotImplementedError(f"The desk creates tickets: count those called '{subject}'.")

    @abstractmethod
    async def edit_elsewhere(self, ticket_id: str) -> None:
        """Another technician saves the ticket."""

    @abstractmethod
    async def put_fault(self, fault: Fault) -> None:
        """Make the desk fail."""

    @abstractmethod
    async def heal(self) -> None:
        """Remove all faults."""

    @abstractmethod
    async def effects(self, ticket_id: str) -> tuple[int, int]:
        """How many notes and field updates took effect on a ticket."""

    async def work_logs(self, ticket_id: str) -> list[tuple[int, str, datetime]]:
        """Minutes, text and beginning of the time that was written down; asked of desks that keep time alone."""
        raise NotImplementedError(f"{self.plugin.manifest.name} keeps time: say what work logs {ticket_id} has.")

    async def log_elsewhere(self, ticket_id: str, text: str) -> None:
        """Another technician writes down ten minutes; asked of desks that keep time alone."""
        raise NotImplementedError(
            f"{self.plugin.manifest.name} keeps time: log some on {ticket_id} as another, {text!r}."
        )

    @abstractmethod
    async def webhook(self, ticket_id: str, kind: EventKind, *, now: datetime, by_us: bool = False) -> WebhookRequest:
        """The delivery the desk sends about a ticket, signed at ``now``; ``by_us``: our account caused it."""

    def expected_error(self, _operation: str, _failure: str, default: type[DeskError]) -> type[DeskError]:
        """Error class of one cell of the failure table, for a desk that differs with a reason."""
        return default


class SimulatorHarness(DeskHarness):
    """A harness on a ``DeskSimulator`` that runs in this event loop.

    Args:
        plugin: Connected to the simulator.
        simulator: Freshly reset.
        words: The desk's vocabulary.
        secret: Webhook secret.
        scheme: Webhook scheme, by the simulator's own names.
    """

    def __init__(
        self,
        plugin: TicketingToolPlugin,
        simulator: DeskSimulator,
        words: Vocabulary,
        *,
        secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # noqa: S107 - a published test vector
        scheme: str = "",
    ) -> None:
        self.plugin = plugin
        self.simulator = simulator
        self.words = words
        self.secret = secret
        simulator.sender.target = simulator.sender.target.model_copy(update={"secret": secret, "scheme": scheme})
        # Known beforehand: desks assign to people they have, and the suite is not about making accounts.
        simulator.store.person(words.technician, is_agent=True)

    async def create_ticket(self, subject: str, description: str = "") -> str:
        sim = self.simulator
        requester = sim.store.person("requester@corp.test")
        return sim.file_ticket(subject=subject, description=sim.from_markdown(description), requester=requester).id

    async def create_with_files(self, filed: Mapping[str, bytes], noted: Mapping[str, bytes]) -> str:
        sim = self.simulator
        requester = sim.store.person("requester@corp.test")
        ticket = sim.file_ticket(subject="Printer jams", requester=requester, attachments=self._files(filed))
        technician = sim.store.person(self.words.technician)
        sim.write_note(ticket, sim.from_markdown("See."), public=False, author=technician, files=self._files(noted))
        return ticket.id

    def _files(self, named: Mapping[str, bytes]) -> list[SimFile]:
        return [SimFile(self.simulator.new_file_id(), name, content) for name, content in named.items()]

    async def edit_elsewhere(self, ticket_id: str) -> None:
        technician = self.simulator.store.person(self.words.technician)
        # A save that changes nothing still raises the revision, which is all that a stale update is known by.
        self.simulator.change(self._ticket(ticket_id), {}, by=technician)

    async def create_for(self, company: str) -> str:
        requester = self.simulator.store.person("requester@corp.test")
        return self.simulator.file_ticket(subject="Badge reader", requester=requester, company=company).id

    async def rename_elsewhere(self, ticket_id: str, subject: str) -> None:
        technician = self.simulator.store.person(self.words.technician)
        self.simulator.change(self._ticket(ticket_id), {"subject": subject}, by=technician)

    async def count_created(self, subject: str) -> int:
        return sum(ticket.subject == subject for ticket in self.simulator.store.tickets.values())

    async def put_fault(self, fault: Fault) -> None:
        self.simulator.faults.add(fault)

    async def heal(self) -> None:
        self.simulator.faults.clear()

    async def effects(self, ticket_id: str) -> tuple[int, int]:
        counted = self.simulator.store.effects.get(ticket_id)
        return (counted.notes, counted.updates) if counted else (0, 0)

    async def work_logs(self, ticket_id: str) -> list[tuple[int, str, datetime]]:
        return [(log.seconds // 60, log.text, log.started_at) for log in self._ticket(ticket_id).work_logs]

    async def log_elsewhere(self, ticket_id: str, text: str) -> None:
        store = self.simulator.store
        now, technician = store.clock.stamp(store.resolution), store.person(self.words.technician)
        body = self.simulator.from_markdown(text)
        self._ticket(ticket_id).work_logs.append(SimLog(str(store.next_serial()), 600, body, technician, now, now))

    async def webhook(self, ticket_id: str, kind: EventKind, *, now: datetime, by_us: bool = False) -> WebhookRequest:
        store, ticket = self.simulator.store, self._ticket(ticket_id)
        actor = store.bot if by_us else store.person(self.words.technician)
        note = ticket.notes[-1] if kind == "note" and ticket.notes else None
        event = self.simulator.event(kind, ticket, actor=actor, note=note)
        headers = {name.lower(): value for name, value in event.sign(now).items()}
        return WebhookRequest(headers={"content-type": "application/json", **headers}, body=event.body)

    def _ticket(self, ticket_id: str) -> SimTicket:
        ticket = self.simulator.store.get(ticket_id)
        assert ticket is not None
        return ticket

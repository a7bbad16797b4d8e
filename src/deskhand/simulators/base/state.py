"""What a simulated desk remembers: people, tickets, notes, and how often each was written to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.simulators.base.rules import NOTE_RULE, PUBLIC_RULE, NoteRules, SimMail


class SimClock:
    """A clock that runs by itself until it is frozen or moved, and never stamps two writes alike.

    Args:
        now: Freeze at this instant; None follows the real clock.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self._frozen = now
        self._offset = timedelta()
        self._last = datetime.fromtimestamp(0, UTC)

    def __call__(self) -> datetime:
        return (self._frozen or datetime.now(UTC)) + self._offset

    def freeze(self, now: datetime | None) -> None:
        """Stand still at an instant; None runs with the real clock again."""
        self._frozen, self._offset = now, timedelta()
        self._last = datetime.fromtimestamp(0, UTC)

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._offset += timedelta(seconds=seconds)

    def stamp(self, resolution: timedelta = timedelta(milliseconds=1)) -> datetime:
        """Time for a write: at least one ``resolution`` after the stamp before, so order is always visible."""
        whole = self()
        whole -= timedelta(
            microseconds=(whole.microsecond % 1_000_000) % max(1, resolution // timedelta(microseconds=1))
        )
        # Two writes within one tick would sort by chance, and a product's paging by time could not be tested.
        self._last = max(whole, self._last + resolution)
        return self._last


@dataclass(slots=True)
class SimPerson:
    """Somebody the desk knows; ``signs_in`` with a browser, as a person does and a program does not."""

    id: str
    name: str
    email: str
    is_agent: bool = False
    is_vip: bool = False
    signs_in: bool = False


@dataclass(slots=True)
class SimNote:
    """One note; ``body`` is in the vendor's own markup."""

    id: str
    body: str
    public: bool
    author: SimPerson
    created_at: datetime
    edited_at: datetime | None = None


@dataclass(slots=True)
class SimChange:
    """One save of a ticket, for the vendor's history: attribute to its value before and after."""

    id: str
    at: datetime
    by: SimPerson
    fields: dict[str, tuple[Any, Any]]
    marks: tuple[str, ...] = ()


@dataclass(slots=True)
class SimLink:
    """One link between two tickets, kept at the one it was made from; ``kind`` is the vendor's word."""

    id: str
    kind: str
    ticket_id: str = ""
    url: str = ""
    text: str = ""


@dataclass(slots=True)
class SimFile:
    """A file that hangs on a ticket, or on one of its notes.

    Attributes:
        note_id: The note that it came with; "" for one that was filed with the ticket.
    """

    id: str
    name: str
    content: bytes = b""
    content_type: str = "application/octet-stream"
    note_id: str = ""


@dataclass(slots=True)
class SimLog:
    """Time that somebody worked on a ticket; ``text`` is in the vendor's own markup.

    Attributes:
        cost: What a client is charged for it, in the vendor's own form; None where the desk would compute it.
    """

    id: str
    seconds: int
    text: str
    author: SimPerson
    started_at: datetime
    created_at: datetime
    cost: str | None = None


@dataclass(slots=True)
class SimTicket:
    """One ticket; words are the vendor's own, text is in the vendor's markup.

    Attributes:
        revision: Counts saves, for vendors that show it.
        indexed: The state that search sees while the index lags (a copy), with the time of the change.
        custom: Vendor fields without a place of their own.
        parent: Id of the ticket that it is a part of.
        split_from: Id of the ticket that it was made out of: its follow-up, its clone, a part of it.
        attachments: Files that hang on it and on its notes, oldest first.
        responded_at: When the requester was first answered.
        mails: What the desk has sent about it.
    """

    id: str
    display_id: str
    subject: str
    requester: SimPerson
    created_at: datetime
    updated_at: datetime
    description: str = ""
    status: str = ""
    priority: str | None = None
    category: str | None = None
    group: str | None = None
    assignee: SimPerson | None = None
    resolution: str | None = None
    resolved_at: datetime | None = None
    updated_by: SimPerson | None = None
    revision: int = 0
    tags: list[str] = field(default_factory=list)
    notes: list[SimNote] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)
    company: str | None = None
    kind: str | None = None
    parent: str = ""
    split_from: str = ""
    history: list[SimChange] = field(default_factory=list)
    links: list[SimLink] = field(default_factory=list)
    work_logs: list[SimLog] = field(default_factory=list)
    attachments: list[SimFile] = field(default_factory=list)
    responded_at: datetime | None = None
    mails: list[SimMail] = field(default_factory=list)


@dataclass(slots=True)
class Effects:
    """What took effect on one ticket; how a chaos test proves "exactly once"."""

    notes: int = 0
    updates: int = 0
    created: int = 0
    removed: int = 0
    edited: int = 0
    logged: int = 0
    marks: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "notes": self.notes,
            "updates": self.updates,
            "created": self.created,
            "removed": self.removed,
            "edited": self.edited,
            "logged": self.logged,
            "marks": dict(self.marks),
        }


class TicketStore:
    """Tickets and people of one simulator.

    Args:
        clock: Stamps writes.
        seed: Makes ids reproducible.
        bot: The account our plugin signs in as.
        resolution: Smallest step of the vendor's time stamps.
    """

    def __init__(
        self, clock: SimClock, *, seed: int, bot: SimPerson, resolution: timedelta = timedelta(milliseconds=1)
    ) -> None:
        self.clock = clock
        self.bot = bot
        self.resolution = resolution
        self.index_lag = 0.0
        self._seed = seed
        self.clear()

    def clear(self) -> None:
        """Forget everything but the bot account."""
        # Ids repeat from run to run, so that a failure can be seen again.
        self.random = random.Random(self._seed)  # noqa: S311 - reproducible ids, nothing secret
        self.tickets: dict[str, SimTicket] = {}
        self.people: dict[str, SimPerson] = {self.bot.id: self.bot}
        self.effects: dict[str, Effects] = {}
        self.rules = NoteRules()
        self.number = 1000
        self._serial = 0
        self._created_index: dict[str, datetime] = {}

    def next_serial(self) -> int:
        """A number nobody has."""
        self._serial += 1
        return self._serial

    def person(self, email: str, *, name: str | None = None, is_agent: bool = False) -> SimPerson:
        """The person with this address, made known if new."""
        address = email.casefold()
        for person in self.people.values():
            if person.email.casefold() == address:
                person.is_agent |= is_agent
                return person
        full_name = name or email.split("@", maxsplit=1)[0].replace(".", " ").title()
        person = SimPerson(id=str(100 + len(self.people)), name=full_name, email=email, is_agent=is_agent)
        self.people[person.id] = person
        return person

    def find_person(self, text: str) -> SimPerson | None:
        """Somebody by id, address or name."""
        word = text.casefold()
        return next(
            (p for p in self.people.values() if word in (p.id.casefold(), p.email.casefold(), p.name.casefold())),
            None,
        )

    def add(self, ticket_id: str, *, subject: str, requester: SimPerson, **fields: Any) -> SimTicket:
        """File a ticket."""
        now = self.clock.stamp(self.resolution)
        self.number += 1
        ticket = SimTicket(
            id=ticket_id,
            display_id=str(self.number),
            subject=subject,
            requester=requester,
            created_at=now,
            updated_at=now,
        )
        for name, value in fields.items():
            setattr(ticket, name, value)
        self.tickets[ticket.id] = ticket
        return ticket

    def get(self, ticket_id: str) -> SimTicket | None:
        """One ticket by id."""
        return self.tickets.get(ticket_id)

    def touch(self, ticket: SimTicket, by: SimPerson) -> None:
        """Record that a save took effect: stamp, revision, last editor."""
        ticket.updated_at = self.clock.stamp(self.resolution)
        ticket.revision += 1
        ticket.updated_by = by

    def add_note(self, ticket: SimTicket, body: str, *, public: bool, author: SimPerson) -> SimNote:
        """Write a note and count it; of an agent's the desk's rules then do what they are for."""
        self.touch(ticket, author)
        shown = public or (author.is_agent and self.rules.publish)
        note = SimNote(str(9000 + self.next_serial()), body, shown, author, ticket.updated_at)
        ticket.notes.append(note)
        self._count(ticket, body).notes += 1
        if author.is_agent:
            self._follow_rules(ticket, note, is_meant_public=public)
        return note

    def _follow_rules(self, ticket: SimTicket, note: SimNote, *, is_meant_public: bool) -> None:
        rules = self.rules
        if note.public or rules.answer:
            ticket.responded_at = ticket.responded_at or note.created_at
        if note.public or rules.mail_requester:
            rule = PUBLIC_RULE if note.public else NOTE_RULE
            ticket.mails.append(SimMail(str(5000 + self.next_serial()), ticket.requester.email, rule, note.created_at))
        if is_meant_public:
            return
        # By hand and not as an update: what the desk does of itself is none of the writes that a test counts.
        changes = {"status": rules.status} if rules.status else {}
        changed = {**changes, **({"assignee": note.author} if rules.assign_author else {})}
        fields = {name: (getattr(ticket, name), value) for name, value in changed.items()}
        for name, value in changed.items():
            setattr(ticket, name, value)
        if moved := {name: pair for name, pair in fields.items() if pair[0] != pair[1]}:
            ticket.history.append(SimChange(str(70_000 + self.next_serial()), note.created_at, note.author, moved))

    def update(self, ticket: SimTicket, changes: dict[str, Any], *, by: SimPerson, texts: Iterable[str] = ()) -> None:
        """Set fields and count one update, however many fields it sets.

        Args:
            ticket: Which one.
            changes: Attribute to new value.
            by: Who does it.
            texts: Texts of the call in which an idempotency mark may stand.
        """
        # Copied: tags and custom fields are changed in place, and the history would show the new value twice.
        before = {name: copy(getattr(ticket, name)) for name in changes}
        for name, value in changes.items():
            setattr(ticket, name, value)
        self.touch(ticket, by)
        marks = tuple(mark for text in texts for mark in find_marks(text))
        # Only what differs: vendors write no history for a save that changes nothing.
        fields = {name: (before[name], copy(value)) for name, value in changes.items() if before[name] != value}
        ticket.history.append(SimChange(str(70_000 + self.next_serial()), ticket.updated_at, by, fields, marks))
        self._count(ticket, *texts).updates += 1

    def link(self, ticket: SimTicket, link: SimLink, *, by: SimPerson, texts: Iterable[str] = ()) -> None:
        """Link a ticket with another one and count it as an update."""
        ticket.links.append(link)
        self.touch(ticket, by)
        self._count(ticket, *texts).updates += 1

    def unlink(self, ticket: SimTicket, link: SimLink, *, by: SimPerson) -> None:
        """Remove a link."""
        ticket.links.remove(link)
        self.touch(ticket, by)
        self._count(ticket).removed += 1

    def log_time(
        self,
        ticket: SimTicket,
        *,
        seconds: int,
        text: str,
        started_at: datetime,
        cost: str | None = None,
        is_save: bool = True,
    ) -> SimLog:
        """Write down what our account worked, and count it; ``is_save`` where that changes the ticket's own stamp."""
        if is_save:
            self.touch(ticket, self.bot)
        now = self.clock.stamp(self.resolution)
        log = SimLog(str(40_000 + self.next_serial()), seconds, text, self.bot, started_at, now, cost)
        ticket.work_logs.append(log)
        self._count(ticket, text).logged += 1
        return log

    def unlog_time(self, ticket: SimTicket, log: SimLog, *, is_save: bool = True) -> None:
        """Delete a work log."""
        ticket.work_logs.remove(log)
        if is_save:
            self.touch(ticket, self.bot)
        self._count(ticket).removed += 1

    def edit_note(self, ticket: SimTicket, note: SimNote, body: str, *, by: SimPerson) -> None:
        """Give a note another text and count it."""
        self.touch(ticket, by)
        note.body, note.edited_at = body, ticket.updated_at
        self._count(ticket, body).edited += 1

    def remove_note(self, ticket: SimTicket, note: SimNote, *, by: SimPerson) -> None:
        """Delete a note."""
        ticket.notes.remove(note)
        self.touch(ticket, by)
        self._count(ticket).removed += 1

    def count_created(self, ticket: SimTicket, *texts: str) -> None:
        """Count a ticket that was filed through the vendor's API."""
        self._count(ticket, *texts).created += 1

    def _count(self, ticket: SimTicket, *texts: str) -> Effects:
        effects = self.effects.setdefault(ticket.id, Effects())
        effects.marks.update(mark for text in texts for mark in find_marks(text))
        return effects

    def searchable(self) -> Iterator[SimTicket]:
        """Tickets whose last write the search index has seen."""
        seen = self.clock() - timedelta(seconds=self.index_lag)
        for ticket in self.tickets.values():
            # A ticket with a newer write is left out altogether, which is the worst that a lagging index does.
            if not self.index_lag or ticket.updated_at <= seen:
                yield ticket

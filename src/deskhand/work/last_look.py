"""The last look before a write that takes a ticket out of a person's hands: where somebody was faster, it is withheld.

A public reply, a question, a transition or an assignment is written on the ticket that the run has read. Minutes may
lie between the two, in which a technician answers. So the ticket is read again: once before the write's intent, and the
journal keeps what that look decided; and by a worker that takes the write up after another died, once more inside the
write's own step, since the first look is as old as that death. What was withheld once stays withheld: its words become
an internal note, whose own intent says so to every later attempt.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from deskhand.engine.ceilings import Counted, count_on_ticket, take_place
from deskhand.engine.journal import Journal
from deskhand.engine.listening import receipts
from deskhand.errors import StoodBackError, TicketMergedError
from deskhand.kit.db.session import Database
from deskhand.kit.marks import find_marks
from deskhand.kit.replies import split_mail
from deskhand.plugins.contract import Note, NoteDraft, Person, Ticket, TicketingToolPlugin, WriteReceipt
from deskhand.plugins.errors import CANNOT_TELL, DeskNotFoundError
from deskhand.tenants.note_rules import DEFAULT_CEILING
from deskhand.tools.asking import ASK, REPLY
from deskhand.tools.values import Doubt
from deskhand.work.automatic import sign_of
from deskhand.work.merging import GONE, why_merged
from deskhand.work.people import is_requester
from deskhand.work.writing import Write

CLOSING = frozenset({"resolve", "transition"})
PUBLIC = (REPLY, ASK)
GUARDED = frozenset({*PUBLIC, "assign", *CLOSING, "update_ticket"})
A_DAY = timedelta(days=1)
_KEY_LENGTH = 200  # execution_steps.step_key
_LABELS = frozenset({"add_tags", "remove_tags"})
"""What ``update_ticket`` sets without moving the ticket: labels stand beside whatever a person does."""
_FIELDS = ("status", "is_closed", "assignee", "group", "priority", "category", "subject", "description")
# What a desk changes by itself with such a write: an answer moves the status and may assign, as a technician's does.
_MOVED = {
    REPLY: {"status", "is_closed", "assignee"},
    ASK: {"status", "is_closed", "assignee"},
    "assign": {"status", "assignee", "group"},
    "transition": {"status", "is_closed", "assignee", "group"},
    "resolve": {"status", "is_closed", "assignee", "group"},
    "update_ticket": set(_FIELDS),
}
_WORDS = {"resolve": "resolution"}
_GENERAL = "Somebody worked on the ticket meanwhile"
_TOO_MANY = "The ticket got {count} public messages of ours within a day, which is the tenant's limit"


class Once(Protocol):
    """Makes one write, as the journal has it."""

    def __call__(self, write: Write, *, owed: bool = False) -> Awaitable[WriteReceipt]: ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """A ticket as the run knows it; ``notes`` is None where it was shown without them."""

    ticket: Ticket
    notes: frozenset[str] | None


@dataclass(slots=True)
class LastLook:
    """What one run knows of a desk's tickets, and whether it is still so.

    Attributes:
        why_left_alone: Why the tenant wants nothing done about a ticket, if it does.
        ceiling: Public messages that one ticket gets in a day, of whichever agents.
    """

    desk: TicketingToolPlugin
    journal: Journal
    db: Database
    why_left_alone: Callable[[Ticket], str | None] = lambda _: None
    ceiling: int = DEFAULT_CEILING
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _answers: set[str] = field(default_factory=set)
    _kept_out: set[str] = field(default_factory=set)
    _moved: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def saw(self, ticket: Ticket, *, anew: bool = False, with_notes: bool = False) -> None:
        """Remember how the run has first seen a ticket; ``anew`` where it begins to work on it again."""
        notes = frozenset(note.id for note in ticket.notes) if with_notes or ticket.notes else None
        if anew or ticket.id not in self._seen:
            self._seen[ticket.id] = _Seen(ticket, notes)

    def has_seen(self, ticket_id: str | None) -> bool:
        """Whether the desk has shown that ticket to the run."""
        return ticket_id in self._seen

    def has_read(self, notes: Iterable[str]) -> None:
        """Remember notes that the run has read since, as the answers to its questions."""
        self._answers.update(notes)

    def wrote(self, ticket_id: str, name: str) -> None:
        """Remember what the run itself has changed on a ticket."""
        self._moved[ticket_id] |= _MOVED.get(name, set())

    def concerns(self, name: str, shown: Mapping[str, Any]) -> bool:
        """Whether a write is one that somebody may have made needless."""
        if self.journal.execution.mode != "live" or name not in GUARDED:
            return False
        return name != "update_ticket" or bool(set(shown) - _LABELS)

    async def make(self, write: Write, once: Once, *, owed: bool) -> WriteReceipt:
        """Make a write, unless a person was faster.

        Raises:
            StoodBackError: Somebody was; the words of the write are in an internal note.
            TicketMergedError: It is no ticket of its own any more.
        """
        instead = instead_key(write.key)
        try:
            # The note was begun, so the write was withheld: however the ticket is by now, it stays so.
            if instead in self.journal.begun_writes:
                raise StoodBackError(_GENERAL)
            return await once(replace(write, look=await self._decided(write)), owed=owed)
        except TicketMergedError:
            # Nobody reads it there any more, not as a note either.
            raise
        except StoodBackError as error:
            # Where the tenant wants nothing written, a note in its place is not wanted either.
            if write.ticket_id in self._kept_out:
                raise
            await self._say_instead(write, str(error), instead, once)
            raise StoodBackError(
                f"{error.detail}; nothing was {_DONE.get(write.operation.name, 'changed')}."
            ) from error

    async def _decided(self, write: Write) -> _Again | None:
        """The look before the intent, as the journal has it; what is to be asked again inside the step, if anything."""
        looked: list[bool] = []

        async def look() -> Any:
            looked.append(True)
            try:
                why = await self._why_not(write.ticket_id) or await self._why_too_many(write)
            except TicketMergedError as error:
                return {"merged": error.detail}
            return {"why": why, "kept_out": write.ticket_id in self._kept_out}

        seen = await self.journal.step(
            name="last_look",
            key=_cut(f"last_look:{write.key}"),
            kind="compute",
            input={"before": write.operation.name, "ticket_id": write.ticket_id},
            body=look,
            owed=True,
        )
        if seen.get("kept_out"):
            self._kept_out.add(write.ticket_id)
        if merged := seen.get("merged"):
            raise TicketMergedError(merged)
        if seen["why"]:
            raise StoodBackError(seen["why"])
        if looked and write.operation.name not in PUBLIC:
            return None
        return _Again(self, write, is_late=not looked)

    async def ensure_untouched(self, ticket_id: str, made: Write | None = None) -> None:
        """Refuse to write where a person was faster.

        Args:
            ticket_id: The ticket.
            made: A write that may have reached it already: what it sets is nobody else's doing.

        Raises:
            StoodBackError: Says who, or what changed.
        """
        # A solution that was written is ours to take up again: on the ticket it looks like anybody's.
        if made is not None and await self._is_there(made):
            return
        if why := await self._why_not(ticket_id, made):
            raise StoodBackError(why)

    def is_kept_out(self, ticket_id: str) -> bool:
        """Whether the last look found that the tenant keeps agents from a ticket."""
        return ticket_id in self._kept_out

    @property
    def requesters(self) -> dict[str, str]:
        """By ticket that the run has seen, the address of who filed it, where the desk tells."""
        people = {ticket_id: seen.ticket.requester for ticket_id, seen in self._seen.items()}
        return {ticket_id: one.email for ticket_id, one in people.items() if one is not None and one.email}

    async def _why_not(self, ticket_id: str, made: Write | None = None) -> str | None:
        seen = self._seen.get(ticket_id)
        # A ticket that the run has just made is as it made it.
        if seen is None:
            return None
        try:
            now = await self.desk.get_ticket(ticket_id)
        except DeskNotFoundError as error:
            raise TicketMergedError(GONE) from error
        if why := self.why_left_alone(now):
            self._kept_out.add(ticket_id)
            return why
        if why := why_merged(now):
            raise TicketMergedError(why)
        async with self.db.tenant_session(self.journal.execution.tenant_id) as session:
            ours = await receipts(session, self.journal.execution)
        writer = next((note for note in self._new_notes(seen, now) if not _is_ours(note, now, ours)), None)
        if writer is not None:
            return f"{_name(writer.author)} wrote on the ticket meanwhile"
        return next(self._changes(seen.ticket, now, _set_by(made, now) if made else frozenset()), None)

    async def _is_there(self, write: Write) -> bool:
        if write.operation.name != "resolve":
            return False
        try:
            return await write.find(self.journal.mark_for(write.key)) is not None
        except CANNOT_TELL:
            return False

    async def _why_too_many(self, write: Write) -> str | None:
        if write.operation.name not in PUBLIC:
            return None
        async with self.db.tenant_session(self.journal.execution.tenant_id) as session:
            count = await count_on_ticket(session, self._public_on(write.ticket_id))
        return None if count < self.ceiling else _TOO_MANY.format(count=count)

    async def ensure_place(self, write: Write) -> None:
        """Count a public message that was begun among the ticket's, before it is sent.

        Raises:
            StoodBackError: There are as many as the tenant allows.
        """
        # Once more, and under a lock: of runs that looked at the same moment each has found room.
        counted, run = self._public_on(write.ticket_id), self.journal.execution
        async with self.db.tenant_session(run.tenant_id) as session:
            others = await take_place(session, run, write.key, counted, most=self.ceiling)
        if others is not None:
            raise StoodBackError(_TOO_MANY.format(count=others))

    def _public_on(self, ticket_id: str) -> Counted:
        return Counted(PUBLIC, tool_type=self.desk.manifest.tool_type, ticket_id=ticket_id, within=A_DAY)

    def _new_notes(self, seen: _Seen, now: Ticket) -> Iterator[Note]:
        began = self.journal.execution.started_at
        for note in now.notes:
            is_new = (
                note.id not in seen.notes
                if seen.notes is not None
                else note.created_at is not None and note.created_at > began
            )
            if is_new and note.id not in self._answers and sign_of(note, now) is None:
                yield note

    def _changes(self, then: Ticket, now: Ticket, ours: frozenset[str]) -> Iterator[str]:
        for name in _FIELDS:
            before, after = getattr(then, name), getattr(now, name)
            if name in self._moved[now.id] or name in ours or _same(before, after):
                continue
            if name == "assignee":
                yield f"{_name(after)} took the ticket meanwhile" if after else "The ticket was given back meanwhile"
            elif name == "is_closed":
                yield "The ticket was solved meanwhile" if after else "The ticket was opened again meanwhile"
            else:
                yield f"Somebody changed the ticket's {name} meanwhile"

    async def _say_instead(self, write: Write, why: str, key: str, once: Once) -> None:
        name = write.operation.name
        words = write.trace.get(_WORDS.get(name, "body"))
        if not words:
            return
        body = said_instead(why, _DONE.get(name, "written"), str(words))

        async def make(mark: str) -> WriteReceipt:
            return await self.desk.add_note(write.ticket_id, NoteDraft(body=body, mark=mark))

        # Under the grant of what it stands for: who may say it to the requester may say it to technicians.
        operation = replace(write.operation, name="add_note", doubt=Doubt.MARK)
        target = {name: write.trace[name] for name in ("target",) if name in write.trace}
        trace = {"body": body, "public": False, "instead_of": name, **target}
        await once(Write(operation, write.ticket_id, key, trace, make, write.find), owed=True)


@dataclass(frozen=True, slots=True)
class _Again:
    """The look once more, inside the write's own step.

    Attributes:
        is_late: The first look was another worker's, who died since.
    """

    look: LastLook
    write: Write
    is_late: bool

    async def __call__(self) -> None:
        if self.is_late:
            await self.look.ensure_untouched(self.write.ticket_id, self.write)
        if self.write.operation.name in PUBLIC:
            await self.look.ensure_place(self.write)


_DONE = {REPLY: "sent", ASK: "asked", "resolve": "done", "assign": "done", "transition": "done"}


def _is_ours(note: Note, ticket: Ticket, ours: set[str]) -> bool:
    # Not by the author: people connect a desk with their own key, and go on answering under that name.
    if note.id in ours:
        return True
    return not is_requester(note.author, ticket) and bool(find_marks(split_mail(note.body).own))


def _set_by(write: Write, now: Ticket) -> frozenset[str]:
    """The fields that a write sets, if the ticket shows that it did: its worker may have died just after it."""
    name = write.operation.name
    if name == "transition":
        has_moved = str(now.status).casefold() == str(write.trace["status"]).casefold()
        return frozenset(_MOVED[name]) if has_moved else frozenset()
    if name not in ("update_ticket", "assign"):
        return frozenset()
    # A desk may call a priority or a category otherwise; who has the ticket is told apart by name.
    fields = frozenset(write.trace) & frozenset(_FIELDS) - {"group"}
    if (group := write.trace.get("group")) is not None and str(now.group).casefold() == str(group).casefold():
        fields |= {"group"}
    email, holder = write.trace.get("assignee_email"), now.assignee
    if email and holder is not None and str(holder.email).casefold() == str(email).casefold():
        fields |= {"assignee"}
    if name == "update_ticket":
        return fields
    # All of it, or somebody else took the ticket in the same group; with it a desk may move the status.
    wanted = {field for field, value in (("group", group), ("assignee", email)) if value}
    return frozenset(_MOVED[name]) if wanted and wanted <= fields else frozenset()


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, Person) and isinstance(after, Person):
        # By the id alone: of one person two answers may tell more or less.
        return (before.id or before.email) == (after.id or after.email)
    return bool(before == after)


def _name(person: Person) -> str:
    return person.name or person.email or person.account or "Somebody"


def said_instead(why: str, done: str, words: str) -> str:
    """The note that stands for words that were withheld."""
    draft = "\n".join(f"> {line}".rstrip() for line in words.splitlines())
    return f"{why}, so this was not {done}. For whoever works on it:\n\n{draft}"


def instead_key(key: str) -> str:
    """Journal key of the note that stands for a withheld write."""
    return _cut(f"add_note:instead/{key}")


def _cut(key: str) -> str:
    if len(key) <= _KEY_LENGTH:
        return key
    head, _, _ = key.partition(":")
    return f"{head}:{hashlib.sha256(key.encode()).hexdigest()}"

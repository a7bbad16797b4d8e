"""The ticket that a run's ticket is a part of, or was made out of: read as evidence, and the place of the note.

A technician who works on an outage reads the outage's ticket, and not each of the thirty that hang below it. So what is
found for a part goes to the whole, as one note: written where the parent is open and the run may see it, on the ticket
itself everywhere else. Nothing but the note goes there. What else a run does, it does on its own ticket.

One level up, and no further: a parent's parent is read by the parent's own run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.listening import receipts
from deskhand.kit.clock import utc_now
from deskhand.kit.db.readers import Readers
from deskhand.kit.db.session import Database
from deskhand.kit.marks import strip_marks
from deskhand.kit.replies import bare_subject, in_order
from deskhand.notes.facts import FileText, Kin
from deskhand.plugins.contract import Ticket
from deskhand.plugins.errors import REFUSALS, DeskNotFoundError, DeskPermissionError, DeskProtocolError
from deskhand.tenants.note_rules import note_rules
from deskhand.work.companies import REFUSED, TICKET
from deskhand.work.conversation import read_conversation
from deskhand.work.hands import DeskHands
from deskhand.work.privacy import learn_people
from deskhand.work.run import Run

_IS = {"parent": "is a part of", "origin": "was made out of"}


@dataclass(frozen=True, slots=True)
class Family:
    """What a run knows of the other ticket.

    Attributes:
        kin: What it says; None where there is none, or it may not be read.
        home: The ticket that takes the run's note; None: its own does.
        extent: What was not read of it, or why it takes no note, in sentences.
    """

    kin: Kin | None = None
    home: Ticket | None = None
    extent: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[FileText, ...]:
        """What it says, for whoever looks for names in it."""
        return () if self.kin is None else (FileText(name=self.kin.number, text=self.kin.text),)


NO_FAMILY = Family()


@dataclass(frozen=True, slots=True)
class FamilyReader:
    """Reads for one run.

    Attributes:
        db: Sessions.
        run: The run.
        own: The road to the desk of its ticket.
    """

    db: Database
    run: Run
    own: DeskHands

    async def read(self, ticket: Ticket, *, look: int, readers: Readers = Readers.HOUSE) -> Family:
        """The ticket that another one is a part of, or was made out of.

        Args:
            ticket: As the run reads it now.
            look: Which look at it this is.
            readers: Who reads what comes of it: what stands on another ticket is not a requester's to know.
        """
        ref, relation = _named(ticket)
        if not ref or readers is Readers.OUTSIDE:
            return NO_FAMILY
        kept = await self.run.journal.step(
            name=f"read_{relation}",
            key=f"read_{relation}" if look == 1 else f"read_{relation}:{look}",
            kind="tool",
            input={"ticket_id": ref},
            body=lambda: self._read(ticket, ref, relation),
        )
        if "unread" in kept:
            return Family(extent=(f"The ticket that this one {_IS[relation]} was not read: {kept['unread']}",))
        return await self._family(TICKET.validate_python(kept["ticket"]), relation, kept["why"])

    async def _read(self, ticket: Ticket, ref: str, relation: str) -> dict[str, Any]:
        try:
            read = await self.run.wall.read(self.own.desk, ref, with_notes=True)
        # Many a parent is another team's: that we may not see it must not cost the note.
        except (*REFUSALS, DeskProtocolError) as error:
            return {"unread": error.detail}
        if not isinstance(read, Ticket):
            return {"unread": read[REFUSED]}
        # Decided here, so that each attempt writes its note in the same place.
        why = self._why_no_home(ticket, read) if relation == "parent" else None
        return {"ticket": to_jsonable_python(read), "why": why}

    async def _family(self, other: Ticket, relation: Literal["parent", "origin"], why: str | None) -> Family:
        learn_people(self.run, other)
        async with self.db.tenant_session(self.run.execution.tenant_id) as session:
            ours = await receipts(session, self.run.execution, other.id) if other.notes else set()
        takes_note = relation == "parent" and why is None and self._writes_notes
        kin = Kin(
            relation=relation,
            number=other.display_id,
            subject=bare_subject(strip_marks(other.subject)),
            description=in_order(strip_marks(other.description)),
            solution=strip_marks(other.resolution or ""),
            conversation=read_conversation(other, self.own.desk, ours).turns,
            takes_note=takes_note,
        )
        said = (f"{other.display_id} {why}, so the note is on this ticket.",) if why and self._writes_notes else ()
        if takes_note:
            said = (f"The note is on {other.display_id}, the ticket that this one is a part of.",)
        return Family(kin, other if takes_note else None, said)

    @property
    def _writes_notes(self) -> bool:
        return self.run.outcome.kind is OutcomeKind.NOTE and self.own.may("add_note")

    def _why_no_home(self, ticket: Ticket, parent: Ticket) -> str | None:
        """Why a parent takes no note, as the end of a sentence about it; None if it does."""
        # Each a part of the other: a mistake that every desk allows, and two runs would write past each other.
        if parent.parent == ticket.id:
            return "is a part of this ticket as well"
        # What a sensitive ticket says is for those who may read that one.
        if self.run.wall.decide(ticket) is not None:
            return "may be read by people who may not read this ticket"
        return why_no_home(self.run, parent, utc_now())

    async def has_changed(self, family: Family, key: str) -> bool:
        """Whether a parent that was to take the note is no place for it any more.

        Args:
            family: As it was read.
            key: Journal key of the note.
        """
        run, home = self.run, family.home
        # What an earlier attempt began is finished: it may be there.
        if home is None or run.execution.mode != "live" or key in run.journal.begun_writes:
            return False
        try:
            now = await self.own.desk.get_ticket(home.id, with_notes=False)
        except (DeskNotFoundError, DeskPermissionError):
            return True
        is_shut = not run.wall.admits(now) or run.wall.decide(now) is not None
        return is_shut or why_no_home(run, now, utc_now()) is not None


def why_no_home(run: Run, parent: Ticket, now: datetime) -> str | None:
    """Why nothing is written on the ticket that the run's own is a part of, as the end of a sentence about it."""
    if parent.merged_into is not None:
        return "was merged into another one"
    if parent.is_closed:
        return "is closed"
    days = note_rules(run.tenant.enhancement_preferences).oldest_ticket_days
    filed = parent.created_at
    if days is not None and filed is not None and now - filed - run.waited > timedelta(days=days):
        return f"was filed more than {days} days ago"
    return None


def _named(ticket: Ticket) -> tuple[str, Literal["parent", "origin"]]:
    """Id of the other ticket, and what it is; an empty one where the desk names none, or the ticket itself."""
    if ticket.parent and ticket.parent != ticket.id:
        return ticket.parent, "parent"
    origin = ticket.split_from if ticket.split_from != ticket.id else None
    return origin or "", "origin"


__all__ = ["NO_FAMILY", "Family", "FamilyReader"]

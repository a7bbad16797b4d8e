"""Asking the requester for what is missing, from the run's side: ask in public, park, and go on with the answer.

Three steps of the journal. The first lets the ticket's events wake the run before anybody can have answered; the second
is the reply, a write like any other; the third reads the ticket until the requester's answer is on it, or the time is
over, or the ticket is solved. An event only wakes: what counts as an answer is read from the desk, so that one that
comes twice, late, or never changes nothing but the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from deskhand.engine.journal import Journal
from deskhand.engine.listening import count_writes, listen, stop_listening
from deskhand.errors import ForbiddenError, RequesterAskedError, StoodBackError, WaitOverError
from deskhand.kit.db.session import Database, database_now
from deskhand.plugins.contract import Note, Ticket
from deskhand.plugins.errors import REFUSALS, DeskNotFoundError
from deskhand.tools.asking import ASK
from deskhand.work.automatic import sign_of
from deskhand.work.hands import DeskHands
from deskhand.work.merging import why_merged
from deskhand.work.people import is_requester, names_of
from deskhand.work.views import notes_view

ROUNDS = 2
"""Questions that a requester gets from one agent about one ticket; a third would be an interrogation."""
WORKING_DAYS = 2
AWAIT = "await_requester:"


@dataclass(frozen=True, slots=True)
class Requester:
    """Asks the requester of the ticket that started a run.

    Attributes:
        hands: The road to the desk.
        journal: The run's.
        db: Sessions.
    """

    hands: DeskHands
    journal: Journal
    db: Database

    async def ask(self, question: str, *, key: str) -> dict[str, Any]:
        """What came of a question, for a model.

        Args:
            question: Markdown, as a person approved it where one has to.
            key: Journal key of the reply.

        Raises:
            RequesterAskedError: Nobody has answered yet; the run parks.
            WaitOverError: The ticket was solved meanwhile.
        """
        if self.journal.execution.mode != "live":
            await self.hands.add_note(question, key=key, name=ASK, owed=False)
            return {"done": True, "answered": False, "dry_run": True, "why": "A dry run asks nobody: go on without."}
        opened = await self.journal.step(
            name="open_question",
            key=f"open_question:{key}",
            kind="compute",
            input={"question": question},
            body=lambda: self._open(key),
            owed=True,
        )
        if why := opened.get("refused"):
            return {"done": False, "answered": False, "why": why}
        try:
            await self.hands.add_note(question, key=key, name=ASK, owed=False)
        # The question is not on the ticket, so there is nothing to wait for.
        except (*REFUSALS, ForbiddenError, StoodBackError):
            await self._stop()
            raise
        answer = await self.journal.step(
            name="await_requester",
            key=f"{AWAIT}{key}",
            kind="compute",
            input={"question": question, "round": opened["round"], "until": opened["until"]},
            body=lambda: self._look(opened),
            # A look costs nothing of the model's, and a run that used up its steps must still find its answer.
            owed=True,
        )
        if over := answer.get("over"):
            raise WaitOverError(over)
        # What the run has read is no change that it would have missed.
        self.hands.last_look.has_read(answer.get("read", ()))
        return {"done": True, **{name: value for name, value in answer.items() if name != "read"}}

    async def _open(self, key: str) -> dict[str, Any]:
        execution = self.journal.execution
        ticket = await self._ticket()
        if ticket.is_closed:
            return {"refused": "The ticket is solved or closed, so nobody is asked."}
        if ticket.requester is None or not names_of(ticket.requester):
            return {"refused": "The desk does not say who the requester is, so an answer could not be known."}
        async with self.db.tenant_session(execution.tenant_id) as session:
            asked = await count_writes(session, execution, ASK, besides=key)
            if asked >= ROUNDS:
                return {"refused": f"The requester was asked {asked} times already: go on with what there is."}
            until = self._wait_until(await database_now(session), ticket)
            if not await listen(session, execution, until):
                return {"refused": "Another run of this agent waits for the requester's answer on this ticket."}
        # What was there before the question is no answer to it; by their ids and by no clock, for a desk has its own.
        seen = [note.id for note in replies_of_requester(ticket)]
        return {"round": asked + 1, "until": until.isoformat(), "seen": seen}

    async def _look(self, opened: dict[str, Any]) -> dict[str, Any]:
        execution, until = self.journal.execution, datetime.fromisoformat(opened["until"])
        async with self.db.tenant_session(execution.tenant_id) as session:
            # Before the ticket is read: what is heard from here on is news, also where it comes before the run parks.
            await listen(session, execution, until)
            left = (until - await database_now(session)).total_seconds()
        try:
            ticket = await self._ticket()
        except DeskNotFoundError:
            await self._stop()
            return {"over": "The ticket is gone, so nobody can answer; nothing was done."}
        if why := self.hands.wall.why_left_alone(ticket) or why_merged(ticket):
            await self._stop()
            return {"over": why}
        if ticket.is_closed:
            await self._stop()
            return {"over": "The ticket was solved or closed while the run waited for the requester; nothing was done."}
        answer = [note for note in replies_of_requester(ticket) if note.id not in opened["seen"]]
        if answer:
            await self._stop(answered=_read(ticket, answer))
            shown = notes_view(tuple(answer), most=len(answer))["notes"]
            return {"answered": True, "answer": shown, "read": [note.id for note in answer]}
        if left <= 0:
            await self._stop()
            return {"answered": False, "why": f"Nobody answered until {until:%Y-%m-%d %H:%M} UTC: go on without."}
        raise RequesterAskedError(
            f"Waits for the requester's answer until {until:%Y-%m-%d %H:%M} UTC (question {opened['round']} of"
            f" {ROUNDS}).",
            retry_after=left,
        )

    def _wait_until(self, now: datetime, ticket: Ticket) -> datetime:
        """When a question that was put now is given up."""
        hours, answer_hours = self.hands.hours, self.hands.grants[ASK].answer_hours
        # Unless said in working days, since a question of Friday is read on Monday.
        if answer_hours is None:
            return hours.working_days(now, WORKING_DAYS, ticket)
        return hours.wait(now, timedelta(hours=answer_hours), ticket)

    async def _ticket(self) -> Ticket:
        own = self.hands.own
        assert own is not None  # the grant's scope is the run's own ticket, which was found before anybody is asked
        return await self.hands.desk.get_ticket(own)

    async def _stop(self, *, answered: dict[str, Any] | None = None) -> None:
        async with self.db.tenant_session(self.journal.execution.tenant_id) as session:
            await stop_listening(session, self.journal.execution, answered=answered)


def replies_of_requester(ticket: Ticket) -> list[Note]:
    """The ticket's public notes that the requester wrote, and no machine of theirs, in the ticket's order."""
    said = [note for note in ticket.notes if note.public and is_requester(note.author, ticket)]
    return [note for note in said if sign_of(note, ticket) is None]


def _read(ticket: Ticket, answer: Sequence[Note]) -> dict[str, Any]:
    """What the run has read of the ticket, in the words in which events tell of it."""
    return {
        "notes": [note.id for note in answer],
        "revision": ticket.revision,
        "at": ticket.updated_at.isoformat() if ticket.updated_at else None,
    }

"""The word in an internal note that starts a run, looked for on the ticket itself before the run does anything.

An event is a hint: it may not tell the note, or who wrote it. Whoever files tickets must not be able to start what only
technicians may, so what the desk does not say for sure starts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskhand.engine.journal import Journal
from deskhand.engine.listening import find_finished, receipts
from deskhand.kit.db.session import Database
from deskhand.kit.words import has_word
from deskhand.plugins.contract import Note, Ticket
from deskhand.work.hands import DeskHands
from deskhand.work.people import is_requester

CHECK = "check_note"


@dataclass(frozen=True, slots=True)
class NoteWord:
    """Looks for the note.

    Attributes:
        own: The road to the desk of the run's ticket.
        journal: The run's.
        db: Sessions.
    """

    own: DeskHands
    journal: Journal
    db: Database

    async def why_not_said(self, word: str) -> str | None:
        """Why the run has nothing to do, in a sentence; None where a technician asked for it."""
        said = await self.journal.step(
            name=CHECK, key=CHECK, kind="compute", input={"word": word}, body=lambda: self._look(word), owed=True
        )
        why: str | None = said.get("why")
        return why

    async def _look(self, word: str) -> dict[str, Any]:
        own = await self.own.find_ticket("get_ticket", None)
        ticket = await self.own.desk.get_ticket(own)
        async with self.db.tenant_session(self.journal.execution.tenant_id) as session:
            # Our own notes quote whatever they were made of, a technician's word included.
            ours = await receipts(session, self.journal.execution)
        said = (one for one in newest_first(ticket) if has_word(one.body, word) and one.id not in ours)
        note = next(said, None)
        if note is None:
            return {"why": f"No internal note of a technician says '{word}', so nothing was done."}
        # An event that names no note comes at each change of the ticket, and the note stays on it.
        async with self.db.tenant_session(self.journal.execution.tenant_id) as session:
            earlier = await find_finished(session, self.journal.execution, CHECK, {"note": note.id})
        if earlier is not None:
            return {"why": f"Run {earlier} was started by the note that says '{word}'; nothing was done again."}
        return {"note": note.id}


def newest_first(ticket: Ticket) -> list[Note]:
    """The ticket's notes that surely are internal ones of technicians, newest first."""
    return [note for note in reversed(ticket.notes) if _is_technicians(note, ticket)]


def _is_technicians(note: Note, ticket: Ticket) -> bool:
    author = note.author
    is_named = bool(author.id or author.email or author.account)
    return (
        not note.public
        and is_named
        and author.is_staff is not False
        and ticket.requester is not None
        and not is_requester(author, ticket)
    )

"""Whether a note is due: decided by code, from what it would say and what the ticket's notes say already.

Due is the first note of a ticket that has something to say, and a later one that says something new. What a technician
asked for by hand is answered also where an event would bring nothing: on a solved ticket, or with nothing found.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.models import AgentExecution
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.search import holds_at_least
from deskhand.notes.news import Content
from deskhand.plugins.contract import Ticket
from deskhand.tenants.note_rules import NothingFound, note_rules
from deskhand.work.repetition import LastNote
from deskhand.work.run import Run

YOUNG = 100
"""A tenant with fewer solved tickets and articles is told once per ticket that nothing was found: there it is news."""

SOLVED = (
    "The ticket is solved already; nothing was written. A run that somebody asked for (a replay, or a note's word)"
    " writes all the same."
)
NOTHING_FOUND = (
    "Nothing was found that helps with this ticket, so nothing was written. Whether that is said in a note is"
    " 'nothing_found' in the agent's outcome and in the tenant's preferences."
)


@dataclass(frozen=True, slots=True)
class Due:
    """Judges the note of one run.

    Attributes:
        db: Sessions.
        key: Journal key of the note.
    """

    db: Database
    run: Run
    key: str

    async def why_not_at_all(self, ticket: Ticket) -> str | None:
        """Why the ticket gets no note whatever would be found, in a sentence; None if it may."""
        run = self.run
        if run.outcome.kind is not OutcomeKind.NOTE or not self._is_open_question or not ticket.is_closed:
            return None
        return None if await self._was_asked() else SOLVED

    async def news(self, content: Content, last: LastNote | None, *, about: str, replaces: bool) -> Content | None:
        """What of a note is new, an empty one if nothing is; None where the question does not arise.

        Args:
            content: What the note would say.
            last: The agent's last one on the ticket.
            about: Digest of the ticket's words.
            replaces: The note would take the last one's place, and be no further one.
        """
        if last is None or not self._is_open_question:
            return None
        # A note that says of itself that the model was no help is made good where that costs nobody another note.
        if last.lacks_model and replaces:
            return None
        # Of notes that were written before contents were kept, the sources alone are known.
        if last.about is None:
            return Content(content.sources).beyond(last.says_so_far, is_moved=False)
        return content.beyond(last.says_so_far, is_moved=about != last.about or await self._was_asked())

    async def why_not_nothing(self) -> str | None:
        """Why a note that could only say that nothing was found is not written; None if it is."""
        if not self._is_open_question or await self._was_asked():
            return None
        wanted = self.run.outcome.nothing_found or note_rules(self.run.tenant.enhancement_preferences).nothing_found
        if wanted is NothingFound.AUTO:
            # Only whether the tenant has many, of whichever company: nothing of them is looked at.
            everything = self.db.tenant_session(self.run.execution.tenant_id, companies=EVERY_COMPANY)
            async with everything as session:
                is_silent = await holds_at_least(session, YOUNG)
        else:
            is_silent = wanted is NothingFound.SILENT
        return NOTHING_FOUND if is_silent else None

    @property
    def _is_open_question(self) -> bool:
        # A dry run shows what would be written; what an earlier attempt began, or people were asked about, is finished.
        run = self.run
        return run.execution.mode == "live" and not run.waited and self.key not in run.journal.begun_writes

    async def _was_asked(self) -> bool:
        return await was_asked(self.db, self.run)


async def was_asked(db: Database, run: Run) -> bool:
    """Whether a person asked for this very run: by the word of a note, or by repeating a run by hand."""
    return run.note_word is not None or await is_repeated_by_hand(db, run)


async def is_repeated_by_hand(db: Database, run: Run) -> bool:
    """Whether a person started the run, by repeating an ended one."""
    e = AgentExecution
    query = select(e.id).where(e.id == run.execution.id, or_(e.replay_of.is_not(None), e.retry_of.is_not(None)))
    async with db.tenant_session(run.execution.tenant_id) as session:
        return await session.scalar(query) is not None

"""What is written for technicians stays with them: no write where a trial was refused, and none after one was shown.

A desk may show the requester an internal note although nobody asked for it: a business rule, a project of another kind.
Its answer to the write says so, or the note itself where it is looked for again. The agent is then paused and people
are told in one transaction, inside the write's own step: a worker that dies before the step has ended leaves a write
whose settling comes by here as well, and that the agent is paused already is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deskhand.engine.claims import RunningExecution
from deskhand.errors import ConflictError, StoodBackError
from deskhand.kit.db.session import Database
from deskhand.notifications.service import note_published
from deskhand.pauses.schemas import NewPause
from deskhand.pauses.service import begin_pause
from deskhand.plugins.contract import WriteReceipt

ACTOR = "deskhand"
_REASON = (
    "{desk} showed the requester of ticket {ticket} an internal note. Look at the ticket, try a note on the desk's"
    " page, and end this pause when that passes."
)
SHOWN = "{desk} showed the requester what was written as an internal note; the agent is paused."


@dataclass(slots=True)
class Discretion:
    """Of one run on one desk.

    Attributes:
        db: Sessions.
        execution: The run.
        desk: The product's own name.
        refused: Why nothing may be written there, if its last trial was refused.
        shown: Ids of internal notes of this run that a requester sees.
    """

    db: Database
    execution: RunningExecution
    desk: str
    refused: str | None = None
    shown: set[str] = field(default_factory=set)

    @property
    def may_note(self) -> bool:
        """Whether a note would still be written."""
        return self.refused is None and not self.shown

    def ensure_kept(self, trace: Mapping[str, Any]) -> None:
        """Refuse to write where it is known that what is internal does not stay so.

        Args:
            trace: Of the write.

        Raises:
            StoodBackError: A trial was refused, or a note of this run became public.
        """
        if self.refused is not None:
            raise StoodBackError(f"{self.refused} Nothing was written.")
        if self.shown and is_inside(trace):
            raise StoodBackError(f"{SHOWN.format(desk=self.desk)} No further note was written.")

    async def look_at(self, trace: Mapping[str, Any], receipt: WriteReceipt) -> None:
        """See to a write that the desk has just told of; call it within the write's step."""
        if not self.saw(trace, receipt):
            return
        run = self.execution
        # Where the note stands, which is another ticket than the run's where that one is a part of it.
        reason = _REASON.format(desk=self.desk, ticket=receipt.ticket_id)
        async with self.db.tenant_session(run.tenant_id) as session:
            await note_published(
                session, run.tenant_id, run=run.id, agent=run.agent_id, note=receipt.id, ticket=receipt.ticket_id
            )
            wanted = NewPause(reason=reason[:300], agent_id=run.agent_id)
            try:
                await begin_pause(session, wanted, tenant_id=run.tenant_id, actor=ACTOR)
            except ConflictError:
                # Paused already, by a person or by another run that met the same: that one's words stand.
                return

    def saw(self, trace: Mapping[str, Any], receipt: WriteReceipt) -> bool:
        """Whether a write was meant for technicians and is not; one that an earlier attempt made is remembered, too."""
        if not (receipt.public and is_inside(trace)):
            return False
        self.shown.add(receipt.id)
        return True

    @property
    def words(self) -> str | None:
        """What the run says of it."""
        return SHOWN.format(desk=self.desk) if self.shown else None


def is_inside(trace: Mapping[str, Any]) -> bool:
    """Whether a write was meant for technicians alone."""
    return trace.get("public") is False

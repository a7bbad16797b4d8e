"""Whether a ticket is left without a note, so that what notes are worth can be told: a lot that each ticket draws once.

Only against tickets that might have had a note and got none by chance can a report say what notes bring about. So the
lot is drawn last, after every other reason to stay silent, and both who won and who lost stand in the journal: the
report compares tickets as they were drawn, whatever became of their runs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from deskhand.agents.outcomes import OutcomeKind
from deskhand.engine.claims import Ending
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import StepState
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import Ticket
from deskhand.tenants.worth_rules import HOLD_OUT, worth_rules
from deskhand.work.due import was_asked
from deskhand.work.hands import DeskHands
from deskhand.work.note_outcome import NOTE_KEY, withheld
from deskhand.work.run import Run

HELD_OUT = "held_out"
"""Names, for programs, why a run wrote nothing: its ticket is one of those that are left without a note."""
_WHOLE = 2**64


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Draws for the tickets of runs.

    Attributes:
        db: Sessions.
        key: Without it nobody can tell which tickets are left out, and file them accordingly.
    """

    db: Database
    key: bytes

    async def end(self, run: Run, own: DeskHands, ticket: Ticket) -> Ending | None:
        """End the run of a ticket that gets no note; None where it goes on."""
        share = worth_rules(run.tenant.enhancement_preferences).hold_out_share
        if not share or not await self._draws(run, own):
            return None

        async def draw() -> Any:
            earlier = await self._earlier(run)
            company = ticket.company
            return {
                "held": bool(earlier["held"]) if earlier else is_held_out(self.key, run, ticket, share),
                "company": None if company is None else {"id": company.id, "name": company.name},
            }

        # One key: a run draws once, whatever becomes of its looks and attempts.
        drawn = await run.journal.step(
            name=HOLD_OUT, key=HOLD_OUT, kind="compute", input={"share": share}, body=draw, owed=True
        )
        if not drawn["held"]:
            return None
        ended = withheld(run, _words(share))
        return replace(ended, output={**(ended.output or {}), "not_written_code": HELD_OUT})

    async def _draws(self, run: Run, own: DeskHands) -> bool:
        """Whether the run is one that draws: live, of an event, about to write the note that would be missing."""
        if run.execution.mode != "live" or run.outcome.kind is not OutcomeKind.NOTE or not own.may("add_note"):
            return False
        # What an earlier attempt began, or people were asked about, is finished; what somebody asked for is answered.
        if run.waited or NOTE_KEY in run.journal.begun_writes:
            return False
        return not await was_asked(self.db, run)

    async def _earlier(self, run: Run) -> Mapping[str, Any] | None:
        """What the ticket drew before: it holds for every event of it, and whatever the share is by now."""
        e, step, now = AgentExecution, ExecutionStep, run.execution
        query = (
            select(step.output)
            .join(e, e.id == step.execution_id)
            .where(
                *(e.tenant_id == now.tenant_id, e.tool_type == now.tool_type, e.ticket_ref == now.ticket_ref),
                *(step.step_key == HOLD_OUT, step.state == StepState.FINISHED),
            )
            .order_by(step.position)
            .limit(1)
        )
        async with self.db.tenant_session(now.tenant_id) as session:
            found: Mapping[str, Any] | None = await session.scalar(query)
        return found


def is_held_out(key: bytes, run: Run, ticket: Ticket, share: int) -> bool:
    """Whether a ticket is among so many of 100: the same each time it is asked, and nobody's to guess."""
    name = "\0".join((run.execution.tenant_id, ticket.tool_type, ticket.id))
    drawn = hmac.new(key, name.encode(), hashlib.sha256).digest()
    # A greater share holds out those of a smaller one, and some more.
    return int.from_bytes(drawn[:8]) * 100 < share * _WHOLE


def _words(share: int) -> str:
    return (
        f"The ticket is one of the {share} in 100 that get no note, drawn by lot, so that the monthly report can tell"
        " what notes are worth. Nothing was looked up, asked or written; a run that somebody asks for (a replay, or a"
        " note's word) writes all the same."
    )

"""How often something was written on one ticket lately, and a ceiling on it that holds however many runs write at once.

A run takes its place under a lock of the ticket, inside the write's own step, and the step keeps it: whoever takes the
write up after a worker died finds the place, and takes no second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.claims import RunningExecution
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import StepState
from deskhand.errors import LostClaimError

PLACE = "of_ticket_and_day"
"""In a step's input: which one of the ticket's writes within that time it is."""
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('deskhand.ticket/' || :name, 0))")


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted: writes of these names on one ticket of one desk, by runs of any agent, within a time."""

    names: Sequence[str]
    tool_type: str
    ticket_id: str
    within: timedelta

    def statement(self, besides: ColumnElement[bool] | None = None) -> Select[Any]:
        """Counts those that were made, may have been made, or have taken their place to be made."""
        run, step = AgentExecution, ExecutionStep
        target = step.input["target"].astext
        own = target.is_(None) & (run.tool_type == self.tool_type) & (run.ticket_ref == self.ticket_id)
        takes = or_(
            step.state.in_((StepState.FINISHED, StepState.IN_DOUBT)),
            (step.state == StepState.STARTED) & step.input.has_key(PLACE),
        )
        statement = (
            select(func.count())
            .select_from(step)
            .join(run, run.id == step.execution_id)
            .where(step.kind == "write", step.name.in_(self.names), takes)
            .where(step.started_at > func.clock_timestamp() - self.within)
            .where(own | (target == f"{self.tool_type}/{self.ticket_id}"))
        )
        return statement if besides is None else statement.where(~besides)


async def count_on_ticket(session: AsyncSession, counted: Counted) -> int:
    """How often runs of any agent have made, or may have made, such a write.

    Args:
        session: A session of the tenant.
        counted: Which writes.
    """
    return int((await session.execute(counted.statement())).scalar_one())


async def take_place(
    session: AsyncSession, execution: RunningExecution, key: str, counted: Counted, *, most: int
) -> int | None:
    """Count a run's own begun write among the others, if there is room; its place holds once the session commits.

    Args:
        session: A session of the run's tenant.
        execution: The run.
        key: Journal key of the write.
        counted: Which writes it is one of.
        most: How many there may be.

    Returns:
        None if it has a place; else how many others there are.

    Raises:
        LostClaimError: Another worker owns the run.
    """
    step = ExecutionStep
    own = (step.execution_id == execution.id) & (step.step_key == key)
    # Whoever counts waits for whoever has counted and not committed: of two runs one sees the other's place.
    await session.execute(_LOCK, {"name": f"{execution.tenant_id}/{counted.tool_type}/{counted.ticket_id}"})
    others = int((await session.execute(counted.statement(besides=own))).scalar_one())
    taken = (await session.execute(select(step.input.has_key(PLACE)).where(own))).scalar_one_or_none()
    if taken:
        return None
    if others >= most:
        return others
    place = func.jsonb_build_object(PLACE, others + 1, type_=JSONB)
    kept = (
        update(step)
        .where(own, step.attempt == execution.attempt, step.state.in_((StepState.STARTED, StepState.IN_DOUBT)))
        .values(input=func.coalesce(step.input, text("'{}'::jsonb")).op("||")(place))
        .returning(step.step_key)
        .execution_options(synchronize_session=False)
    )
    if (await session.execute(kept)).scalar_one_or_none() is None:
        raise LostClaimError(f"another worker took over execution {execution.id}")
    return None

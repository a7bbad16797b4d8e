"""How long a run has been at work: the time of its steps, without what lay between them while it waited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.claims import RunningExecution

# As one set of times, because calls of one turn run side by side and none of them counts twice. A step that was begun
# anew counts from there, so the time in which a dead worker's run lay about is not work.
_WORKED = text(
    "SELECT coalesce(extract(epoch FROM sum(upper(span) - lower(span))), 0)::float8, clock_timestamp()"
    " FROM (SELECT unnest(range_agg(tstzrange(started_at, greatest(started_at, coalesce(finished_at,"
    " clock_timestamp()))))) AS span FROM execution_steps WHERE execution_id = :run) AS spans"
)


@dataclass(frozen=True, slots=True)
class Worked:
    """A measurement.

    Attributes:
        seconds: How long, up to then.
        until: When it was taken.
    """

    seconds: float
    until: datetime


async def worked(session: AsyncSession, execution: RunningExecution) -> Worked:
    """Measure a run's work so far.

    Args:
        session: A session of the run's tenant.
        execution: The run.
    """
    seconds, until = (await session.execute(_WORKED, {"run": execution.id})).one()
    return Worked(seconds, until)

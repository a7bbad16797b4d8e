"""Schedules: what is due by the database's clock fires once, whichever of any number of workers sees it first.

No leader. A scheduler locks due triggers (others skip them), reads their cron expressions in their own zones, and in
the same transaction records each instant (unique per trigger), starts its execution and moves the trigger on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog

from deskhand.engine.queue import notify_workers
from deskhand.kit.cron import occurrences
from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.loops import repeat
from deskhand.schedules import repository

GRACE = timedelta(seconds=30)
"""An instant that is no later than this is on time and fires under every policy; beyond it, it was missed."""

MAX_INSTANTS = 100
"""Of one trigger in one transaction; after a long outage the rest follows in the next ones."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueSchedule:
    """A trigger whose next instant has come.

    Attributes:
        trigger_id: Which one.
        cron: Its expression.
        zone: IANA zone the expression is read in.
        policy: ``skip``, ``latest`` or ``all``: which missed instants still fire.
        max_age: A missed instant older than this fires under no policy.
        next_fire_at: The earliest instant that has not been dealt with.
        live: Whether agent and tenant are active; if not, instants pass without a trace.
        now: The database's clock.
    """

    trigger_id: UUID
    cron: str
    zone: str
    policy: str
    max_age: timedelta
    next_fire_at: datetime
    live: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class FiringPlan:
    """What becomes of the instants of one trigger.

    Attributes:
        fire: Instants that start an execution.
        skip: Instants that are recorded as skipped.
        next_fire_at: The next one to deal with; in the past if there were too many for one transaction.
    """

    trigger_id: UUID
    fire: tuple[datetime, ...] = ()
    skip: tuple[datetime, ...] = ()
    next_fire_at: datetime | None = None


def plan_firing(due: DueSchedule, *, limit: int = MAX_INSTANTS) -> FiringPlan:
    """Decide which instants of a due trigger fire. Pure.

    Args:
        due: The trigger.
        limit: Instants at most.

    Raises:
        ValueError: Its expression or zone cannot be read.
    """
    # An agent that is not active lets its times pass; when it is activated again, nothing is made up for.
    if not due.live:
        return FiringPlan(due.trigger_id, next_fire_at=next(occurrences(due.cron, due.zone, after=due.now), None))
    instants, following = _due_instants(due, limit)
    more = following is not None and following <= due.now
    # As long as more instants follow in a later transaction, the newest one is not known, and 'latest' fires none.
    newest = None if more or not instants else instants[-1]
    fire = tuple(instant for instant in instants if _fires(due, instant, newest=newest))
    skip = tuple(instant for instant in instants if instant not in fire)
    return FiringPlan(due.trigger_id, fire, skip, following)


def _due_instants(due: DueSchedule, limit: int) -> tuple[list[datetime], datetime | None]:
    instants: list[datetime] = []
    # From just before: the stored instant counts only if the expression still names it.
    for instant in occurrences(due.cron, due.zone, after=due.next_fire_at - timedelta(seconds=1)):
        if instant > due.now or len(instants) == limit:
            return instants, instant
        instants.append(instant)
    return instants, None


def _fires(due: DueSchedule, instant: datetime, *, newest: datetime | None) -> bool:
    late = due.now - instant
    if late <= GRACE:
        return True
    if due.policy == "skip" or late > due.max_age:
        return False
    return due.policy == "all" or instant == newest


class Scheduler:
    """Fires schedules until told to stop. Run one in every worker.

    Args:
        pool: Connections of the application role.
        poll: Seconds between two looks at most; a schedule that is added is seen no later than this.
        batch: Triggers in one transaction.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, poll: float = 0.5, batch: int = 100) -> None:
        self._pool = pool
        self._poll = poll
        self._batch = batch
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Fire nothing more; a transaction that has begun is finished."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``request_stop``; the database may go away and come back."""
        await repeat(
            self.tick, stop=self._stop, passing=DATABASE_ERRORS, pause=self._poll, event="schedules_interrupted"
        )

    async def tick(self) -> float:
        """Fire what is due now.

        Returns:
            Seconds until it is worth looking again.
        """
        delay = await repository.seconds_to_next(self._pool)
        # A plain question without locks: most looks of most workers find nothing due.
        if delay is None or delay > 0:
            return self._poll if delay is None else min(self._poll, delay)
        handled, fired = await self._fire_due()
        # After the commit, and only where there is something to do: an idle worker is not woken for instants that were
        # skipped.
        if fired:
            await notify_workers(self._pool)
        # Nothing handled although something is due: another scheduler is at it, or its agent is being changed.
        return 0.0 if handled else min(self._poll, 0.05)

    async def _fire_due(self) -> tuple[int, int]:
        async with self._pool.acquire() as connection, connection.transaction():
            due = [DueSchedule(**row) for row in await repository.lock_due(connection, self._batch)]
            if not due:
                return 0, 0
            plans = [_plan_or_halt(one) for one in due]
            fired, skipped = await repository.fire(
                connection,
                instants=[
                    (plan.trigger_id, instant, outcome)
                    for plan in plans
                    for outcome, instants in (("fired", plan.fire), ("skipped", plan.skip))
                    for instant in instants
                ],
                moved=[(plan.trigger_id, plan.next_fire_at) for plan in plans],
            )
        log.info("schedules_fired", triggers=len(due), fired=fired, skipped=skipped)
        return len(due), fired


def _plan_or_halt(due: DueSchedule) -> FiringPlan:
    """The plan; a schedule that can no longer be read (a zone was removed from tzdata) stops alone, not with others."""
    try:
        return plan_firing(due)
    except ValueError as error:
        log.error("schedule_halted", trigger_id=str(due.trigger_id), error=str(error))
        return FiringPlan(due.trigger_id)

"""Retention: history that is older than the installation keeps goes, in small steps that wait for nobody.

What may go is decided by ``prune_history()`` (``engine/retention.sql``): one short statement deletes one batch,
passes over rows that are in use, and lets one worker at a time prune a kind. So every worker may run a housekeeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom

import asyncpg
import structlog
from sqlalchemy import text

from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.session import Database
from deskhand.kit.loops import repeat, wait_or_stop

KINDS = ("executions", "deliveries", "schedule_fires", "execution_starts", "queue_log", "audit")
"""What is pruned. The first three are history for people, the last is the audit log; the others are the engine's own
and kept for a fixed time."""

MIN_DELIVERIES_DAYS = 2
"""A vendor's redelivery must meet its first answer, or the event runs a second time."""

MIN_AUDIT_DAYS = 90
"""No less is kept of the audit log; a database trigger says the same."""

STARTS_KEPT = timedelta(hours=2)  # the limit per hour counts the last one
QUEUE_LOG_KEPT = timedelta(days=1)

STATEMENT_SECONDS = 60.0  # a connection that was cut off without a word is given up then
RETRY_SECONDS = 60.0  # after the database was away; what is old can wait

Progress = Callable[[str, int], None]

# What prune_history() takes, counted; tests/engine/test_retention.py holds the two against each other.
_COUNT_EXPIRED = {
    "executions": "SELECT count(*) FROM agent_executions WHERE completed_at < now() - CAST(:keep AS interval)"
    " AND (status IN ('completed', 'cancelled') OR status = 'failed' AND dismissed_at IS NOT NULL)",
    "deliveries": "SELECT count(*) FROM webhook_deliveries WHERE received_at < now() - CAST(:keep AS interval)",
    "schedule_fires": "SELECT count(*) FROM schedule_fires WHERE fire_at < now() - CAST(:keep AS interval)",
    "execution_starts": "SELECT count(*) FROM execution_starts WHERE minute < now() - CAST(:keep AS interval)",
    "queue_log": "SELECT count(*) FROM pgqueuer_log WHERE created < now() - CAST(:keep AS interval)",
    "audit": "SELECT count(*) FROM audit_log"
    " WHERE created_at < date_trunc('day', now(), 'UTC') - CAST(:keep AS interval)",
}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days history is kept; 0 keeps it for ever.

    Attributes:
        executions_days: Runs with their steps, from their end. Failures nobody dismissed and runs that wait for a
            person are kept in any case.
        deliveries_days: Webhook deliveries, from their receipt.
        schedule_fires_days: What became of the times of schedules.
        audit_days: Entries of the audit log.

    Raises:
        ValueError: A figure is negative, deliveries would go before a vendor has stopped delivering them again, or the
            audit log would be kept for less than ``MIN_AUDIT_DAYS``.
    """

    executions_days: int = 180
    deliveries_days: int = 30
    schedule_fires_days: int = 180
    audit_days: int = 400

    def __post_init__(self) -> None:
        if min(self.executions_days, self.deliveries_days, self.schedule_fires_days, self.audit_days) < 0:
            raise ValueError("history is kept for a number of days, or 0 for ever")
        if 0 < self.deliveries_days < MIN_DELIVERIES_DAYS:
            raise ValueError(
                f"deliveries must be kept for at least {MIN_DELIVERIES_DAYS} days (or 0, for ever): "
                "a vendor's redelivery must meet its first answer"
            )
        if 0 < self.audit_days < MIN_AUDIT_DAYS:
            raise ValueError(f"the audit log must be kept for at least {MIN_AUDIT_DAYS} days (or 0, for ever)")

    def periods(self) -> dict[str, timedelta]:
        """How long each kind is kept, without the kinds that are kept for ever."""
        days = {
            "executions": self.executions_days,
            "deliveries": self.deliveries_days,
            "schedule_fires": self.schedule_fires_days,
            "audit": self.audit_days,
        }
        # Zero means for ever, so the kind is left out and prune_history() is never called for it.
        chosen = {kind: timedelta(days=count) for kind, count in days.items() if count}
        return {**chosen, "execution_starts": STARTS_KEPT, "queue_log": QUEUE_LOG_KEPT}


class Housekeeper:
    """Prunes history until told to stop. Run one in every worker.

    Args:
        pool: Connections of the application role; one is used at a time, for a moment.
        keep: What is kept, and for how long.
        every: Seconds between two rounds.
        first_after: Range of seconds; the first round comes at random within it, so that workers which start
            together do not prune together.
        batch: Rows that one statement deletes at most.
        pause: Seconds between two batches.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        keep: Retention,
        *,
        every: float = 3600.0,
        first_after: tuple[float, float] = (60.0, 300.0),
        batch: int = 500,
        pause: float = 0.1,
    ) -> None:
        self._pool = pool
        self._keep = keep
        self._every = every
        self._first_after = first_after
        self._batch = batch
        self._pause = pause
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Prune nothing more; a batch that has begun is finished."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``request_stop``; the database may go away and come back."""
        await wait_or_stop(self._stop, SystemRandom().uniform(*self._first_after))
        # Any answer of the database passes: what can wait an hour must not end a worker.
        pause = min(self._every, RETRY_SECONDS)
        await repeat(
            self._round, stop=self._stop, passing=DATABASE_ERRORS, pause=pause, event="housekeeping_interrupted"
        )

    async def _round(self) -> float:
        await self.prune()
        return self._every

    async def prune(self, progress: Progress | None = None) -> dict[str, int]:
        """One round: everything that is too old now, batch after batch.

        Args:
            progress: Called after each batch with the kind and the rows that went with it.

        Returns:
            How many rows went, of each kind that is not kept for ever. What another worker is pruning at this moment
            is left to it.
        """
        # One kind after the other on one connection: housekeeping must not take connections away from runs.
        return {kind: await self._prune_kind(kind, keep, progress) for kind, keep in self._keep.periods().items()}

    async def _prune_kind(self, kind: str, keep: timedelta, progress: Progress | None) -> int:
        gone = 0
        try:
            while not self._stop.is_set():
                count = await self._pool.fetchval(
                    "SELECT prune_history($1, $2, $3)", kind, keep, self._batch, timeout=STATEMENT_SECONDS
                )
                gone += count
                if progress and count:
                    progress(kind, count)
                # A batch that is not full means that nothing older is left, or that another worker holds the rest: its
                # round takes it.
                if count < self._batch:
                    break
                await wait_or_stop(self._stop, self._pause)
        finally:
            if gone:
                log.info("history_pruned", kind=kind, rows=gone)
        return gone


async def count_expired(db: Database, keep: Retention) -> dict[str, int]:
    """What a round would delete now, of all tenants.

    Args:
        db: As the application role; the platform role is entered for the count.
        keep: What is kept, and for how long.
    """
    periods = keep.periods()
    # Row-level security shows the application's login one tenant at a time; the count is over all of them.
    async with db.platform_session() as session:
        return {
            kind: (await session.execute(text(_COUNT_EXPIRED[kind]), {"keep": period})).scalar_one()
            for kind, period in periods.items()
        }

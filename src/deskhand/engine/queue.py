"""PgQueuer as transport: hands execution ids to workers, and wakes them after a commit.

PgQueuer's own table trigger sends NOTIFY inside the enqueueing transaction, which serialises commits
(measured: a factor of 2.8 at 32 connections). A migration leaves that trigger out; ``Waker`` sends the
same event after the commit, coalesced, and the workers' poll is the net under it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.domain.settings import db_settings
from pgqueuer.ports.driver import NotifyCallback
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.session import hands_over
from deskhand.kit.loops import let_cancellation_pass

ENTRYPOINT = "execution"
POLL = timedelta(seconds=1)

log = structlog.get_logger(__name__)


async def enqueue(session: AsyncSession, execution_id: UUID) -> None:
    """Hand an execution to PgQueuer in the caller's transaction, whose commit wakes the workers."""
    # Not woken here: a worker that looks before the commit finds no job, and then sleeps until its next poll.
    hands_over(session)
    await session.execute(text("SELECT enqueue_execution(:execution_id)"), {"execution_id": execution_id})


def decode_job(payload: bytes | None) -> tuple[str, UUID]:
    """Read what a job carries: the execution and, because row-level security needs it, its tenant.

    Raises:
        ValueError: The payload is not ours.
    """
    # A tenant's name cannot hold a colon, so the first one is the border.
    tenant_id, _, execution_id = (payload or b"").decode().partition(":")
    return tenant_id, UUID(execution_id)


async def queue_depth(pool: asyncpg.Pool[asyncpg.Record]) -> dict[str, int]:
    """How many runs wait, of all tenants, by state (queued, parked); nothing where the database is away."""
    try:
        row = await pool.fetchrow("SELECT queued, parked FROM queue_depth()")
    except DATABASE_ERRORS as error:
        log.warning("queue_depth_unknown", error=str(error) or type(error).__name__)
        return {}
    return {} if row is None else dict(row)


class ListeningApart(AsyncpgPoolDriver):
    """PgQueuer's driver behind a proxy that pools transactions: LISTEN needs a session, which it does not give.

    Args:
        pool: Through the proxy, for every statement.
        direct: To the server itself, for LISTEN alone; None listens to nothing, and the poll finds the work.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], direct: asyncpg.Pool[asyncpg.Record] | None) -> None:
        super().__init__(pool)
        self._direct = AsyncpgPoolDriver(direct) if direct is not None else None

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """As PgQueuer's."""
        if self._direct is not None:
            await self._direct.add_listener(channel, callback)

    async def remove_listener(self, channel: str, callback: NotifyCallback) -> None:
        """As PgQueuer's."""
        if self._direct is not None:
            await self._direct.remove_listener(channel, callback)

    async def __aenter__(self) -> Self:
        # LISTEN is on the direct connection alone: through a proxy that pools transactions it would be heard by
        # whoever gets the server connection next.
        await super().__aenter__()
        if self._direct is not None:
            await self._direct.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        if self._direct is not None:
            await self._direct.__aexit__(*details)
        await super().__aexit__(*details)


@dataclass(frozen=True, slots=True)
class Transport:
    """How a worker reaches the queue.

    Attributes:
        pool: Connections of the application role.
        proxied: Whether they lead through a proxy.
        direct: Past the proxy, to hear of new work at once; None polls.
    """

    pool: asyncpg.Pool[asyncpg.Record]
    proxied: bool = False
    direct: asyncpg.Pool[asyncpg.Record] | None = None

    @property
    def listens(self) -> bool:
        """Whether new work is heard of; else it is found by the poll, at most POLL later."""
        return not self.proxied or self.direct is not None

    def open(self) -> PgQueuer:
        """A queue manager; one serves until its connection is lost."""
        if self.proxied:
            return PgQueuer(ListeningApart(self.pool, self.direct))
        return PgQueuer.from_asyncpg_pool(self.pool)


class Waker:
    """Wakes idle workers, at most once per ``interval``, however many events are accepted.

    Args:
        pool: Connections of the application role.
        interval: Seconds between two notifications.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, interval: float = 0.02) -> None:
        self._pool = pool
        self._interval = interval
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Ask for a notification; returns at once."""
        self._due.set()

    async def __aenter__(self) -> Waker:
        self._task = asyncio.create_task(self._run(), name="waker")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            # A notification that is lost here costs a worker one poll; the process that stops must not wait for the
            # database.
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            # Cleared before the notification goes out: a commit that comes while it is under way is due another one.
            self._due.clear()
            try:
                await notify_workers(self._pool)
            except DATABASE_ERRORS as error:
                let_cancellation_pass()
                # The workers' poll finds the work; the database being away is reported where it matters.
                log.warning("wake_failed", error=str(error))
            # The pause after the notification is what bounds them: events accepted meanwhile set the flag once, and one
            # NOTIFY speaks for all of them.
            await asyncio.sleep(self._interval)


async def notify_workers(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Send the event PgQueuer's listeners wait for (``pgqueuer/domain/schema/notify.py``)."""
    settings = db_settings()
    # Its listener parses this and drops what has another shape, so the form is PgQueuer's own to the letter.
    event = {
        "channel": settings.channel,
        "operation": "insert",
        "sent_at": datetime.now(UTC).isoformat(),
        "table": settings.queue_table,
        "type": "table_changed_event",
    }
    await pool.execute("SELECT pg_notify($1, $2)", settings.channel, json.dumps(event))

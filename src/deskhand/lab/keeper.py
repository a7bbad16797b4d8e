"""Keeps runs of the lab going until told to stop. Run one in every worker: what one has locked the others pass over."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import DeskhandError
from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.loops import repeat
from deskhand.lab import repository
from deskhand.lab.models import LabRun
from deskhand.lab.running import advance

UNEXPECTED = (DeskhandError, LookupError, TypeError, ValueError, AttributeError)
"""What a run's output that has another shape than today's runs give it can lead to."""

log = structlog.get_logger(__name__)


class LabKeeper:
    """Begins the lab's dry runs, few at a time, and settles those that ended.

    Args:
        pool: A worker's connections, to ask where something goes on.
        db: Sessions.
        poll: Seconds between two looks.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], db: Database, *, poll: float = 1.0) -> None:
        self._pool = pool
        self._db = db
        self._poll = poll
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``request_stop``; the database may go away and come back."""
        await repeat(self.look, stop=self._stop, passing=DATABASE_ERRORS, pause=self._poll, event="lab_interrupted")

    async def look(self) -> float:
        """Go on with every run of the lab once.

        Returns:
            Seconds until it is worth looking again.
        """
        for tenant_id in await repository.tenants_in_lab(self._pool):
            async with self._db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
                for run in await repository.lock_running(session):
                    await _go_on(session, run)
        return self._poll


async def _go_on(session: AsyncSession, run: LabRun) -> None:
    lab_run_id = run.id
    try:
        async with session.begin_nested():
            await advance(session, run)
    except UNEXPECTED as error:
        # One run of the lab must not take the worker from everybody's runs, nor be tried each second for good.
        log.exception("lab_run_failed", lab_run_id=str(lab_run_id))
        words = f"Something unexpected happened ({type(error).__name__}); the worker's log has more."
        await repository.stop(session, lab_run_id, words)

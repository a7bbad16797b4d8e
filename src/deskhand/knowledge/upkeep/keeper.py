"""Keeps knowledge fresh until told to stop. Run one in every worker: what one has taken the others leave to it.

Live runs go first: while one of a tenant is at work or due, the tenant's import makes way, and takes a step only every
half a minute, so that a busy day does not keep it out for good.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
from sqlalchemy import func

from deskhand.errors import DeskhandError, LostClaimError
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.loops import repeat
from deskhand.knowledge.embedding import Embedder
from deskhand.knowledge.upkeep import exclusions, jobs, repository
from deskhand.knowledge.upkeep.models import JobKind, JobState, KnowledgeJob
from deskhand.knowledge.upkeep.refreshing import refresh_tenant
from deskhand.knowledge.upkeep.repository import JobClaim
from deskhand.knowledge.upkeep.steps import step
from deskhand.knowledge.upkeep.work import Work
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import connected_tools, desk_for

SLICE_SECONDS = 20.0
"""After so long a job makes way for other tenants'."""
MAKE_WAY = timedelta(seconds=2)
STARVED = timedelta(seconds=30)
MOST_TRIES = 8
LONGEST_WAIT = 3600.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reach:
    """How a tenant's desks are reached."""

    db: Database
    secrets: SecretBox
    http: HttpClientFactory
    plugins: PluginManager
    embedder: Embedder


class KnowledgeKeeper:
    """Imports, reconciles and looks at single tickets.

    Args:
        pool: A worker's connections, to ask where something is due.
        reach: Database, desks and vectors.
        poll: Seconds between two looks.
        lease: Seconds without a word after which another worker may take a job over.
    """

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], reach: Reach, *, poll: float = 1.0, lease: float = 30.0
    ) -> None:
        self._pool = pool
        self._reach = reach
        self._db = reach.db
        self._poll = poll
        self._lease = lease
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Begin nothing more; the step at hand is finished, and its job handed back."""
        self._stop.set()

    async def run(self) -> None:
        """Work until ``request_stop``; the database may go away and come back."""
        async with asyncio.TaskGroup() as group:
            for work, event in ((self.tend, "upkeep_interrupted"), (self.work, "knowledge_job_interrupted")):
                group.create_task(
                    repeat(work, stop=self._stop, passing=DATABASE_ERRORS, pause=self._poll, event=event), name=event
                )

    async def tend(self) -> float:
        """Queue what is due by the clock, and look at tickets that were reported.

        Returns:
            Seconds until it is worth looking again.
        """
        for tenant_id in await repository.tenants_due(self._pool):
            try:
                await self._ask_desks(tenant_id)
            except DeskhandError as error:
                # What cannot be read of one tenant must not keep the others waiting, nor this one every second.
                log.warning("history_not_asked_for", tenant_id=tenant_id, reason=error.detail)
                async with self._db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
                    await repository.set_history_due(session, jobs.next_night(tenant_id, utc_now()))
        for tenant_id in await repository.tenants_to_refresh(self._pool):
            await refresh_tenant(
                self._db, tenant_id, secrets=self._reach.secrets, plugins=self._reach.plugins, http=self._reach.http,
                embedder=self._reach.embedder,
            )  # fmt: skip
        return self._poll

    async def work(self) -> float:
        """Take one job and go on with it for a while.

        Returns:
            Seconds until it is worth looking again.
        """
        claimed = await repository.claim(self._pool, self._lease)
        if claimed is None:
            return self._poll
        try:
            await self._held(claimed, self._go_on(claimed))
        except LostClaimError:
            log.info("knowledge_job_left", job_id=str(claimed.id))
        return 0.0

    async def _ask_desks(self, tenant_id: str) -> None:
        async with self._db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session:
            tenant = await repository.tenant_of(session, lock=True)
            now = utc_now()
            # Another worker may have seen the same: the lock makes it wait, and then find that nothing is due.
            if tenant is None or tenant.history_due_at is None or tenant.history_due_at > now:
                return
            await repository.set_history_due(session, jobs.next_night(tenant_id, now))
            tools = connected_tools(tenant, secrets=self._reach.secrets, plugins=self._reach.plugins)
            for tool_type in sorted(tools):
                known = await repository.has_history(session, tool_type)
                kind = JobKind.RECONCILE if known else JobKind.HISTORY
                await repository.add_job(
                    session, tenant_id=tenant_id, kind=kind, tool_type=tool_type, asked_by=jobs.SYSTEM
                )
            await exclusions.ask(session, tenant_id)

    async def _held(self, claimed: JobClaim, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, and say meanwhile that this worker is alive; a page of a slow desk can take minutes."""
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=self._lease / 3))[0]:
                async with self._db.tenant_session(claimed.tenant_id, companies=EVERY_COMPANY) as session:
                    if not await repository.save(session, claimed, self._lease):
                        raise LostClaimError("The job was paused or taken over.")
        finally:
            task.cancel()
            await asyncio.wait({task})
        error = task.exception()
        # A database that is away, and orders to this process, are for the loop; anything else is the job's.
        if isinstance(error, DeskhandError) and not isinstance(error, LostClaimError):
            await self._put_off(claimed, error)
        elif isinstance(error, Exception) and not isinstance(error, LostClaimError) and not _passes(error):
            log.error("knowledge_job_failed", job_id=str(claimed.id), exc_info=error)
            words = f"Something unexpected happened ({type(error).__name__}); the worker's log has more."
            await self._save(claimed, state=JobState.FAILED, error=words, ended_at=func.clock_timestamp())
        elif error is not None:
            raise error

    async def _go_on(self, claimed: JobClaim) -> None:
        work = Work(self._db, claimed, self._lease, self._reach.embedder)
        until = time.monotonic() + SLICE_SECONDS
        try:
            while True:
                job, wait = await self._look(claimed, work)
                if wait is not None or self._stop.is_set() or time.monotonic() > until:
                    not_before = func.clock_timestamp() + (wait or timedelta())
                    return await self._save(claimed, state=JobState.QUEUED, not_before=not_before, lease_until=None)
                if not await step(work, job):
                    log.info("knowledge_job_ended", job_id=str(claimed.id), kind=job.kind)
                    return None
        finally:
            if work.desk is not None:
                await work.desk.aclose()

    async def _look(self, claimed: JobClaim, work: Work) -> tuple[KnowledgeJob, timedelta | None]:
        """The job as it is now, and how long it makes way for runs."""
        async with self._db.tenant_session(claimed.tenant_id, companies=EVERY_COMPANY) as session:
            job = await repository.job(session, claimed.id)
            tenant = await repository.tenant_of(session)
            if job is None or tenant is None or job.attempt != claimed.attempt or job.state != JobState.RUNNING:
                raise LostClaimError("The job was paused or taken over.")
            busy = job.tool_type is not None and await repository.is_live(session)
        if work.desk is None and job.tool_type is not None:
            reach = self._reach
            work.desk = desk_for(tenant, job.tool_type, secrets=reach.secrets, plugins=reach.plugins, http=reach.http)
        fed = utc_now() - (job.stepped_at or job.created_at) < STARVED
        return job, MAKE_WAY if busy and fed else None

    async def _put_off(self, claimed: JobClaim, error: DeskhandError) -> None:
        async with self._db.tenant_session(claimed.tenant_id, companies=EVERY_COMPANY) as session:
            job = await repository.job(session, claimed.id)
        tries = 0 if job is None else job.tries
        # A desk that says when to come back is not failing, however often it says so.
        asked = error.retry_after
        if error.retryable and (asked is not None or tries + 1 < MOST_TRIES):
            wait = min(max(asked, 0.0) if asked is not None else 2.0 ** (tries + 1), LONGEST_WAIT)
            words = f"{error.detail} It goes on by itself in {wait:.0f} seconds."
            await self._save(
                claimed,
                state=JobState.QUEUED,
                not_before=func.clock_timestamp() + timedelta(seconds=wait),
                tries=tries + (asked is None),
                error=words,
            )
            return
        words = f"{error.detail} Mend it, then resume the job: it goes on where it was."
        log.warning("knowledge_job_failed", job_id=str(claimed.id), reason=error.detail)
        await self._save(claimed, state=JobState.FAILED, error=words, ended_at=func.clock_timestamp())

    async def _save(self, claimed: JobClaim, **values: Any) -> None:
        async with self._db.tenant_session(claimed.tenant_id, companies=EVERY_COMPANY) as session:
            # False: it was paused meanwhile, and rests as it was asked to.
            await repository.save(session, claimed, self._lease, **values)


def _passes(error: BaseException) -> bool:
    return isinstance(error, DATABASE_ERRORS) and is_passing(error)

"""Keys that were refused, on record without letting whoever sends them fill the disk or learn from the time it takes.

A refusal is counted in memory and written beside the request: the first of its kind within a second, the rest as a
count when its quarter of an hour is over. A log gets so many kinds in that time; what goes beyond is one kind more,
without prefix and address. A process that is killed loses counts of the present quarter, and first refusals of its last
second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from deskhand.audit.service import PLATFORM, record
from deskhand.audit.source import Source, current_source
from deskhand.errors import ConfigurationError
from deskhand.kit.clock import Clock, utc_now
from deskhand.kit.db.away import DATABASE_ERRORS
from deskhand.kit.db.session import Database
from deskhand.kit.loops import repeat

WINDOW = timedelta(minutes=15)
KINDS_PER_LOG = 20
WRITTEN_EVERY = 1.0
MANY = "many others"
TASK = "refused keys"
"""The task that writes, so that what it does can be told from what requests do."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of refusal.

    Attributes:
        tenant_id: Whose key it is; ``PLATFORM`` where it is nobody's, or a platform administrator's.
        prefix: The key's first characters, as lists show them.
        reason: Why it was refused.
        address: Where it came from.
    """

    tenant_id: str
    prefix: str
    reason: str
    address: str | None


class KeyRefusals:
    """Counts refusals, and writes them into the logs of those they concern.

    Args:
        clock: Current time.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._since: datetime = clock()
        self._counts: Counter[Refusal] = Counter()
        self._written: Counter[Refusal] = Counter()

    def note(self, *, prefix: str, reason: str, tenant_id: str = PLATFORM) -> None:
        """Count one refusal of the present request."""
        refusal = Refusal(tenant_id, prefix, reason, current_source().address)
        known = sum(one.tenant_id == tenant_id for one in self._counts)
        if refusal not in self._counts and known >= KINDS_PER_LOG:
            refusal = replace(refusal, prefix="", reason=MANY, address=None)
        self._counts[refusal] += 1

    @asynccontextmanager
    async def at_work(self, db: Database) -> AsyncIterator[None]:
        """Write what is counted for as long as the block lasts, and the rest at its end."""
        stop = asyncio.Event()

        async def work() -> float:
            await self.write(db, is_over=self._clock() >= self._since + WINDOW)
            return WRITTEN_EVERY

        task = asyncio.create_task(
            repeat(work, stop=stop, passing=DATABASE_ERRORS, pause=WRITTEN_EVERY, event="refused_keys_not_recorded"),
            name=TASK,
        )
        try:
            yield
        finally:
            stop.set()
            await task
            await self._write_the_rest(db)

    async def write(self, db: Database, *, is_over: bool) -> None:
        """Record what is new; and everything, where the present window is over."""
        for refusal, count in list(self._counts.items()):
            before = self._written[refusal]
            if before and (not is_over or before == count):
                continue
            await self._record(db, refusal, count - before)
            self._written[refusal] = count
        if is_over:
            # What was refused while this wrote belongs to the next window.
            self._counts -= self._written
            self._written.clear()
            self._since = self._clock()

    async def _write_the_rest(self, db: Database) -> None:
        try:
            await self.write(db, is_over=True)
        except DATABASE_ERRORS as error:
            log.warning("refused_keys_not_recorded", error=str(error) or type(error).__name__)

    async def _record(self, db: Database, refusal: Refusal, count: int) -> None:
        facts = {"reason": refusal.reason, "count": count, "since": self._since.isoformat()}
        log.warning("api_key_refused", tenant_id=refusal.tenant_id, prefix=refusal.prefix, **facts)
        try:
            session_of = db.tenant_session(refusal.tenant_id) if refusal.tenant_id else db.platform_session()
            async with session_of as session:
                await record(
                    session,
                    tenant_id=refusal.tenant_id,
                    actor=f"api-key:{refusal.prefix}" if refusal.prefix else "unknown",
                    operation="api_key.refused",
                    resource_type="api_key",
                    resource_id=refusal.prefix or None,
                    status="denied",
                    details=facts,
                    source=Source(address=refusal.address),
                )
        except ConfigurationError:
            # This process has no login for platform administration, and so no log for what concerns no tenant.
            log.warning("refused_keys_not_recorded", error="no login for platform administration")

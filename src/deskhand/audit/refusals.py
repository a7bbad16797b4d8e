"""Who was refused, on record without letting whoever tries fill the disk or learn from the time it takes.

Keys that do not hold, sign-ins after too many tries, and answers that belong to no sign-in: none of these costs the
sender anything, so a refusal is counted in memory and written beside the request: the first of its kind within a
second, the rest as a count when its quarter of an hour is over. A log gets so many kinds of one operation in that time;
what goes beyond is one kind more, without name and address. A process that is killed loses counts of the present
quarter, and first refusals of its last second.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

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
STRANGER = "stranger"
"""The actor of whom nobody knows who it was."""
TASK = "refusals"
"""The task that writes, so that what it does can be told from what requests do."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """What was refused, as entries name it.

    Attributes:
        operation: What was tried.
        resource_type: What with.
        actor: What stands before the name of who tried; alone where there is no name.
    """

    operation: str
    resource_type: str
    actor: str


KEY = Subject("api_key.refused", "api_key", "api-key")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One kind of refusal.

    Attributes:
        subject: What was refused.
        tenant_id: Whose log; ``PLATFORM`` where it is nobody's, or a platform administrator's.
        name: Of what was refused: a key's first characters, as lists show them; a provider's name.
        reason: Why.
        address: Where it came from.
        resource_id: Which one, where that is not its name.
        account: The account that was tried; its refusals stand in the logs of all its tenants.
    """

    subject: Subject
    tenant_id: str
    name: str
    reason: str
    address: str | None
    resource_id: str | None = None
    account: str = ""


LogsOf = Callable[[AsyncSession, str], Awaitable[Sequence[str]]]


async def _platform_alone(_session: AsyncSession, _account: str) -> Sequence[str]:
    return [PLATFORM]


class Refusals:
    """Counts refusals, and writes them into the logs of those they concern.

    Args:
        clock: Current time.
    """

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._since: datetime = clock()
        self._counts: Counter[Refusal] = Counter()
        self._written: Counter[Refusal] = Counter()
        self._sources: dict[Refusal, Source] = {}
        self._logs_of: LogsOf = _platform_alone

    def note(
        self,
        subject: Subject,
        *,
        reason: str,
        name: str = "",
        resource_id: str | None = None,
        tenant_id: str = PLATFORM,
        account: str = "",
    ) -> None:
        """Count one refusal of the present request."""
        source = current_source()
        refusal = Refusal(subject, tenant_id, name, reason, source.address, resource_id, account)
        known = sum((one.tenant_id, one.subject) == (tenant_id, subject) for one in self._counts)
        if refusal not in self._counts and known >= KINDS_PER_LOG:
            refusal = Refusal(subject, tenant_id, "", MANY, None)
            source = Source()
        self._sources.setdefault(refusal, source)
        self._counts[refusal] += 1

    @asynccontextmanager
    async def at_work(self, db: Database, logs_of: LogsOf = _platform_alone) -> AsyncIterator[None]:
        """Write what is counted for as long as the block lasts, and the rest at its end.

        Args:
            db: Opens sessions.
            logs_of: Whose logs an account concerns. Asked here and not in the request, whose time must not tell whether
                there is such an account.
        """
        stop, self._logs_of = asyncio.Event(), logs_of

        async def work() -> float:
            await self.write(db, is_over=self._clock() >= self._since + WINDOW)
            return WRITTEN_EVERY

        task = asyncio.create_task(
            repeat(work, stop=stop, passing=DATABASE_ERRORS, pause=WRITTEN_EVERY, event="refusals_not_recorded"),
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
            # Where the first came from says most: with its request's id the line of the log is found. Those that are
            # counted later are many requests.
            source = Source(address=refusal.address) if before else self._sources[refusal]
            await self._record(db, refusal, count - before, source)
            self._written[refusal] = count
        if is_over:
            # What was refused while this wrote belongs to the next window.
            self._counts -= self._written
            self._written.clear()
            self._sources = {refusal: self._sources[refusal] for refusal in self._counts}
            self._since = self._clock()

    async def _write_the_rest(self, db: Database) -> None:
        try:
            await self.write(db, is_over=True)
        except DATABASE_ERRORS as error:
            log.warning("refusals_not_recorded", error=str(error) or type(error).__name__)

    async def _record(self, db: Database, refusal: Refusal, count: int, source: Source) -> None:
        facts = {"reason": refusal.reason, "count": count, "since": self._since.isoformat()}
        named = {"name": refusal.name or refusal.account, "address": refusal.address}
        log.warning("refused", operation=refusal.subject.operation, tenant_id=refusal.tenant_id, **named, **facts)
        try:
            session_of = db.tenant_session(refusal.tenant_id) if refusal.tenant_id else db.platform_session()
            async with session_of as session:
                logs = await self._logs_of(session, refusal.account) if refusal.account else [refusal.tenant_id]
                for tenant_id in sorted(logs):
                    await _append(session, tenant_id, refusal, facts, source)
        except ConfigurationError:
            # This process has no login for platform administration, and so no log for what concerns no tenant.
            log.warning("refusals_not_recorded", error="no login for platform administration")


async def _append(
    session: AsyncSession, tenant_id: str, refusal: Refusal, facts: Mapping[str, object], source: Source
) -> None:
    subject = refusal.subject
    await record(
        session,
        tenant_id=tenant_id,
        actor=f"{subject.actor}:{refusal.name}" if refusal.name else STRANGER,
        operation=subject.operation,
        resource_type=subject.resource_type,
        resource_id=refusal.resource_id or refusal.name or None,
        status="denied",
        details={**facts, **({"email": refusal.account} if refusal.account else {})},
        source=source,
    )

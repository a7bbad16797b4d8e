"""Many tenants on few workers: floods, quiet tenants, and a record of every start that the engine did not write itself.

Runs are light: one journaled step with one short request to the database, so that thousands fit into a test.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import asyncpg
from tests.support.engine import EngineTables, arrival
from tests.support.engine_workers import MARKS
from tests.support.product import until

from deskhand.engine.claims import Ending, RunningExecution
from deskhand.engine.journal import Journal
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.engine.queue import notify_workers
from deskhand.engine.runner import Runner
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.intake.repository import TriggerRow
from deskhand.kit.telemetry import Telemetry

TOGETHER = 500  # events in one commit
STREAMS = 2
UNLIMITED = 1_000_000  # starts an hour

# Written by a trigger, in the transaction of each change: what was so at that moment, whoever made it so.
RECORD = """
    CREATE SCHEMA witness;
    CREATE TABLE witness.moments (
        seq bigserial PRIMARY KEY, tenant_id text, execution_id uuid, what text, running integer,
        queued_at timestamptz, at timestamptz DEFAULT clock_timestamp());
    CREATE FUNCTION witness.take_down() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
      INSERT INTO witness.moments (tenant_id, execution_id, what, running, queued_at)
      SELECT NEW.tenant_id, NEW.id, CASE NEW.status WHEN 'running' THEN 'started' ELSE 'promoted' END,
             (SELECT count(*) FROM public.agent_executions e
               WHERE e.tenant_id = NEW.tenant_id AND e.status = 'running'), NEW.queued_at;
      RETURN NULL;
    END $$;
    CREATE TRIGGER witness AFTER UPDATE ON public.agent_executions FOR EACH ROW
      WHEN (NEW.status = 'running' AND NEW.attempt <> OLD.attempt
            OR NEW.status = 'queued' AND OLD.parked AND NOT NEW.parked)
      EXECUTE FUNCTION witness.take_down();
"""
MOMENTS = """
    WITH place AS (
        SELECT e.id, row_number() OVER (PARTITION BY e.tenant_id ORDER BY e.queued_at, e.id) AS place
          FROM agent_executions e
         WHERE e.parked OR e.id IN (SELECT execution_id FROM witness.moments WHERE what = 'promoted'))
    SELECT m.seq, m.tenant_id, m.execution_id, m.what, m.running, coalesce(p.place, 0)
      FROM witness.moments m LEFT JOIN place p ON p.id = m.execution_id ORDER BY m.seq
"""
FORGET = "DROP TRIGGER IF EXISTS witness ON public.agent_executions; DROP SCHEMA IF EXISTS witness CASCADE"


@dataclass(frozen=True)
class Moment:
    """A start, or the promotion of a parked run.

    Attributes:
        seq: Its place among all moments.
        running: Runs of the tenant at that moment, this one included.
        place: Place among the tenant's runs that were parked, by the time their events were accepted.
    """

    seq: int
    tenant: str
    execution: UUID
    what: str
    running: int
    place: int


@dataclass
class Town:
    """Tenants, their events and the workers that all of them share."""

    tables: EngineTables
    triggers: dict[str, TriggerRow] = field(default_factory=dict)

    async def tenant(self, name: str, *, cap: int, **limits: int) -> None:
        """A tenant with one agent."""
        limits = {"executions_per_hour": UNLIMITED, **limits}
        await self.tables.tenant(name, concurrent_executions=cap, **limits)
        self.triggers[name] = await self.tables.agent(name)

    async def flood(self, name: str, count: int) -> None:
        """So many events, each about a ticket of its own; nobody is woken."""
        first, *others = [range(at, min(at + TOGETHER, count)) for at in range(0, count, TOGETHER)]
        await self._pour(name, [first])
        # The first fill the tenant's slots; what follows is parked, and it matters no more how many come at once.
        await asyncio.gather(*(self._pour(name, others[at::STREAMS]) for at in range(STREAMS)))

    async def _pour(self, name: str, portions: Sequence[range]) -> None:
        for numbers in portions:
            events = [arrival(self.triggers[name], f"{name}-{n}", str(n), {"n": n}) for n in numbers]
            answers = await self.tables.accept(*events)
            assert {answer.status.value for answer in answers if answer} == {"accepted"}

    async def event(self, name: str, number: int) -> UUID:
        """One event, as the inbox does it: accepted, then the workers are woken."""
        event = arrival(self.triggers[name], f"{name}-late-{number}", f"late-{number}", {"n": number})
        (answer,) = await self.tables.accept(event)
        assert answer is not None
        assert answer.execution_id is not None
        await notify_workers(self.tables.pool)
        return answer.execution_id

    async def last_moment(self) -> int:
        """The newest moment there is."""
        return int(await self.tables.everything.fetchval("SELECT coalesce(max(seq), 0) FROM witness.moments"))

    async def started(self, execution_id: UUID) -> bool:
        """Whether a run has started."""
        found = await self.tables.everything.fetchval(
            "SELECT attempt > 0 FROM agent_executions WHERE id = $1", execution_id
        )
        return bool(found)

    async def count(self, condition: str) -> int:
        """Executions of everybody that fulfil an SQL condition."""
        return int(await self.tables.everything.fetchval(f"SELECT count(*) FROM agent_executions WHERE {condition}"))

    async def moments(self) -> list[Moment]:
        """Everything that was taken down, in order."""
        rows = await self.tables.everything.fetch(MOMENTS)
        return [Moment(*row) for row in rows]


@asynccontextmanager
async def witnessed(tables: EngineTables) -> AsyncIterator[Town]:
    """A town whose starts and promotions are taken down."""
    await tables.everything.execute(FORGET)
    await tables.everything.execute(RECORD)
    try:
        yield Town(tables)
    finally:
        await tables.everything.execute(FORGET)


class Crowd:
    """What runs do: one journaled step with a short wait for the database. Then they end, or wait for company.

    Args:
        pool: Connections of the application role.
        company: Of these tenants no run ends before so many of theirs run at once.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], company: Mapping[str, int]) -> None:
        self._pool = pool
        self._statements = RunStatements(pool)
        self._company = company
        self._waiting: dict[str, list[asyncio.Event]] = defaultdict(list)
        self._over = False

    async def execute(self, execution: RunningExecution, lease: Lease) -> Ending:
        """Do one run."""
        budget = RunBudget(RunLimits(timeout=float("inf"), max_steps=5, max_tokens=1, max_cost_usd=Decimal(1)))
        journal = Journal(self._statements, execution, budget, lease, Telemetry(), marks=MARKS)
        await journal.step(name="ask", kind="tool", body=self._ask)
        here, gone = self._waiting[execution.tenant_id], asyncio.Event()
        here.append(gone)
        if self._over or len(here) >= self._company.get(execution.tenant_id, 0):
            self._dismiss(here)
        await gone.wait()
        return Ending(ExecutionStatus.COMPLETED)

    def disperse(self) -> None:
        """Nobody waits for company any more."""
        self._over = True
        for here in self._waiting.values():
            self._dismiss(here)

    @staticmethod
    def _dismiss(here: list[asyncio.Event]) -> None:
        while here:
            here.pop().set()

    async def _ask(self) -> str:
        return str(await self._pool.fetchval("SELECT pg_sleep(0.01)"))


@asynccontextmanager
async def workers(
    pool: asyncpg.Pool[asyncpg.Record], *, count: int, slots: int, company: Mapping[str, int] | None = None
) -> AsyncIterator[None]:
    """So many workers with so many slots each; they end what they run when the block ends."""
    crowd = Crowd(pool, company or {})
    runners = [Runner(pool, crowd.execute, concurrency=slots) for _ in range(count)]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
    finally:
        for runner in runners:
            runner.request_stop()
        crowd.disperse()
        await asyncio.gather(*tasks)


async def visits(town: Town, name: str, count: int) -> list[tuple[UUID, int]]:
    """Events of a tenant, each after the one before has started: the runs, and the newest moment when each arrived."""
    found = []
    for number in range(count):
        seen = await town.last_moment()
        run = await town.event(name, number)
        await until(lambda run=run: town.started(run))
        found.append((run, seen))
    return found


def starts_between(moments: Sequence[Moment], visit: tuple[UUID, int]) -> int:
    """Starts of other tenants between an event's arrival and its own start."""
    run, arrived = visit
    start = next(m for m in moments if m.execution == run and m.what == "started")
    others = [m for m in moments if arrived < m.seq < start.seq and m.what == "started" and m.tenant != start.tenant]
    return len(others)

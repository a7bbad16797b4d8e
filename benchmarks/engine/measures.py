"""The measurements. Each runs one stack once and returns its figures; the entry point takes them in turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncpg
from benchmarks.engine import load, ours, pgbench, rival
from benchmarks.engine.load import Loaded, Target
from benchmarks.engine.processes import Api, cpu_seconds

from deskhand.kit.db.embedded import EmbeddedPostgres

# Runs of each stack, from its rows: how many ended, how long it took from the first start, how many at once at most.
SUMMARY = """
    WITH runs AS (SELECT started_at, {end} AS ended_at FROM {table} WHERE status = 'completed'),
         changes AS (SELECT started_at AS at, 1 AS change FROM runs UNION ALL SELECT ended_at, -1 FROM runs),
         active AS (SELECT sum(change) OVER (ORDER BY at, change) AS n FROM changes)
    SELECT count(*) AS completed, extract(epoch FROM max(ended_at) - min(started_at))::float8 AS seconds,
           (SELECT max(n) FROM active) AS most FROM runs
"""
CAPS = """
    UPDATE tenant_configs
       SET rate_limits = rate_limits || jsonb_build_object('concurrent_executions', $1::integer)
"""
LEFT = "SELECT count(*) FROM {table} WHERE status <> 'completed'"


Used = tuple[float, float, float]


class Worker(Protocol):
    """A worker process that is ready."""

    @property
    def pid(self) -> int: ...

    def go(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Stack:
    """One of the two, as the measurements see it.

    Attributes:
        url: Of its API.
        database: URL of its database as superuser: no policy hides a row from the counting.
        runs: Table of its runs.
        end: Column of a run's end.
        deliveries: Table of what it accepted.
        empty: Statement that empties its tables between measurements.
        worker: Starts a worker process, given seconds to wait and runs at once.
        api_pid: Its API process.
        brokers: Processes besides API, worker and PostgreSQL.
    """

    name: str
    url: str
    database: str
    runs: str
    end: str
    deliveries: str
    empty: str
    worker: Callable[[float, int], AbstractContextManager[Worker]]
    api_pid: int
    brokers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an API process did with webhooks.

    Attributes:
        seen: What the sender saw.
        api_ms: CPU milliseconds of the API process, per accepted webhook; so are the others.
    """

    seen: Loaded
    api_ms: float
    postgres_ms: float
    broker_ms: float


@dataclass(frozen=True, slots=True)
class Ran:
    """What a worker did with a full queue.

    Attributes:
        per_second: Runs finished, from the first start to the last end.
        most: Runs at once, at most.
        worker_ms: CPU milliseconds of the worker, per run; so are the others.
    """

    per_second: float
    most: int
    worker_ms: float
    postgres_ms: float
    broker_ms: float

    @property
    def cpu_ms(self) -> float:
        return self.worker_ms + self.postgres_ms + self.broker_ms


class Bench:
    """What all measurements need.

    Args:
        server: The PostgreSQL both stacks use.
        directory: For files.
        targets: Agents that both know.
    """

    def __init__(self, server: EmbeddedPostgres, directory: Path, targets: list[Target]) -> None:
        self.server, self.directory, self.targets = server, directory, targets
        self.postgres_pid = int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])

    async def accept(self, stack: Stack, *, connections: int, seconds: int) -> Accepted:
        """Webhooks for some seconds; nothing works on them meanwhile.

        Raises:
            RuntimeError: The rows do not say what the answers said.
        """
        file = self.directory / "requests"
        await asyncio.to_thread(load.prepare, self.targets, seconds * 5_000, file)
        before = await self._count(stack)
        await self._settle()
        start = self._cpu(stack.api_pid, stack)
        seen = await asyncio.to_thread(load.run, stack.url, file, connections=connections, seconds=seconds)
        used = self._cpu(stack.api_pid, stack, since=start)
        kept = await self._settled_count(stack) - before
        if (
            seen.refused
            or seen.broken
            or not 0 <= kept - seen.accepted <= connections
            or seen.requests == seconds * 5_000
        ):
            raise RuntimeError(f"{stack.name}: {seen}, {kept} rows kept")
        return Accepted(seen, *(one / kept for one in used))

    async def commit(self, *, clients: int, seconds: int) -> float:
        """What pgbench commits of the same rows, per second."""
        await self._settle()
        script = self.directory / "pgbench.sql"
        return await asyncio.to_thread(pgbench.run, self.server.superuser_url, script, clients=clients, seconds=seconds)

    async def work(self, stack: Stack, *, runs: int, wait: float, concurrency: int) -> Ran:
        """Fill the queue through the API, then let a worker that is already up empty it.

        Raises:
            RuntimeError: Some runs did not complete.
        """
        connection = await asyncpg.connect(stack.database)
        await connection.execute(stack.empty)
        await load.send_all(stack.url, self.targets, runs)
        await connection.execute(f"ANALYZE {stack.runs}")
        with stack.worker(wait, concurrency) as worker:
            await self._settle()
            start = self._cpu(worker.pid, stack)
            await asyncio.to_thread(worker.go)
            await self._until_empty(connection, stack)
            used = self._cpu(worker.pid, stack, since=start)
            row = await connection.fetchrow(SUMMARY.format(table=stack.runs, end=stack.end))
        await connection.close()
        assert row is not None
        if row["completed"] != runs:
            raise RuntimeError(f"{stack.name}: {row['completed']} of {runs} runs completed")
        return Ran(runs / row["seconds"], row["most"], *(one / runs for one in used))

    async def empty(self, stacks: Sequence[Stack]) -> None:
        """Nothing queued and nothing kept."""
        for stack in stacks:
            connection = await asyncpg.connect(stack.database)
            await connection.execute(stack.empty)
            await connection.close()

    async def set_caps(self, cap: int) -> None:
        """Runs at once, for every tenant."""
        connection = await asyncpg.connect(self.server.superuser_url)
        await connection.execute(CAPS, cap)
        await connection.close()

    async def _until_empty(self, connection: asyncpg.Connection, stack: Stack, limit: float = 300.0) -> None:
        deadline = time.monotonic() + limit
        while await connection.fetchval(LEFT.format(table=stack.runs)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{stack.name}: the queue is not empty after {limit:.0f} s")
            await asyncio.sleep(0.25)

    def _cpu(self, pid: int, stack: Stack, *, since: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Used:
        """CPU milliseconds of the stack's process, of PostgreSQL and of the broker, so far or since an earlier look."""
        brokers = sum(cpu_seconds(one) for one in stack.brokers)
        now = (cpu_seconds(pid) * 1000, cpu_seconds(self.postgres_pid) * 1000, brokers * 1000)
        return (now[0] - since[0], now[1] - since[1], now[2] - since[2])

    async def _settled_count(self, stack: Stack) -> int:
        """Rows, once no more are coming: the last requests were sent and their answers not awaited."""
        last = -1
        while (now := await self._count(stack)) != last:
            last = now
            await asyncio.sleep(0.5)
        return now

    async def _count(self, stack: Stack) -> int:
        connection = await asyncpg.connect(stack.database)
        try:
            return int(await connection.fetchval(f"SELECT count(*) FROM {stack.deliveries}"))
        finally:
            await connection.close()

    async def _settle(self) -> None:
        """Nobody pays for what another one left unwritten."""
        connection = await asyncpg.connect(self.server.superuser_url)
        await connection.execute("CHECKPOINT")
        await connection.close()


def our_stack(server: EmbeddedPostgres, directory: Path, api: Api) -> Stack:
    """Deskhand."""
    return Stack(
        name="Deskhand",
        url=api.url,
        api_pid=api.pid,
        database=server.superuser_url,
        runs="agent_executions",
        end="completed_at",
        deliveries="webhook_deliveries",
        empty=ours.EMPTY,
        worker=lambda wait, at_once: ours.working(server, directory / "worker.log", wait=wait, concurrency=at_once),
    )


def rival_stack(known: rival.Rival, api: Api) -> Stack:
    """The home-grown stack."""
    return Stack(
        name="FastAPI + Celery + Redis",
        url=api.url,
        api_pid=api.pid,
        database=known.superuser,
        runs="jobs",
        end="finished_at",
        deliveries="deliveries",
        empty=rival.EMPTY,
        worker=lambda wait, at_once: rival.working(known, wait=wait, concurrency=at_once),
        brokers=(known.redis_pid,),
    )

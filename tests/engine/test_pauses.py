"""A worker that was away is not a worker that died; and one that lives works, or ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from pgqueuer.core.qm import QueueManager
from tests.support.engine import EngineTables, arrival, engine_tables
from tests.support.product import until

from deskhand.engine import runner as runner_module
from deskhand.engine.claims import Ending, Finish, RunningExecution, Verdict, finish_execution, start_execution
from deskhand.engine.lease import Lease
from deskhand.engine.runner import Runner
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus

HOUR = timedelta(hours=1)
LOST = Ending(ExecutionStatus.QUEUED, error_code="claim-lost", error_message="Handed back.")
DONE = Ending(ExecutionStatus.COMPLETED)


@pytest.fixture
async def tables(clean_db, database_urls) -> AsyncIterator[EngineTables]:
    async with engine_tables(database_urls.app_url, database_urls.superuser_url, connections=6) as made:
        await made.tenant("acme")
        yield made


async def event(tables: EngineTables) -> UUID:
    trigger = await tables.agent("acme")
    (answer,) = await tables.accept(arrival(trigger, "d1", "1", {}))
    assert answer is not None
    assert answer.execution_id is not None
    return answer.execution_id


async def row(tables: EngineTables, execution_id: UUID) -> asyncpg.Record:
    return await tables.everything.fetchrow("SELECT * FROM agent_executions WHERE id = $1", execution_id)


class Workers:
    """Workers that take a run over from each other, each because the one before was not heard of for an hour."""

    def __init__(self, tables: EngineTables, execution_id: UUID) -> None:
        self.tables, self.execution_id = tables, execution_id
        self.statements = RunStatements(tables.pool)

    async def take(self, name: str) -> tuple[Verdict, RunningExecution | None]:
        await self.tables.let_time_pass(HOUR)
        start = await start_execution(
            self.statements, tenant_id="acme", execution_id=self.execution_id, worker_id=name, stale_after=5.0
        )
        return start.verdict, start.execution

    async def end(self, run: RunningExecution | None, ending: Ending) -> Finish:
        assert run is not None
        return await finish_execution(self.statements, run, ending)


async def test_a_run_that_only_lost_its_worker_for_a_while_never_fails_of_it(tables: EngineTables) -> None:
    workers = Workers(tables, await event(tables))
    _, run = await workers.take("w0")
    for number in range(1, 8):  # four deaths would end it
        verdict, taken = await workers.take(f"w{number}")
        assert verdict is Verdict.STARTED
        assert (await row(tables, workers.execution_id))["crashes"] == 1
        assert not (await workers.end(run, LOST)).applied, "the one that wakes owns it no more"
        assert (await row(tables, workers.execution_id))["crashes"] == 0
        run = taken
    assert (await workers.end(run, DONE)).applied


async def test_four_deaths_end_a_run_and_a_worker_that_wakes_after_all_gives_it_back(tables: EngineTables) -> None:
    workers = Workers(tables, await event(tables))
    for number in range(4):
        verdict, run = await workers.take(f"w{number}")
        assert verdict is Verdict.STARTED
    assert (await workers.take("w4"))[0] is Verdict.FAILED
    ended = await row(tables, workers.execution_id)
    assert (ended["status"], ended["error_code"], ended["crashes"]) == ("failed", "worker-died", 4)

    assert not (await workers.end(run, LOST)).applied
    again = await row(tables, workers.execution_id)
    assert (again["status"], again["error_code"], again["crashes"]) == ("queued", None, 3)
    assert (await workers.take("w5"))[0] is Verdict.STARTED


async def test_a_run_nobody_took_over_is_handed_back_at_once(tables: EngineTables) -> None:
    workers = Workers(tables, await event(tables))
    _, run = await workers.take("w0")
    assert (await workers.end(run, LOST)).applied
    assert ((await row(tables, workers.execution_id))["status"], (await workers.take("w1"))[0]) == ("queued", "started")


@asynccontextmanager
async def working(tables: EngineTables, execute: Callable[[RunningExecution, Lease], Awaitable[Ending]], **options):
    runner = Runner(tables.pool, execute, concurrency=4, **options)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
        runner.request_stop()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_worker_that_wakes_beside_its_own_new_attempt_ends_the_old_one_alone(tables: EngineTables) -> None:
    """Frozen for so long that its own next look into the queue gave it the run again."""
    attempts: dict[int, asyncio.Event] = {}
    cancelled: list[int] = []

    async def execute(execution: RunningExecution, lease: Lease) -> Ending:
        attempts[execution.attempt] = asyncio.Event()
        try:
            await attempts[execution.attempt].wait()
        except asyncio.CancelledError:
            cancelled.append(execution.attempt)
            raise
        return DONE

    execution_id = await event(tables)
    async with working(tables, execute) as runner:

        async def taken_again() -> bool:
            if attempts and 2 not in attempts:
                await tables.let_time_pass(HOUR)
            return 2 in attempts and bool(cancelled)

        await until(taken_again)
        newest = max(attempts)
        attempts[newest].set()

        async def completed() -> bool:
            return (await row(tables, execution_id))["status"] == "completed"

        await until(completed)
        assert newest not in cancelled

        async def idle() -> bool:
            return runner.running == 0

        await until(idle)


async def test_a_worker_whose_heartbeat_failed_for_good_ends_whatever_its_clean_up_says(
    tables: EngineTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking = asyncio.Event()

    async def take(_self: QueueManager, **_options: object) -> None:
        taking.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise asyncpg.InterfaceError("the listener's connection is closed")

    async def beat(*_: object, **__: object) -> set[tuple[UUID, int]]:
        await taking.wait()
        raise asyncpg.InsufficientPrivilegeError("permission denied for function heartbeat_executions")

    monkeypatch.setattr(QueueManager, "run", take)
    monkeypatch.setattr(runner_module, "heartbeat", beat)

    async def execute(execution: RunningExecution, lease: Lease) -> Ending:
        return DONE

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(Runner(tables.pool, execute).run(), 60)
    assert raised.group_contains(asyncpg.InsufficientPrivilegeError)


async def test_a_worker_works_on_after_locks_and_ended_sessions(tables: EngineTables, database_urls) -> None:
    async def execute(execution: RunningExecution, lease: Lease) -> Ending:
        return DONE

    owner = await asyncpg.connect(database_urls.superuser_url)
    impatience = f"ALTER ROLE deskhand_app IN DATABASE {database_urls.name}"
    try:
        await owner.execute(f"{impatience} SET lock_timeout = '50ms'")
        async with (
            engine_tables(database_urls.app_url, database_urls.superuser_url, connections=6) as impatient,
            working(impatient, execute),
        ):
            async with owner.transaction():
                await owner.execute("LOCK TABLE pgqueuer, agent_executions")
                refused = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                await until(lambda: owner.fetchval(refused))
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'deskhand_app' AND datname = current_database()"
            )
            execution_id = await event(impatient)

            async def completed() -> bool:
                return (await row(tables, execution_id))["status"] == "completed"

            await until(completed)
    finally:
        await owner.execute(f"{impatience} RESET lock_timeout")
        await owner.close()

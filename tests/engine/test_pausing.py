"""The engine's statements while something is paused: each way to a start, one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.conftest import DatabaseUrls
from tests.support.engine import EngineTables, arrival, engine_tables
from tests.support.product import until

from deskhand.engine.claims import Ending, Start, Verdict, finish_execution, start_execution, sweep
from deskhand.engine.presence import forget_worker, show_worker
from deskhand.engine.runner import Runner
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.db.session import Database

STALE = 300.0


@pytest.fixture
async def tables(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[EngineTables]:
    async with engine_tables(database_urls.app_url, database_urls.superuser_url) as tables:
        await tables.tenant("acme")
        yield tables


async def pause(tables: EngineTables, agent_id: UUID | None = None) -> None:
    await tables.everything.execute(
        "INSERT INTO pauses (tenant_id, agent_id, reason, paused_by) VALUES ('acme', $1, 'r', 'tests')", agent_id
    )


async def pause_everything(tables: EngineTables) -> None:
    await tables.everything.execute("INSERT INTO installation_pause (reason, paused_by) VALUES ('r', 'tests')")


async def resume(tables: EngineTables) -> None:
    await tables.everything.execute("DELETE FROM pauses")
    await tables.everything.execute("DELETE FROM installation_pause")


async def accepted(tables: EngineTables, ticket: str = "1", trigger: Any = None) -> UUID:
    trigger = trigger or await tables.agent("acme")
    (answer,) = await tables.accept(arrival(trigger, f"d-{ticket}", ticket, {}))
    assert answer is not None
    return UUID(str(answer.execution_id))


async def start(tables: EngineTables, run: UUID, worker: str = "a") -> Start:
    await tables.everything.execute("DELETE FROM pgqueuer")  # as a worker does that was handed the job
    return await start_execution(
        RunStatements(tables.pool), tenant_id="acme", execution_id=run, worker_id=worker, stale_after=STALE
    )


async def row(tables: EngineTables, run: UUID) -> Any:
    return await tables.everything.fetchrow("SELECT * FROM agent_executions WHERE id = $1", run)


async def jobs(tables: EngineTables) -> int:
    return int(await tables.everything.fetchval("SELECT count(*) FROM pgqueuer"))


async def test_a_run_of_a_paused_agent_is_born_parked_and_those_of_others_are_not(tables: EngineTables) -> None:
    paused, free = await tables.agent("acme"), await tables.agent("acme")
    await pause(tables, paused.agent_id)
    held, going = await accepted(tables, "1", paused), await accepted(tables, "2", free)
    assert [(await row(tables, run))["parked"] for run in (held, going)] == [True, False]
    assert await jobs(tables) == 1
    assert await sweep(tables.pool, stale_after=STALE) == 0
    await resume(tables)
    assert await sweep(tables.pool, stale_after=STALE) == 1
    assert (await start(tables, held)).verdict is Verdict.STARTED


async def test_a_paused_agents_runs_hold_up_nobody_elses(tables: EngineTables) -> None:
    """They are older, they were handed over, and the tenant may run one at a time."""
    await tables.everything.execute("UPDATE tenant_configs SET rate_limits = '{\"concurrent_executions\": 1}'")
    paused, free = await tables.agent("acme"), await tables.agent("acme")
    held, going = await accepted(tables, "1", paused), await accepted(tables, "2", free)
    assert [(await row(tables, run))["parked"] for run in (held, going)] == [False, True]
    await pause(tables, paused.agent_id)
    assert (await start(tables, held)).verdict is Verdict.PARKED
    assert [(await row(tables, run))["parked"] for run in (held, going)] == [True, False]


async def test_a_run_whose_worker_died_waits_in_the_queue_and_goes_on_afterwards(tables: EngineTables) -> None:
    run = await accepted(tables)
    first = (await start(tables, run)).execution
    assert first is not None
    await pause(tables)
    await tables.let_time_pass(timedelta(seconds=2 * STALE))
    assert await sweep(tables.pool, stale_after=STALE) == 1
    assert (await start(tables, run, "b")).verdict is Verdict.PARKED
    held = await row(tables, run)
    assert (held["status"], held["parked"], held["crashes"], held["attempt"]) == ("queued", True, 1, 1)
    late = await finish_execution(RunStatements(tables.pool), first, Ending(ExecutionStatus.COMPLETED))
    assert not late.applied, "the worker that was taken for dead changes nothing"
    assert await sweep(tables.pool, stale_after=STALE) == 0
    await resume(tables)
    assert await sweep(tables.pool, stale_after=STALE) == 1
    second = await start(tables, run, "b")
    assert second.execution is not None
    assert second.execution.attempt == 2


async def test_a_run_at_work_goes_on_to_its_end(tables: EngineTables) -> None:
    run = await accepted(tables)
    first = (await start(tables, run)).execution
    assert first is not None
    await pause_everything(tables)
    assert (await finish_execution(RunStatements(tables.pool), first, Ending(ExecutionStatus.COMPLETED))).applied
    assert (await row(tables, run))["status"] == "completed"


@pytest.mark.parametrize("whole", [False, True])
async def test_an_undo_waits_only_where_everything_is_paused(tables: EngineTables, whole: bool) -> None:
    trigger = await tables.agent("acme")
    run = await accepted(tables, "1", trigger)
    await tables.everything.execute("UPDATE agent_executions SET mode = 'undo'")
    await (pause_everything(tables) if whole else pause(tables, trigger.agent_id))
    assert (await start(tables, run)).verdict is (Verdict.PARKED if whole else Verdict.STARTED)
    if whole:
        assert await sweep(tables.pool, stale_after=STALE) == 0


async def test_only_the_platform_pauses_everything(tables: EngineTables, clean_db: Database) -> None:
    """The application's login can read that, and no more: a tenant's session must not stop its neighbours."""
    for statement in (
        "INSERT INTO installation_pause (reason, paused_by) VALUES ('r', 'x')",
        "DELETE FROM installation_pause",
        "SELECT worker_id FROM workers",
        "DELETE FROM workers",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await tables.pool.execute(statement)
    assert await tables.pool.fetch("SELECT slots, running, seen_at FROM workers") == []


async def test_a_worker_shows_itself_while_it_lives_and_leaves_when_it_stops(tables: EngineTables) -> None:
    async def nothing(*_: Any) -> Ending:
        return Ending(ExecutionStatus.COMPLETED)

    runner = Runner(tables.pool, nothing, concurrency=7)
    shown = "SELECT worker_id, slots, running FROM workers"

    async def work_and_stop() -> None:
        found = await until(lambda: tables.everything.fetch(shown))
        assert [tuple(one) for one in found] == [(runner.worker_id, 7, 0)]
        runner.request_stop()

    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        group.create_task(work_and_stop())
    assert await tables.everything.fetch(shown) == []


async def test_a_worker_that_was_silent_for_a_day_is_forgotten_by_the_next(tables: EngineTables) -> None:
    names = [f"host:{number}:{uuid4().hex[:8]}" for number in range(3)]
    for name in names:
        await show_worker(tables.pool, worker_id=name, slots=2, running=0)
    for name, age in ((names[0], "25 hours"), (names[1], "23 hours")):
        await tables.everything.execute(
            "UPDATE workers SET seen_at = now() - $2::text::interval WHERE worker_id = $1", name, age
        )
    await show_worker(tables.pool, worker_id=names[2], slots=2, running=1)
    left = await tables.everything.fetch("SELECT worker_id, running FROM workers ORDER BY worker_id")
    assert [tuple(one) for one in left] == sorted([(names[1], 0), (names[2], 1)])
    await forget_worker(tables.pool, worker_id=names[1])
    assert await tables.everything.fetchval("SELECT count(*) FROM workers") == 1

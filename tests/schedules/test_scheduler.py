"""Schedulers against a real database: what fires is read from the rows, never from a scheduler's own account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest
from tests.conftest import DatabaseUrls
from tests.support.logins import open_pool
from tests.support.product import until
from tests.support.schedules import EVERY_OTHER, EVERY_SECOND, Deal, ScheduleBook, instants
from tests.support.tenancy import set_process

from deskhand.schedules.scheduler import Scheduler

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"


@asynccontextmanager
async def schedulers(app_url: str, count: int) -> AsyncIterator[None]:
    """Schedulers that share nothing but the database, each on connections of its own."""
    pools = [await open_pool(app_url, min_size=1, max_size=2) for _ in range(count)]
    running = [Scheduler(pool, batch=60) for pool in pools]
    try:
        async with asyncio.TaskGroup() as group:
            for one in running:
                group.create_task(one.run())
            try:
                yield
            finally:
                for one in running:
                    one.request_stop()
    finally:
        for pool in pools:
            await pool.close()


async def due_instant(book: ScheduleBook) -> tuple[str, datetime]:
    """An expression of once a day, and its instant that came within the last hour."""
    hour = (await book.now()).replace(minute=0, second=0, microsecond=0)
    return f"0 {hour.hour} * * *", hour


def fired(deals: list[Deal]) -> list[datetime]:
    assert [(deal.outcome, deal.runs) for deal in deals] == [("fired", 1)] * len(deals)
    return [deal.instant for deal in deals]


async def test_three_schedulers_and_500_changing_schedules_fire_every_instant_once(
    book: ScheduleBook, database_urls: DatabaseUrls
) -> None:
    agents = [await book.agent(f"tenant-{number}") for number in range(5)]
    lasting = [await book.schedule(agent, EVERY_SECOND, count=50) for agent in agents]
    lasting += [await book.schedule(agent, EVERY_OTHER, count=30) for agent in agents]
    paused = await book.schedule(agents[0], EVERY_SECOND, count=50)
    changed = await book.schedule(agents[1], EVERY_SECOND, count=50)

    async with schedulers(database_urls.app_url, 3):
        await until(lambda: book.passed(changed.first + SECOND))
        stopped = {"paused": await book.pause(paused), "changed": await book.pause(changed)}
        added = await book.schedule(agents[2], EVERY_SECOND, count=50)
        again = await book.resume(changed, EVERY_OTHER)
        removed = await book.schedule(agents[3], EVERY_SECOND, count=20)
        await until(lambda: book.passed(again.first + SECOND))
        await book.connection.execute("DELETE FROM agent_triggers WHERE id = ANY ($1)", removed.ids)
        end = await book.now()
        await until(lambda: book.passed(end))

    deals = await book.deals()
    for group in (*lasting, added):
        for trigger_id in group.ids:
            got = fired(deals[trigger_id])
            assert got == instants(group.cron, group.first, max(end, got[-1]))
    for trigger_id in paused.ids:
        assert max(deal.at for deal in deals[trigger_id]) <= stopped["paused"]
        got = fired(deals[trigger_id])
        assert got == instants(paused.cron, paused.first, got[-1])
    for trigger_id in changed.ids:
        got = fired(deals[trigger_id])
        before = [instant for instant in got if instant < again.first]
        assert max(before) <= stopped["changed"]
        assert before == instants(changed.cron, changed.first, before[-1])
        assert got[len(before) :] == instants(again.cron, again.first, max(end, got[-1]))
    runs = await book.connection.fetchval("SELECT count(*) FROM agent_executions WHERE trigger_id IS NOT NULL")
    assert runs == sum(map(len, deals.values())) >= 1000


async def test_a_firing_is_pinned_to_the_agents_present_version_and_handed_over(book: ScheduleBook, pool: Pool) -> None:
    agent = await book.agent()
    daily, hour = await due_instant(book)
    schedule = await book.schedule(agent, daily, next_fire_at=hour, misfire_policy="latest")
    assert await Scheduler(pool).tick() == 0.0

    run = await book.connection.fetchrow(
        "SELECT e.*, v.version_number FROM agent_executions e JOIN agent_versions v ON v.id = e.agent_version_id"
    )
    assert (run["agent_id"], run["trigger_id"], run["version_number"]) == (agent, schedule.ids[0], 1)
    assert (run["status"], run["parked"], run["ticket_ref"]) == ("queued", False, None)
    assert run["idempotency_key"] == f"schedule/{schedule.ids[0]}/{hour:%Y-%m-%dT%H:%M:%SZ}"
    assert f'"fire_at": "{hour:%Y-%m-%dT%H:%M:%SZ}"' in run["input_payload"]
    assert await book.connection.fetchval("SELECT count(*) FROM pgqueuer WHERE status = 'queued'") == 1
    (deal,) = (await book.deals())[schedule.ids[0]]
    assert deal.instant == hour
    assert await book.next_fire_at(schedule.ids[0]) == hour + DAY


async def test_firings_beyond_the_tenants_share_wait_parked(book: ScheduleBook, pool: Pool) -> None:
    agent = await book.agent()
    daily, hour = await due_instant(book)
    await book.schedule(agent, daily, count=15, next_fire_at=hour)
    await Scheduler(pool).tick()
    count = book.connection.fetchval
    assert await count("SELECT count(*) FROM agent_executions") == 15
    assert (
        await count("SELECT count(*) FROM agent_executions WHERE parked") == 10
    )  # the cap is 5, and no more is handed over
    assert await count("SELECT count(*) FROM pgqueuer") == 5


@pytest.mark.parametrize(("policy", "expected"), [("skip", 0), ("latest", 1), ("all", 3)])
async def test_missed_instants_are_recorded_as_the_policy_says(
    book: ScheduleBook, pool: Pool, policy: str, expected: int
) -> None:
    agent = await book.agent()
    # Daily, five hours and more ago, so that no instant is on time; two of five are older than the age.
    oldest = (await book.now() - timedelta(days=4, hours=5)).replace(minute=0, second=0, microsecond=0)
    (trigger_id,) = (
        await book.schedule(
            agent, f"0 {oldest.hour} * * *", next_fire_at=oldest, misfire_policy=policy,
            misfire_max_age_seconds=2 * 86_400 + 6 * 3600,
        )
    ).ids  # fmt: skip
    await Scheduler(pool).tick()
    deals = (await book.deals())[trigger_id]
    assert [deal.instant for deal in deals] == [oldest + timedelta(days=day) for day in range(5)]
    outcomes = [deal.outcome for deal in deals]
    assert outcomes == ["skipped"] * (5 - expected) + ["fired"] * expected
    assert sum(deal.runs for deal in deals) == expected
    assert await book.next_fire_at(trigger_id) == oldest + timedelta(days=5)


@pytest.mark.parametrize(
    "switch",
    [
        "UPDATE agents SET status = 'suspended'",
        "UPDATE tenant_configs SET is_active = false",
    ],
)
async def test_an_agent_or_tenant_that_is_not_active_never_fires(
    book: ScheduleBook, pool: Pool, database_urls: DatabaseUrls, switch: str
) -> None:
    daily, hour = await due_instant(book)
    (trigger_id,) = (await book.schedule(await book.agent(), daily, next_fire_at=hour)).ids
    await book.connection.execute(switch)
    await Scheduler(pool).tick()
    assert await book.deals() == {}
    assert await book.next_fire_at(trigger_id) == hour + DAY
    # Nor when it is switched off after it was found due: the firing statement looks for itself.
    await book.connection.execute("UPDATE agent_triggers SET next_fire_at = $1", hour)
    assert tuple(await fire(pool, trigger_id, hour)) == (0, 0)
    assert await book.deals() == {}


async def fire(pool: Pool, trigger_id: object, instant: datetime, outcome: str = "fired") -> asyncpg.Record:
    row = await pool.fetchrow(
        "SELECT * FROM fire_schedules(ARRAY[$1::uuid], ARRAY[$2::timestamptz], ARRAY[$3], ARRAY[$1::uuid],"
        " ARRAY[$2::timestamptz + interval '1 hour'])",
        trigger_id, instant, outcome,
    )  # fmt: skip
    assert row is not None
    return row


@pytest.mark.parametrize("off", [timedelta(hours=1), -timedelta(hours=1)])
async def test_only_what_the_rows_say_is_due_can_be_fired(book: ScheduleBook, pool: Pool, off: timedelta) -> None:
    daily, hour = await due_instant(book)
    (trigger_id,) = (await book.schedule(await book.agent(), daily, next_fire_at=hour)).ids
    assert tuple(await fire(pool, trigger_id, hour + off)) == (0, 0)
    assert await book.deals() == {}


async def test_an_instant_that_was_dealt_with_starts_nothing_again(book: ScheduleBook, pool: Pool) -> None:
    daily, hour = await due_instant(book)
    (trigger_id,) = (await book.schedule(await book.agent(), daily, next_fire_at=hour)).ids
    await Scheduler(pool).tick()
    await book.connection.execute("UPDATE agent_triggers SET next_fire_at = $1", hour)
    await Scheduler(pool).tick()
    assert [deal.runs for deal in (await book.deals())[trigger_id]] == [1]


async def test_a_schedule_that_cannot_be_read_stops_alone(book: ScheduleBook, pool: Pool) -> None:
    agent = await book.agent()
    daily, hour = await due_instant(book)
    broken = await book.schedule(agent, daily, next_fire_at=hour, schedule_timezone="Europe/Atlantis")
    sound = await book.schedule(agent, daily, next_fire_at=hour)
    await Scheduler(pool).tick()
    assert set(await book.deals()) == set(sound.ids)
    assert await book.next_fire_at(broken.ids[0]) is None


async def test_it_sleeps_until_the_next_instant_but_no_longer_than_its_poll(book: ScheduleBook, pool: Pool) -> None:
    scheduler = Scheduler(pool, poll=0.5)
    assert await scheduler.tick() == 0.5
    agent = await book.agent()
    daily, _ = await due_instant(book)
    await book.schedule(agent, daily, next_fire_at=await book.now() + timedelta(hours=1))
    assert await scheduler.tick() == 0.5
    await book.schedule(agent, daily, next_fire_at=await book.now() + timedelta(seconds=100))
    assert 0 < await Scheduler(pool, poll=1000).tick() <= 100


async def test_an_agent_that_is_being_changed_is_left_alone_and_fires_afterwards(
    book: ScheduleBook, pool: Pool, database_urls: DatabaseUrls
) -> None:
    daily, hour = await due_instant(book)
    await book.schedule(await book.agent(), daily, next_fire_at=hour)
    editor = await asyncpg.connect(database_urls.superuser_url)
    async with editor.transaction():
        await editor.execute("SELECT 1 FROM agents FOR UPDATE")
        assert await Scheduler(pool).tick() > 0  # returned: it waited for nobody
        assert await book.deals() == {}
    await editor.close()
    await Scheduler(pool).tick()
    assert len(await book.deals()) == 1


async def test_a_scheduler_that_freezes_between_looking_and_firing_holds_nothing_for_long(
    book: ScheduleBook, pool: Pool, database_urls: DatabaseUrls
) -> None:
    daily, hour = await due_instant(book)
    (trigger_id,) = (await book.schedule(await book.agent(), daily, next_fire_at=hour)).ids
    frozen = await asyncpg.connect(database_urls.app_url)
    transaction = frozen.transaction()
    await transaction.start()
    await set_process(frozen, "worker")
    assert len(await frozen.fetch("SELECT * FROM due_schedules(10)")) == 1
    assert await Scheduler(pool).tick() > 0
    assert await book.deals() == {}

    async with schedulers(database_urls.app_url, 1):
        await until(lambda: book.passed(hour))
    assert [deal.runs for deal in (await book.deals())[trigger_id]] == [1]
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await frozen.fetch("SELECT * FROM fire_schedules($1, $2, $3, $1, $2)", [trigger_id], [hour], ["fired"])
    await frozen.close()


async def test_it_survives_losing_the_database(book: ScheduleBook, database_urls: DatabaseUrls) -> None:
    schedule = await book.schedule(await book.agent(), EVERY_SECOND)

    async def cut() -> int:
        # Of this database alone: the server is shared with the tests that other processes run at this moment.
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE usename = 'deskhand_app' AND datname = current_database()"
        )
        return int(await book.connection.fetchval(query))

    async with schedulers(database_urls.app_url, 1):
        await until(lambda: book.passed(schedule.first))
        assert await cut()
        moment = await book.now()
        await until(lambda: book.passed(moment + SECOND))
    got = fired((await book.deals())[schedule.ids[0]])
    assert got == instants(EVERY_SECOND, schedule.first, got[-1])

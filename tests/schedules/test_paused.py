"""Schedules of what is paused: nothing fires, nobody looks in vain, and afterwards the policy decides."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from tests.support.schedules import ScheduleBook

from deskhand.schedules.scheduler import Scheduler

OF_AGENT = "INSERT INTO pauses (tenant_id, agent_id, reason, paused_by) VALUES ('acme', $1, 'r', 'tests')"
OF_TENANT = "INSERT INTO pauses (tenant_id, agent_id, reason, paused_by) SELECT 'acme', NULL, 'r', $1::uuid::text"
OF_ALL = "INSERT INTO installation_pause (reason, paused_by) SELECT 'r', $1::uuid::text"


async def missed(book: ScheduleBook, agent: UUID, policy: str) -> UUID:
    """A daily schedule whose last two times have come an hour ago and the day before."""
    oldest = (await book.now() - timedelta(days=1, hours=1)).replace(minute=0, second=0, microsecond=0)
    (trigger,) = (
        await book.schedule(
            agent, f"0 {oldest.hour} * * *", next_fire_at=oldest, misfire_policy=policy,
            misfire_max_age_seconds=7 * 86_400,
        )
    ).ids  # fmt: skip
    return trigger


@pytest.mark.parametrize("statement", [OF_AGENT, OF_TENANT, OF_ALL], ids=["agent", "tenant", "everything"])
@pytest.mark.parametrize(("policy", "fires"), [("skip", 0), ("latest", 1), ("all", 2)])
async def test_times_that_pass_in_a_pause_are_missed_ones(
    book: ScheduleBook, pool: asyncpg.Pool[asyncpg.Record], statement: str, policy: str, fires: int
) -> None:
    agent = await book.agent()
    trigger = await missed(book, agent, policy)
    due = await book.next_fire_at(trigger)
    await book.connection.execute(statement, agent)
    scheduler = Scheduler(pool, poll=0.5)
    # As if there were none: a worker that saw it due would look again and again.
    assert await scheduler.tick() == 0.5
    assert (await book.fires(trigger), await book.next_fire_at(trigger)) == ([], due)

    await book.connection.execute("DELETE FROM pauses")
    await book.connection.execute("DELETE FROM installation_pause")
    assert await scheduler.tick() == 0.0
    outcomes = [outcome for _, outcome in await book.fires(trigger)]
    assert (outcomes.count("fired"), len(outcomes)) == (fires, 2)
    assert await book.connection.fetchval("SELECT count(*) FROM agent_executions") == fires


async def test_those_of_others_fire_meanwhile(book: ScheduleBook, pool: asyncpg.Pool[asyncpg.Record]) -> None:
    paused, other = await book.agent(), await book.agent()
    held, going = await missed(book, paused, "latest"), await missed(book, other, "latest")
    await book.connection.execute(OF_AGENT, paused)
    assert await Scheduler(pool).tick() == 0.0
    assert await book.fires(held) == []
    assert len(await book.fires(going)) == 2

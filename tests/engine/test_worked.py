"""How long a run was at work: its steps as one set of times, without what lay between them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.engine.test_ceilings import RUN, SEED, do
from tests.support.runs import execution

from deskhand.engine.worked import worked
from deskhand.kit.db.session import Database

STEP = (
    "INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name, idempotent, state,"
    " started_at, finished_at) VALUES ('acme', :run, :key, 1, 'tool', 'x', true, :state,"
    " timestamptz '2026-03-29 00:30Z' + make_interval(mins => :begun),"
    " CASE WHEN :ended >= 0 THEN timestamptz '2026-03-29 00:30Z' + make_interval(mins => :ended) END)"
)


@pytest.fixture
async def db(clean_db: Database, make_tenant: Any) -> Database:
    await make_tenant("acme")
    await do(clean_db, *SEED)
    return clean_db


async def seconds(db: Database, number: int, *steps: tuple[int, int]) -> float:
    run = UUID(int=number)
    await do(db, RUN, run=run, tool="jira", ticket="10017")
    for place, (begun, ended) in enumerate(steps):
        state = "finished" if ended >= 0 else "started"
        await do(db, STEP, run=run, key=f"x:{place}", begun=begun, ended=ended, state=state)
    async with db.tenant_session("acme") as session:
        return (await worked(session, execution(id=run))).seconds


@pytest.mark.parametrize(
    ("steps", "minutes"),
    [
        ([], 0),
        ([(0, 10)], 10),
        # Two hours of waiting for an approval lie between them, and the change to summer time.
        ([(0, 10), (130, 135)], 15),
        # Side by side, and one within the other.
        ([(0, 10), (5, 15), (6, 7)], 15),
        ([(0, 0)], 0),
        # A clock that was set back between the two.
        ([(10, 9)], 0),
    ],
)
async def test_what_lies_side_by_side_counts_once_and_what_lies_between_not_at_all(
    db: Database, steps: list[tuple[int, int]], minutes: int
) -> None:
    assert await seconds(db, 1, *steps) == minutes * 60


async def test_a_step_that_is_under_way_counts_until_now_and_another_run_does_not(db: Database) -> None:
    await seconds(db, 1, (0, 60))
    async with db.tenant_session("acme") as session:
        age: Any = (
            await session.execute(text("SELECT clock_timestamp() - timestamptz '2026-03-29 00:30Z'"))
        ).scalar_one()
    taken = await seconds(db, 2, (0, -1))
    assert age.total_seconds() <= taken <= age.total_seconds() + 600

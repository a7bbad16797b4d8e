"""A ceiling on what is written on one ticket holds for runs that write at the same moment, and over a killed worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.runs import AGENT_ID, execution

from deskhand.engine.ceilings import PLACE, Counted, count_on_ticket, take_place
from deskhand.engine.claims import RunningExecution
from deskhand.errors import LostClaimError
from deskhand.kit.db.session import Database

COUNTED = Counted(("reply", "ask_requester"), tool_type="jira", ticket_id="10017", within=timedelta(days=1))
KEY = "reply:outcome"
SEED = (
    "INSERT INTO agents (id, tenant_id, name, status, system_prompt) VALUES (:agent, 'acme', 'a', 'draft', 'p')",
    "INSERT INTO agent_versions (id, tenant_id, agent_id, version_number, system_prompt, llm_config)"
    " VALUES (:version, 'acme', :agent, 1, 'p', '{}')",
)
RUN = (
    "INSERT INTO agent_executions (id, tenant_id, agent_id, agent_version_id, status, tool_type, ticket_ref)"
    " VALUES (:run, 'acme', :agent, :version, 'completed', :tool, :ticket)"
)
STEP = (
    "INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name, idempotent, state, input,"
    " started_at) VALUES ('acme', :run, :key, 1, 'write', :name, false, :state, CAST(:input AS jsonb),"
    " clock_timestamp() - make_interval(hours => :hours))"
)


@pytest.fixture
async def db(clean_db: Database, make_tenant: Any) -> Database:
    await make_tenant("acme")
    await do(clean_db, *SEED)
    return clean_db


async def do(db: Database, *statements: str, **values: Any) -> None:
    async with db.tenant_session("acme") as session:
        for statement in statements:
            bound = {name: value for name, value in values.items() if f":{name}" in statement}
            if ":agent" in statement:
                bound |= {"agent": AGENT_ID}
            if ":version" in statement:
                bound |= {"version": UUID(int=3)}
            await session.execute(text(statement), bound)


async def begun(db: Database, number: int, **said: Any) -> RunningExecution:
    """A run that has begun a reply on the ticket, or what is said of it."""
    facts: dict[str, Any] = {
        **{"tool": "jira", "ticket": "10017", "key": KEY, "name": "reply", "state": "started"},
        **{"input": '{"body": "x"}', "hours": 0, **said},
    }
    await do(db, RUN, STEP, run=UUID(int=number), **facts)
    return execution(id=UUID(int=number), tool_type="jira", ticket_ref="10017")


async def place(db: Database, run: RunningExecution, most: int = 2, counted: Counted = COUNTED) -> int | None:
    async with db.tenant_session("acme") as session:
        return await take_place(session, run, KEY, counted, most=most)


async def places(db: Database) -> list[int | None]:
    async with db.tenant_session("acme") as session:
        rows = await session.execute(text(f"SELECT (input ->> '{PLACE}')::int FROM execution_steps"))
        return sorted(rows.scalars(), key=lambda place: place or 0)


async def test_of_runs_that_write_at_the_same_moment_no_more_have_a_place_than_there_are(db: Database) -> None:
    runs = [await begun(db, number) for number in range(1, 7)]
    others = await asyncio.gather(*(place(db, run) for run in runs))
    assert sorted(others, key=lambda one: one or 0) == [None, None, 2, 2, 2, 2]
    assert await places(db) == [None, None, None, None, 1, 2]


async def test_a_place_is_kept_and_no_second_one_is_taken(db: Database) -> None:
    run = await begun(db, 1)
    assert [await place(db, run, most=1) for _ in range(2)] == [None, None]
    assert await places(db) == [1]
    assert await place(db, await begun(db, 2), most=1) == 1
    # Whatever a day later: the write of the first is the one that its worker began.
    assert await place(db, run, most=0) is None


OTHERS: list[tuple[dict[str, Any], int]] = [
    ({"state": "finished"}, 1),
    ({"state": "in_doubt"}, 1),
    ({"state": "started", "input": f'{{"{PLACE}": 1}}'}, 1),
    ({"state": "finished", "name": "ask_requester"}, 1),
    ({"state": "finished", "ticket": "9", "input": '{"target": "jira/10017"}'}, 1),
    ({"state": "started"}, 0),
    ({"state": "failed", "input": f'{{"{PLACE}": 1}}'}, 0),
    ({"state": "finished", "name": "add_note"}, 0),
    ({"state": "finished", "hours": 25}, 0),
    ({"state": "finished", "ticket": "9"}, 0),
    ({"state": "finished", "tool": "zendesk"}, 0),
    ({"state": "finished", "input": '{"target": "jira/9"}'}, 0),
]


@pytest.mark.parametrize(("said", "count"), OTHERS, ids=[str(said) for said, _ in OTHERS])
async def test_what_was_written_may_have_been_or_has_its_place_is_counted(
    db: Database, said: dict[str, Any], count: int
) -> None:
    await begun(db, 1, **said)
    async with db.tenant_session("acme") as session:
        assert await count_on_ticket(session, COUNTED) == count
    assert await place(db, await begun(db, 2), most=1) == (count or None)


async def test_whoever_lost_the_run_takes_no_place(db: Database) -> None:
    await begun(db, 1)
    with pytest.raises(LostClaimError, match="another worker took over"):
        await place(db, execution(id=UUID(int=1), attempt=2, tool_type="jira", ticket_ref="10017"))
    assert await places(db) == [None]

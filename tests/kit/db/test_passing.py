"""What passes by itself is told from a mistake, by SQLSTATE, whoever raises it."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from deskhand.engine.retry import decide
from deskhand.engine.statements import steadily
from deskhand.kit.db.away import is_passing, sqlstate
from deskhand.kit.db.group_commit import GroupCommit
from deskhand.kit.db.session import Database

CLASSES = ("08", "40", "53", "57", "58")
SINGLE = ("55P03", "25006", "25P03", "25P04")
STATES = {
    kind.sqlstate: kind
    for kind in vars(asyncpg.exceptions).values()
    if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError) and kind.sqlstate
}
WITHOUT_STATE = (
    ConnectionRefusedError(111, "refused"),
    TimeoutError(),
    PoolTimeoutError("QueuePool limit reached"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12"),
)


def test_every_sqlstate_passes_or_does_not_raw_and_wrapped_alike() -> None:
    assert len(STATES) > 200
    for state, kind in STATES.items():
        passes = state[:2] in CLASSES or state in SINGLE
        error = kind("x")
        assert is_passing(error) is passes, state
        for wrapper in (DBAPIError, IntegrityError, ProgrammingError, InterfaceError):
            assert is_passing(wrapper("SELECT 1", {}, error)) is passes, state
        assert sqlstate(DBAPIError("SELECT 1", {}, error)) == state
        assert decide(error, attempt=1, max_attempts=4).again is passes, state


def test_a_state_the_driver_has_no_class_for_goes_by_its_own_class() -> None:
    error = asyncpg.exceptions.UnknownPostgresError("x")
    error.sqlstate = "53999"
    assert is_passing(error)
    error.sqlstate = "22999"
    assert not is_passing(error)


@pytest.mark.parametrize("error", WITHOUT_STATE, ids=lambda error: type(error).__name__)
def test_a_connection_that_is_gone_passes(error: Exception) -> None:
    assert is_passing(error)
    assert is_passing(DBAPIError("SELECT 1", {}, error))
    assert decide(error, attempt=1, max_attempts=4).again


@pytest.mark.parametrize("error", [asyncpg.exceptions._base.DataError("invalid input for $1"), ValueError("x")])
def test_a_value_the_driver_cannot_send_does_not_pass(error: Exception) -> None:
    assert not is_passing(error)
    assert not is_passing(InterfaceError("SELECT 1", {}, error))
    assert not decide(error, attempt=1, max_attempts=4).again


async def test_the_orm_wraps_what_the_server_says(db: Database) -> None:
    for state in ("53100", "25006", "55P03", "22012"):
        with pytest.raises(DBAPIError) as raised:
            await _raise_in_the_server(db, state)
        assert sqlstate(raised.value) == state
        assert is_passing(raised.value) is (state != "22012")
    with pytest.raises(DBAPIError) as raised:
        async with db.anonymous_session() as session:
            await session.execute(text("SELECT CAST(:n AS integer)"), {"n": "not a number"})
    assert not is_passing(raised.value)


async def _raise_in_the_server(db: Database, state: str) -> None:
    async with db.anonymous_session() as session:
        await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'probe' USING ERRCODE = '{state}'; END $$"))


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "55P03", "58030", "25006", "40001", "57014"])
async def test_a_runs_statement_is_repeated_until_the_trouble_has_passed(state: str) -> None:
    answers = [STATES[state]("x"), STATES[state]("x"), None]

    async def call() -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "kept"

    assert await steadily(call) == "kept"


async def test_a_group_is_not_taken_apart_for_a_trouble_of_the_server() -> None:
    calls: list[int] = []

    async def store(items: list[int]) -> list[int]:
        calls.append(len(items))
        if len(items) > 1:
            raise asyncpg.DiskFullError("no space left on device")
        return items

    group: GroupCommit[int, int] = GroupCommit(store, order=lambda item: (str(item),), at_once=1)
    answers = await asyncio.gather(*map(group.put, [1, 2, 3]), return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncpg.DiskFullError] * 3
    assert calls == [3]


async def test_one_value_that_cannot_be_sent_costs_the_others_of_its_group_nothing() -> None:
    async def store(items: list[int]) -> list[int]:
        if 2 in items:
            raise asyncpg.exceptions._base.DataError("invalid input for query argument $1")
        return items

    group: GroupCommit[int, int] = GroupCommit(store, order=lambda item: (str(item),), at_once=1)
    answers = await asyncio.gather(*map(group.put, [1, 2, 3]), return_exceptions=True)
    assert answers[0] == 1
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 3

"""What a session costs the way to the database, and that the thrift carries nothing from one borrower to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from threading import Thread
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from tests.support.api import Api
from tests.support.logins import open_database

from deskhand.kit.db import connections
from deskhand.kit.db.away import is_passing
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.connections import local_settings
from deskhand.kit.db.session import Database
from deskhand.tenants.models import TenantConfig

PID = text("SELECT pg_backend_pid()")
TENANT = text("SELECT current_setting('app.current_tenant_id', true)")


@pytest.fixture
async def database(database_urls: Any) -> AsyncIterator[Database]:
    """With one connection, so that each borrower gets the one that the last has left."""
    opened = open_database(database_urls.app_url, platform_url=database_urls.platform_url, pool_size=1)
    yield opened
    await opened.dispose()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages to the server that wait for an answer, by their first word."""
    messages: list[str] = []
    execute = asyncpg.Connection.execute
    run_prepared = asyncpg.prepared_stmt.PreparedStatement._PreparedStatement__do_execute

    async def simple(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        messages.append(query.split(maxsplit=1)[0].strip(";"))
        return await execute(self, query, *args, **kwargs)

    async def prepared(self: Any, executor: Any) -> Any:
        messages.append(self.get_query().split()[0])
        return await run_prepared(self, executor)

    monkeypatch.setattr(asyncpg.Connection, "execute", simple)
    monkeypatch.setattr(asyncpg.prepared_stmt.PreparedStatement, "_PreparedStatement__do_execute", prepared)
    return messages


async def test_a_tenants_session_begins_with_one_message(database: Database, sent: list[str]) -> None:
    for companies in ((), EVERY_COMPANY):
        async with database.tenant_session("acme", companies=companies) as session:
            sent.clear()
            assert await session.scalar(TENANT) == "acme"
        assert sent == ["BEGIN", "SELECT", "COMMIT"]


async def test_a_lookup_is_one_message_and_the_next_session_is_a_transaction_again(
    database: Database, sent: list[str]
) -> None:
    for _ in range(2):
        async with database.lookup_session() as session:
            sent.clear()
            assert not await session.scalar(TENANT)
        assert sent == ["SELECT"]
        async with database.anonymous_session() as session:
            sent.clear()
            assert not await session.scalar(TENANT)
        assert sent == ["BEGIN", "SELECT", "COMMIT"]


async def test_a_request_asks_whose_key_it_is_and_what_it_wants(
    api: Api, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine a connection lies idle for long, and would be asked whether its server still answers.
    monkeypatch.setattr(connections, "_UNASKED_SECONDS", 3600)
    client = await api.tenant("acme", servicedesk_url="https://127.0.0.1:9")
    await client.get("/api/v1/agents")
    sent.clear()
    assert (await client.get("/api/v1/agents")).status_code == 200
    assert sent == ["SELECT", "BEGIN", "SELECT", "COMMIT"]


async def test_what_a_session_was_to_begin_with_is_not_the_next_ones(
    database: Database, clean_db: Database, make_tenant: Any
) -> None:
    await make_tenant("acme")
    openings = [lambda: database.tenant_session("acme"), database.platform_session]
    for opening in openings:
        async with opening():
            pass  # nothing is asked, so the transaction never begins
        with pytest.raises(RuntimeError):
            async with opening():
                raise RuntimeError
        async with database.anonymous_session() as session:
            assert not await session.scalar(TENANT)
            assert await session.scalar(text("SELECT current_user")) == "deskhand_app"
            assert (await session.scalars(select(TenantConfig.tenant_id))).all() == []
        async with database.lookup_session() as session:
            assert (await session.scalars(select(TenantConfig.tenant_id))).all() == []


@pytest.mark.parametrize("tenant_id", ["o'hara", "a\\", "a\\'; SET ROLE x; --", "$$", "naïve ✓", "a';", "%s :x $1"])
async def test_any_name_is_taken_as_it_stands(database: Database, tenant_id: str) -> None:
    async with database.tenant_session(tenant_id) as session:
        assert await session.scalar(TENANT) == tenant_id


@pytest.mark.parametrize("tenant_id", ["o'hara", "a\\'; SET ROLE x; --", "acme"])
async def test_a_server_that_reads_backslashes_is_told_by_a_statement(
    database: Database, tenant_id: str, sent: list[str]
) -> None:
    async with database.anonymous_session() as session:
        await session.execute(text("SET standard_conforming_strings = off"))
    async with database.tenant_session(tenant_id) as session:
        assert await session.scalar(TENANT) == tenant_id
    assert sent[-4:] == ["BEGIN", "SELECT", "SELECT", "COMMIT"]


def test_a_setting_with_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        local_settings({"app.x": "a\0b"})


async def test_a_connection_that_the_server_closed_costs_no_request(database: Database, database_urls: Any) -> None:
    admin = await asyncpg.connect(database_urls.superuser_url)
    pids = set()
    for _ in range(3):
        async with database.tenant_session("acme") as session:
            pid = await session.scalar(PID)
        pids.add(pid)
        await admin.execute("SELECT pg_terminate_backend($1, 10000)", pid)
    await admin.close()
    assert len(pids) == 3


async def test_nor_does_one_whose_end_the_process_has_not_had_the_time_to_read(
    database: Database, database_urls: Any
) -> None:
    async def end(pid: int) -> None:
        admin = await asyncpg.connect(database_urls.superuser_url)
        await admin.execute("SELECT pg_terminate_backend($1, 10000)", pid)
        await admin.close()

    async with database.tenant_session("acme") as session:
        pid = await session.scalar(PID)
    # In a thread that is waited for, so that our own loop reads nothing meanwhile.
    thread = Thread(target=lambda: asyncio.run(end(pid)))
    thread.start()
    thread.join()
    async with database.tenant_session("acme") as session:
        assert await session.scalar(PID) != pid


async def test_one_that_is_ending_while_it_is_lent_is_lent_to_nobody_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.tenant_session("acme") as session:
        pid = await session.scalar(PID)

    async def ending(_self: Any, *_args: Any, **_more: Any) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")

    with monkeypatch.context() as patched:
        patched.setattr(connections.PooledConnection, "execute", ending)
        with pytest.raises(DBAPIError) as refused:
            async with database.tenant_session("acme") as session:
                await session.scalar(PID)
    assert (refused.value.connection_invalidated, is_passing(refused.value)) == (True, True)
    async with database.tenant_session("acme") as session:
        assert await session.scalar(PID) != pid


async def test_one_that_lay_idle_is_asked_and_one_in_use_is_not(
    database: Database, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.anonymous_session() as session:
        pid = await session.scalar(PID)
    sent.clear()
    async with database.anonymous_session() as session:
        assert await session.scalar(PID) == pid
    assert sent == ["BEGIN", "SELECT", "COMMIT"]
    monkeypatch.setattr(connections, "_UNASKED_SECONDS", 0.0)
    sent.clear()
    async with database.anonymous_session() as session:
        assert await session.scalar(PID) == pid
    assert sent == ["BEGIN", "ROLLBACK", "BEGIN", "SELECT", "COMMIT"]


@pytest.mark.parametrize("fault", [ConnectionResetError(), asyncpg.ConnectionDoesNotExistError("gone")], ids=type)
async def test_one_that_answers_no_more_is_replaced_before_it_is_lent(
    database: Database, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async with database.anonymous_session() as session:
        pid = await session.scalar(PID)

    async def is_silent(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(connections, "_UNASKED_SECONDS", 0.0)
    # As where a firewall has dropped the way: the driver has heard nothing, and what is sent is not answered.
    monkeypatch.setattr(connections.PooledConnection, "fetchrow", is_silent, raising=False)
    async with database.anonymous_session() as session:
        assert await session.scalar(PID) != pid


async def test_an_error_in_a_lookup_is_not_the_next_sessions(database: Database) -> None:
    for _ in range(2):
        with pytest.raises(DBAPIError, match="division by zero"):
            async with database.lookup_session() as session:
                await session.execute(text("SELECT 1/0"))
        async with database.tenant_session("acme") as session:
            assert await session.scalar(TENANT) == "acme"

"""Sessions: the tenant ends with the transaction, and the application's login is checked."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import asyncpg
import httpx2
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from tests.support.logins import PROVER, open_database, open_pool
from tests.support.tenancy import set_tenant

from deskhand.api import ApiConfig, create_app
from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.db.away import is_passing
from deskhand.kit.db.readiness import verify_application_role, verify_writable
from deskhand.kit.db.session import hands_over, open_engine
from deskhand.simulators.base.server import run_in_process
from deskhand.tenants.models import TenantConfig


async def run_in(opening: AbstractAsyncContextManager[AsyncSession], *statements: str) -> None:
    """Run statements in one session, to its end or to the first error."""
    async with opening as session:
        for statement in statements:
            await session.execute(text(statement))


async def test_a_tenant_session_sees_its_tenant_alone(clean_db, make_tenant):
    await make_tenant("acme")
    await make_tenant("globex")
    async with clean_db.tenant_session("acme") as session:
        assert (await session.scalars(select(TenantConfig.tenant_id))).all() == ["acme"]
    async with clean_db.platform_session() as session:
        assert set(await session.scalars(select(TenantConfig.tenant_id))) == {"acme", "globex"}
    async with clean_db.anonymous_session() as session:
        assert (await session.scalars(select(TenantConfig.tenant_id))).all() == []


async def test_normal_exit_commits_and_an_error_rolls_back(clean_db, make_tenant):
    await make_tenant("acme")
    async with clean_db.tenant_session("acme") as session:
        await session.execute(text("UPDATE tenant_configs SET name = 'kept'"))
    with pytest.raises(DBAPIError, match="division by zero"):
        await run_in(clean_db.tenant_session("acme"), "UPDATE tenant_configs SET name = 'lost'", "SELECT 1/0")
    async with clean_db.tenant_session("acme") as session:
        assert await session.scalar(select(TenantConfig.name)) == "kept"


async def test_a_pooled_connection_carries_nothing_over(database_urls, clean_db, make_tenant):
    await make_tenant("acme")
    database = open_database(database_urls.app_url, pool_size=1)
    try:
        pids = set()
        for open_session in (lambda: database.tenant_session("acme"), database.platform_session):
            for fail in (False, True):
                if fail:
                    with pytest.raises(DBAPIError):
                        await run_in(open_session(), "SELECT 1/0")
                else:
                    async with open_session() as session:
                        if open_session != database.platform_session:
                            pids.add(await session.scalar(text("SELECT pg_backend_pid()")))
                        assert await session.scalar(text("SELECT count(*) FROM tenant_configs")) == 1
                async with database.anonymous_session() as session:
                    pids.add(await session.scalar(text("SELECT pg_backend_pid()")))
                    assert await session.scalar(text("SELECT count(*) FROM tenant_configs")) == 0
                    assert not await session.scalar(text("SELECT current_setting('app.current_tenant_id', true)"))
                    assert not await session.scalar(text("SELECT current_setting('app.proof', true)"))
                    assert await session.scalar(text("SELECT current_user")) == "deskhand_app"
        assert len(pids) == 1, "the test must have met one and the same server connection"
    finally:
        await database.dispose()


async def test_concurrent_sessions_keep_their_tenants(clean_db, make_tenant):
    names = [f"tenant-{number}" for number in range(8)]
    for name in names:
        await make_tenant(name)

    async def seen(name: str) -> list[str]:
        async with clean_db.tenant_session(name) as session:
            return list(await session.scalars(select(TenantConfig.tenant_id)))

    rounds = names * 5
    assert await asyncio.gather(*map(seen, rounds)) == [[name] for name in rounds]


async def test_a_statement_is_planned_for_the_tenant_at_hand(db):
    """A generic plan would be the first tenant's, whatever the sizes of the others."""
    async with db.tenant_session("acme") as session:
        assert (await session.execute(text("SHOW plan_cache_mode"))).scalar_one() == "force_custom_plan"


@pytest.mark.parametrize("tenant_id", ["", None])
async def test_an_empty_tenant_is_refused(db, tenant_id):
    with pytest.raises(ValueError):
        async with db.tenant_session(tenant_id):
            pass


async def test_the_pool_speaks_json_and_takes_a_tenant(database_urls, clean_db, make_tenant):
    await make_tenant("acme", enhancement_preferences={"a": [1, {"b": None}]})
    async with await open_pool(database_urls.app_url, min_size=1, max_size=2) as pool:
        async with pool.acquire() as connection, connection.transaction():
            await set_tenant(connection, "acme")
            assert await connection.fetchval("SELECT enhancement_preferences FROM tenant_configs") == {
                "a": [1, {"b": None}]
            }
            assert await connection.fetchval("SELECT $1::jsonb ->> 'x'", {"x": "y"}) == "y"
        assert await pool.fetchval("SELECT count(*) FROM tenant_configs") == 0


async def test_the_application_login_is_accepted_and_every_stronger_one_refused(database_urls, db):
    await verify_application_role(db)
    expected = {database_urls.owner_url: "owns tables", database_urls.superuser_url: "is a superuser"}
    for url, fault in expected.items():
        strong = open_database(url, pool_size=1)
        try:
            with pytest.raises(ConfigurationError, match=fault):
                await verify_application_role(strong)
        finally:
            await strong.dispose()


@pytest.mark.parametrize("url", ["sqlite:///x.db", "not a url", "mysql://a@b/c"])
def test_other_databases_are_refused(url):
    with pytest.raises(ConfigurationError):
        open_engine(url)


async def test_workers_are_woken_once_and_only_after_a_commit(database_urls):
    """The one wake: whoever hands work over says so in the session, and cannot be too early."""
    database = open_database(database_urls.app_url, pool_size=1)
    wakes: list[bool] = []

    async def failing() -> None:
        async with database.tenant_session("acme") as session:
            hands_over(session)
            await session.execute(text("SELECT 1/0"))

    database.on_handover = lambda: wakes.append(database.engine.pool.checkedout() == 0)
    try:
        with pytest.raises(DBAPIError, match="division by zero"):
            await failing()
        async with database.tenant_session("acme"):
            pass
        assert wakes == []
        async with database.tenant_session("acme") as session:
            hands_over(session)
            hands_over(session)
        assert wakes == [True]
    finally:
        await database.dispose()


@pytest.fixture
async def read_only_server(database_urls):
    """Sessions opened now find a server that refuses changes, until the function yielded is called."""
    admin = await asyncpg.connect(database_urls.superuser_url)
    await admin.execute(f"ALTER DATABASE {database_urls.name} SET default_transaction_read_only = on")

    async def move_to_the_new_primary() -> None:
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute(f"ALTER DATABASE {database_urls.name} RESET default_transaction_read_only")

    yield move_to_the_new_primary
    await move_to_the_new_primary()
    await admin.close()


async def test_sessions_on_a_read_only_server_are_left_after_one_refusal(read_only_server, database_urls):
    database = open_database(database_urls.app_url, pool_size=4)
    try:
        async with AsyncExitStack() as stack:  # four sessions, all on the old server
            sessions = [await stack.enter_async_context(database.anonymous_session()) for _ in range(4)]
            for session in sessions:
                assert await session.scalar(text("SHOW transaction_read_only")) == "on"
        with pytest.raises(UnavailableError, match="read-only"):
            await verify_writable(database)
        with pytest.raises(DBAPIError) as refused:
            await run_in(database.anonymous_session(), "CREATE TEMPORARY TABLE probe ()")
        assert is_passing(refused.value)
        await read_only_server()
        # One session may have been opened again meanwhile; it costs the next caller one refusal and no more.
        with contextlib.suppress(DBAPIError):
            await run_in(database.anonymous_session(), "CREATE TEMPORARY TABLE probe ()")
        for _ in range(8):
            await verify_writable(database)
    finally:
        await database.dispose()


async def test_the_driver_pool_leaves_a_read_only_server_too(read_only_server, database_urls):
    async with await open_pool(database_urls.app_url, min_size=4, max_size=4) as pool:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("CREATE TEMPORARY TABLE probe ()")
        await read_only_server()
        with contextlib.suppress(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("SELECT 1")
        async with AsyncExitStack() as stack:
            held = [await stack.enter_async_context(pool.acquire()) for _ in range(4)]
            assert [await one.fetchval("SHOW transaction_read_only") for one in held] == ["off"] * 4


async def test_readiness_tells_a_read_only_server(read_only_server, database_urls):
    """A load balancer must not send changes to a process whose server refuses them."""
    config = ApiConfig(
        database_url=database_urls.app_url,
        prover=PROVER,
        encryption_keys=(Fernet.generate_key().decode(),),
        public_url="http://deskhand.example.com",
    )
    async with run_in_process(create_app(config)) as server, httpx2.AsyncClient(base_url=server.url) as client:
        red = await client.get("/readyz")
        assert red.status_code == 503
        assert "read-only" in red.json()["detail"]
        await read_only_server()
        assert (await client.get("/readyz")).status_code == 200

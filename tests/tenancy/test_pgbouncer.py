"""Behind a transaction-pooling proxy the tenant still ends with the transaction."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url, select, text
from tests.support.logins import open_database, open_pool
from tests.support.product import running_product
from tests.support.tenancy import set_tenant

from deskhand.engine.queue import Transport
from deskhand.kit.db.connections import is_proxied
from deskhand.kit.db.readiness import verify_application_role
from deskhand.tenants.models import TenantConfig

SERVER_CONNECTIONS = 2
CONFIGURATION = """
[databases]
{name} = host={host} port={port} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 200
server_reset_query =
logfile = {directory}/log
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def bouncer_url(database_urls) -> Iterator[str]:
    """The application's URL through pgbouncer, which has no reset query: what leaks, leaks."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    upstream = make_url(database_urls.app_url)
    directory = Path(tempfile.mkdtemp(prefix="deskhand-pgbouncer-"))
    own_port = free_port()
    logins = [upstream, make_url(database_urls.platform_url)]
    (directory / "users").write_text("".join(f'"{login.username}" "{login.password}"\n' for login in logins))
    (directory / "ini").write_text(
        CONFIGURATION.format(
            name=upstream.database,
            host=upstream.host,
            port=upstream.port,
            own_port=own_port,
            directory=directory,
            pool=SERVER_CONNECTIONS,
        )
    )
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())  # it refuses root
    for path in (directory, *directory.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)
    identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([program, "-q", str(directory / "ini")], **identity)
    try:
        yield upstream.set(port=own_port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(directory)


async def until_it_answers(url: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                connection = await asyncpg.connect(url, statement_cache_size=0)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return


async def test_many_clients_on_few_server_connections_keep_their_tenants(bouncer_url, clean_db, make_tenant):
    await until_it_answers(bouncer_url)
    names = [f"tenant-{number}" for number in range(6)]
    for name in names:
        await make_tenant(name)
    database = open_database(bouncer_url, pool_size=10, prepared_statements=False)
    backends: set[int] = set()

    async def seen(name: str) -> list[str]:
        async with database.tenant_session(name) as session:
            backends.add(await session.scalar(text("SELECT pg_backend_pid()")))
            return list(await session.scalars(select(TenantConfig.tenant_id)))

    async def seen_by_nobody() -> list[str]:
        async with database.anonymous_session() as session:
            return list(await session.scalars(select(TenantConfig.tenant_id)))

    async def seen_by_platform() -> int:
        async with database.platform_session() as session:
            return len((await session.scalars(select(TenantConfig.tenant_id))).all())

    try:
        await verify_application_role(database)
        for _ in range(5):
            mixed = await asyncio.gather(
                *(seen(name) for name in names), seen_by_nobody(), seen_by_platform(), seen_by_nobody()
            )
            assert mixed == [*([name] for name in names), [], len(names), []]
        assert len(backends) <= SERVER_CONNECTIONS, "the clients must have shared server connections"
    finally:
        await database.dispose()


async def test_the_driver_pool_works_behind_it_too(bouncer_url, clean_db, make_tenant):
    await until_it_answers(bouncer_url)
    for name in ("acme", "globex"):
        await make_tenant(name)

    async with await open_pool(bouncer_url, min_size=4, max_size=8, prepared_statements=False) as pool:

        async def seen(name: str) -> list[str]:
            async with pool.acquire() as connection, connection.transaction():
                await set_tenant(connection, name)
                return [row[0] for row in await connection.fetch("SELECT tenant_id FROM tenant_configs")]

        for _ in range(5):
            assert await asyncio.gather(seen("acme"), seen("globex"), seen("acme")) == [["acme"], ["globex"], ["acme"]]
            assert await pool.fetch("SELECT 1 FROM tenant_configs") == []


async def test_a_proxy_is_known_from_the_server_itself(bouncer_url, database_urls):
    await until_it_answers(bouncer_url)
    assert await is_proxied(bouncer_url)
    assert not await is_proxied(database_urls.app_url)


@pytest.mark.parametrize("listens", [True, False], ids=["listening directly", "polling"])
async def test_api_and_worker_take_an_event_to_its_note_behind_it(bouncer_url, database_urls, clean_db, listens):
    """Every connection of both goes through the proxy, which holds two of its own; only LISTEN may go past it."""
    await until_it_answers(bouncer_url)
    async with running_product(clean_db, bouncer_url) as product, AsyncExitStack() as stack:
        direct = None
        if listens:
            direct = await open_pool(database_urls.app_url, min_size=0, max_size=2)
            stack.push_async_callback(direct.close)
        transport = Transport(product.pool, proxied=True, direct=direct)
        assert transport.listens is listens
        customer = await product.customer()
        runner = await product.start_worker(transport=transport)
        ids = []
        for number in range(8):
            ticket = await product.desk.file_ticket()
            answer = await product.deliver(customer, ticket, delivery_id=f"msg-{number}")
            assert answer.status_code == 202, answer.text
            ids.append(answer.json()["execution_id"])
        endings = [await product.ended(customer, one) for one in ids]
        assert [one["status"] for one in endings] == ["completed"] * 8
        async with product.http.client(product.api.url) as client:
            assert {(await client.get("/readyz")).status_code for _ in range(10)} == {200}
        runner.request_stop()
        await product.stop_workers()
    assert await _prepared_statements(bouncer_url) == 0


async def _prepared_statements(bouncer_url: str) -> int:
    """What is left prepared on the proxy's server connections."""
    database = open_database(bouncer_url, prepared_statements=False)
    try:
        counts = []
        for _ in range(4):
            async with database.anonymous_session() as session:
                counts.append(
                    await session.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
                )
        return max(counts)
    finally:
        await database.dispose()

"""The primary dies and its hot standby is promoted: API and worker write again by themselves, and readiness is true.

Two ways lead to the new primary: an address with both hosts, and one address that is switched (as a virtual address or
a proxy is). Debian's PostgreSQL, since the embedded server has no standby.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url
from tests.migrations.conftest import DEBIAN_15
from tests.support.product import running_product, until

from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.programs import ServerPrograms, unprivileged_account
from deskhand.kit.db.session import Database

REPLICATES = {"fsync": "off", "wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}


@dataclass
class Pair:
    """A primary and its standby.

    Attributes:
        primary: Serving.
        programs: Of the same release.
        standby_data: The standby's data directory.
        standby_port: Where it listens.
    """

    primary: EmbeddedPostgres
    programs: ServerPrograms
    standby_data: Path
    standby_port: int

    def standby_url(self, url: str) -> str:
        return make_url(url).set(port=self.standby_port).render_as_string(hide_password=False)

    async def until_level(self) -> None:
        """The standby has everything the primary has written."""
        ahead = await asyncpg.connect(self.primary.superuser_url)
        behind = await asyncpg.connect(self.standby_url(self.primary.superuser_url))
        written = await ahead.fetchval("SELECT pg_current_wal_flush_lsn()::text")

        async def replayed() -> bool:
            return bool(await behind.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written))

        await until(replayed)
        await ahead.close()
        await behind.close()

    def lose_primary(self) -> None:
        self.programs.run("pg_ctl", "-D", self.primary.data, "-m", "immediate", "-w", "stop")

    def promote(self) -> None:
        self.programs.run("pg_ctl", "-D", self.standby_data, "-w", "promote")


@dataclass
class Switch:
    """A TCP proxy on loopback whose target is changed."""

    target: int
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        self.writers.append(to_upstream)
        await asyncio.gather(_pump(reader, to_upstream), _pump(upstream, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def switch_to(port: int) -> AsyncIterator[Switch]:
    switch = Switch(port)
    server = await asyncio.start_server(switch.handle, "127.0.0.1", 0)
    switch.port = server.sockets[0].getsockname()[1]
    try:
        yield switch
    finally:
        server.close()
        for writer in switch.writers:
            writer.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def pair() -> Iterator[Pair]:
    if not DEBIAN_15.exists():
        pytest.skip("PostgreSQL 15 is not installed in /usr/lib/postgresql/15")
    folder = Path(tempfile.mkdtemp(prefix="deskhand-failover-"))
    folder.chmod(0o711)
    account, data, port = unprivileged_account(), folder / "standby", free_port()
    with EmbeddedPostgres(folder / "primary", binaries=DEBIAN_15, settings=REPLICATES) as primary:
        admin.upgrade(primary.owner_url)
        programs = ServerPrograms(DEBIAN_15, account, folder / "standby.log")
        data.mkdir(mode=0o700)
        if account is not None:
            os.chown(data, account.pw_uid, account.pw_gid)
        source = make_url(primary.superuser_url).set(database="postgres").render_as_string(hide_password=False)
        programs.run("pg_basebackup", "-d", source, "-D", data, "-R", "-X", "stream", "-c", "fast")
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        options += " -c max_connections=200"  # no fewer than the primary has
        programs.run("pg_ctl", "-D", data, "-s", "-w", "-o", options, "start")
        try:
            yield Pair(primary, programs, data, port)
        finally:
            programs.run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", check=False)
    shutil.rmtree(folder)


@pytest.mark.parametrize("way", ["both hosts", "a switched address"])
async def test_api_and_worker_write_again_after_a_promotion(pair: Pair, way: str) -> None:
    primary = make_url(pair.primary.app_url)
    login, name = f"{primary.username}:{primary.password}", primary.database
    async with switch_to(int(primary.port or 0)) as switch:
        url = f"postgresql://{login}@127.0.0.1:{switch.port}/{name}"
        if way == "both hosts":
            hosts = f"127.0.0.1:{primary.port},127.0.0.1:{pair.standby_port}"
            url = f"postgresql://{login}@{hosts}/{name}?target_session_attrs=read-write"
        platform = make_url(pair.primary.platform_url)
        platform_url = url.replace(login, f"{platform.username}:{platform.password}")
        db = Database(url, platform_url=platform_url, pool_size=4)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(db.dispose)
            product = await stack.enter_async_context(running_product(db, url, platform_url))
            client = await stack.enter_async_context(product.http.client(product.api.url))
            customer = await product.customer()
            await product.start_worker()
            before = await product.deliver(customer, await product.desk.file_ticket(), delivery_id="before")
            assert (await product.ended(customer, before.json()["execution_id"]))["status"] == "completed"
            assert (await client.get("/readyz")).status_code == 200
            await pair.until_level()

            pair.lose_primary()
            lost = await product.deliver(customer, "1", delivery_id="meanwhile")
            assert (lost.status_code, "retry-after" in lost.headers) == (503, True)
            assert (await client.get("/readyz")).status_code == 503
            switch.target = pair.standby_port  # a standby still: whoever gets there must not be called ready
            assert (await client.get("/readyz")).status_code == 503
            pair.promote()

            ticket = await product.desk.file_ticket()

            async def taken() -> str | None:
                answer = await product.deliver(customer, ticket, delivery_id="after")
                assert answer.status_code in (202, 503), answer.text
                return answer.json()["execution_id"] if answer.status_code == 202 else None

            execution = await until(taken)
            assert (await product.ended(customer, execution))["status"] == "completed"
            assert (await client.get("/readyz")).status_code == 200
            changed = await customer.client.patch(f"/api/v1/agents/{customer.agent_id}", json={"name": "After"})
            assert changed.status_code == 200, changed.text

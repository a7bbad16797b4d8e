"""Connections to the test run's database that outlive the application of one test.

Nearly every test begins an application of its own and ends it. Opening its connections, and letting new sessions of
the server and a new engine meet every statement for the first time, was most of what such a test cost. What a process
of the product would open for itself is lent to it here: the connections stay, everything else is its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

import asyncpg
from starlette.types import ASGIApp

import deskhand.api
from deskhand.kit.db.session import Database, create_pool
from deskhand.simulators.base.server import RunningServer

_reach = Database.reach
PATIENCE = 60.0  # seconds; what is still at work when its application ends is a fault, and this ends the wait for it


class _LentDatabase(Database):
    """Another's engines; what is told of its sessions is one's own."""

    async def dispose(self) -> None:
        """The engines are the lender's."""
        self.on_handover = None


class _LentPool:
    """Another's pool, which is done with when nothing of it is in use."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def __aenter__(self) -> _LentPool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """As a pool's own: wait for every connection to be given back."""
        async with asyncio.timeout(PATIENCE):
            while self._pool.get_idle_size() < self._pool.get_size():
                await asyncio.sleep(0.005)  # the driver offers no event to wait for


class Lender:
    """Keeps the connections of one pytest process to its own database."""

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kept: dict[tuple[Any, ...], Any] = {}
        self._opening = asyncio.Lock()

    def open(self, *addresses: str) -> None:
        """Lend connections to these addresses in the running loop; what a test makes for itself goes with the test."""
        self._addresses, self._loop = set(addresses), asyncio.get_running_loop()

    def _lends(self, url: str) -> bool:
        return url in self._addresses and asyncio.get_running_loop() is self._loop

    async def _keep(self, key: tuple[Any, ...], make: Callable[[], Awaitable[Any]]) -> Any:
        async with self._opening:
            if key not in self._kept:
                self._kept[key] = await make()
            return self._kept[key]

    async def database(self, url: str, **options: Any) -> Database:
        """As ``Database.reach``."""
        if not self._lends(url):
            return await _reach(url, **options)
        kept = await self._keep(
            ("database", url, *sorted(options.items(), key=lambda one: one[0])), lambda: _reach(url, **options)
        )
        lent = copy.copy(kept)
        lent.__class__ = _LentDatabase
        return lent

    async def pool(self, url: str, **options: Any) -> Any:
        """As ``create_pool``."""
        if not self._lends(url):
            return await create_pool(url, **options)
        key = ("pool", url, *sorted(options.items(), key=lambda one: one[0]))
        return _LentPool(await self._keep(key, lambda: create_pool(url, **options)))

    @contextlib.asynccontextmanager
    async def superuser(self, url: str) -> AsyncIterator[Any]:
        """A session of the server's owner, for what no login of the product may do; one for all."""
        if not self._lends(url):
            connection = await asyncpg.connect(url)
            try:
                yield connection
            finally:
                await connection.close()
            return
        pool = await self._keep(("superuser", url), lambda: asyncpg.create_pool(url, min_size=1, max_size=1))
        async with pool.acquire() as connection:
            yield connection

    @contextlib.contextmanager
    def lending(self) -> Iterator[None]:
        """Applications that start in this block take what is lent."""
        with (
            mock.patch.object(Database, "reach", self.database),
            mock.patch.object(deskhand.api, "create_pool", self.pool),
        ):
            yield

    async def close(self) -> None:
        """Close what is kept; what is asked for after it is opened anew."""
        for one in self._kept.values():
            await (one.dispose() if isinstance(one, Database) else one.close())
        self._kept.clear()


LENDER = Lender()


@contextlib.asynccontextmanager
async def run_lent(app: ASGIApp) -> AsyncIterator[RunningServer]:
    """Serve an application of the product with lent connections, as ``run_in_process`` does with its own."""
    server = RunningServer(app)
    with LENDER.lending():
        await server.start()
    try:
        yield server
    finally:
        await server.stop()

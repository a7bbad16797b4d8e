"""Driver connections: to the server itself, and through a proxy that gives each transaction any server connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


async def is_proxied(url: str) -> bool:
    """Whether the address leads to a proxy (PgBouncer and its like) and not to the server itself.

    A server names its process when a session opens, for cancelling; a proxy gives out a number of its own.
    """
    connection = await asyncpg.connect(url, connection_class=ProxiedConnection, statement_cache_size=0)
    try:
        return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())
    finally:
        await connection.close()


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """Skips the reset between two borrowers (a round trip for each statement) where there is nothing to reset.

    asyncpg rolls back what is open in any case. Our callers leave nothing else behind, because every setting of theirs
    is transaction-local; only who listens (PgQueuer) changes the session.

    A session that says of itself that it is read-only (the server reports both settings unasked) takes the pool's other
    sessions with it: after a failover they are all on the old server.
    """

    __slots__ = ("_has_listened", "leave_server")

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's signature
        """As asyncpg's; called when the connection is given back."""
        reported = self.get_settings()
        read_only = [getattr(reported, name, "off") for name in ("in_hot_standby", "default_transaction_read_only")]
        leave_server = getattr(self, "leave_server", None)
        if "on" in read_only and leave_server is not None:
            await leave_server()
        await super().reset(timeout=timeout)

    async def add_listener(self, *args: Any, **kwargs: Any) -> None:
        """As asyncpg's; remembered for the reset."""
        self._has_listened = True
        await super().add_listener(*args, **kwargs)

    def get_reset_query(self) -> str:
        """What asyncpg runs when the connection is given back (documented as overridable)."""
        return super().get_reset_query() if getattr(self, "_has_listened", False) else ""


class ProxiedConnection(PooledConnection):
    """Sends every statement within a transaction, since only that keeps a proxy on one server connection.

    The driver parses a statement and executes it in two messages. Without a transaction around them the second one may
    meet a server connection that never saw the first. Nothing is kept prepared (``statement_cache_size=0``).
    """

    __slots__ = ()

    @asynccontextmanager
    async def _on_one_server(self) -> AsyncIterator[None]:
        if self.is_in_transaction():
            yield
            return
        async with self.transaction():
            yield

    async def execute(self, query: str, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's; without arguments it is one message already."""
        if not args:
            return await super().execute(query, **kwargs)
        async with self._on_one_server():
            return await super().execute(query, *args, **kwargs)

    async def executemany(self, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's."""
        async with self._on_one_server():
            return await super().executemany(*args, **kwargs)

    async def fetch(self, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's."""
        async with self._on_one_server():
            return await super().fetch(*args, **kwargs)

    async def fetchrow(self, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's."""
        async with self._on_one_server():
            return await super().fetchrow(*args, **kwargs)

    async def fetchval(self, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's."""
        async with self._on_one_server():
            return await super().fetchval(*args, **kwargs)

    async def set_type_codec(self, *args: Any, **kwargs: Any) -> None:
        """As asyncpg's, which asks the server about the type."""
        async with self._on_one_server():
            await super().set_type_codec(*args, **kwargs)


async def add_codecs(connection: asyncpg.Connection) -> None:
    """Let jsonb and json be Python values."""
    for name in ("jsonb", "json"):
        await connection.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

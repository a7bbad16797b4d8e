"""Driver connections: to the server itself, and through a proxy that gives each transaction any server connection."""

from __future__ import annotations

import json
import select
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError

from deskhand.kit.db.proofs import LIFETIME, PROOF_SETTING

_RENEW_SECONDS = LIFETIME / 3  # a proof that is remembered for half its life has this much left at least
_UNASKED_SECONDS = 10.0
"""A connection of the ORM that lay in the pool for longer is asked whether its server still answers."""
_LEFT_AT = "deskhand.left_at"


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

    What a pool's process shows the database (``kit.db.proofs``) is a setting of the session, made anew before it ends.
    What an ORM session's transaction is for (its tenant) goes in the message that begins it: a statement of its own
    would be one more round trip for every request.
    """

    __slots__ = ("_has_listened", "_opening", "_proof_shown_at", "leave_server", "proof_of_process")

    def begin_with(self, statements: str) -> None:
        """Send statements (``local_settings``) with the next BEGIN; nothing takes back those of a BEGIN never sent."""
        self._opening = statements

    def takes_literals(self) -> bool:
        """Whether quoted text means to the server what is written; it reports the setting unasked."""
        return getattr(self.get_settings(), "standard_conforming_strings", "off") == "on"

    def has_unread(self) -> bool:
        """Whether the server has said something that nobody asked for: nearly always that it ends the session.

        Between two borrowers it is seen here before the loop has had a turn to read it.
        """
        socket = self._transport.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:
            return False
        waiting = select.poll()
        waiting.register(socket.fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    async def execute(self, query: str, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's."""
        opening = getattr(self, "_opening", "")
        if opening and not args and query.startswith("BEGIN"):
            self._opening = ""
            query = f"{query} {opening}"
        return await super().execute(query, *args, **kwargs)

    async def show_proof(self) -> None:
        """Say whose pool this connection belongs to; called whenever it is borrowed."""
        make_proof: Callable[[], str] | None = getattr(self, "proof_of_process", None)
        now = time.monotonic()
        shown_at: float | None = getattr(self, "_proof_shown_at", None)
        # Once in four hours and not at each loan: the round trip would cost as much as the statement the loan is for.
        if make_proof is None or (shown_at is not None and now - shown_at < _RENEW_SECONDS):
            return
        await super().execute(f"SELECT set_config('{PROOF_SETTING}', $1, false)", make_proof())
        self._proof_shown_at: float | None = now

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's signature
        """As asyncpg's; called when the connection is given back."""
        # The server reports both settings by itself after each change, so the look costs no round trip.
        reported = self.get_settings()
        read_only = [getattr(reported, name, "off") for name in ("in_hot_standby", "default_transaction_read_only")]
        leave_server = getattr(self, "leave_server", None)
        # All sessions of the pool go, not only this one: each would fail one caller before it is noticed.
        if "on" in read_only and leave_server is not None:
            await leave_server()
        if getattr(self, "_has_listened", False):
            self._proof_shown_at = None  # the reset query takes every setting back
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

    A setting of the session would stay with the server connection, so the proof is shown in each transaction, with the
    message that begins it.
    """

    __slots__ = ()

    async def show_proof(self) -> None:
        """Nothing before a transaction."""

    @asynccontextmanager
    async def _on_one_server(self) -> AsyncIterator[None]:
        # The caller's own transaction keeps the server connection already.
        if self.is_in_transaction():
            yield
            return
        async with self.transaction():
            yield

    async def execute(self, query: str, *args: Any, **kwargs: Any) -> Any:
        """As asyncpg's; without arguments it is one message already."""
        make_proof: Callable[[], str] | None = getattr(self, "proof_of_process", None)
        if not args and (make_proof is None or self.is_in_transaction()):
            return await super().execute(query, **kwargs)
        # In the same message as BEGIN: a message of its own would be one more round trip for every statement.
        if not args and make_proof is not None and query.startswith("BEGIN"):
            return await super().execute(f"{query} SET LOCAL {PROOF_SETTING} = '{make_proof()}';", **kwargs)
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


def local_settings(settings: Mapping[str, str]) -> str:
    """Statements that set these for a transaction, quoted for a connection that ``takes_literals``.

    Raises:
        ValueError: A value holds NUL, which no statement can.
    """
    if any("\0" in value for value in settings.values()):
        raise ValueError("a setting holds NUL")
    return " ".join("SET LOCAL {} = '{}';".format(name, value.replace("'", "''")) for name, value in settings.items())


def watch_pool(engine: Engine) -> None:
    """Give no borrower of an ORM engine a connection that is dead, nor one with what another was to begin with.

    The driver hears at once when its server closes a connection, or its socket has the word that it does, so only one
    that lay idle, whose end may have got lost on the way, is asked: SQLAlchemy's own look before each use
    (``pool_pre_ping``) takes three round trips.
    """

    def lend(dbapi_connection: Any, record: Any, _fairy: object) -> None:
        driver = dbapi_connection.driver_connection
        if driver.is_closed() or driver.has_unread():
            raise DisconnectionError("the server has closed it")
        left_at = record.info.get(_LEFT_AT)
        if left_at is None or time.monotonic() - left_at < _UNASKED_SECONDS:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except (engine.dialect.loaded_dbapi.Error, OSError) as error:
            # All that lie in the pool are as old as this one, and have met the same.
            raise InvalidatePoolError("the server does not answer on it") from error

    def take_back(dbapi_connection: Any, record: Any) -> None:
        record.info[_LEFT_AT] = time.monotonic()
        # Without a connection: it was given up while it was lent.
        if dbapi_connection is not None:
            dbapi_connection.driver_connection.begin_with("")

    event.listen(engine, "checkout", lend)
    event.listen(engine, "checkin", take_back)


async def add_codecs(connection: asyncpg.Connection) -> None:
    """Let jsonb and json be Python values."""
    for name in ("jsonb", "json"):
        await connection.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

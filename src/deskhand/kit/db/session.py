"""Sessions and pools: the only roads to the database, each with its tenant set and its commit point.

The tenant is a transaction-local setting that every row-level-security policy reads, shown with a proof that the login
cannot make by itself (``proofs.py``); the platform role is entered with ``SET LOCAL ROLE``, from a login of its own.
All of it ends with the transaction, so a pooled connection (ours, or a transaction-pooling proxy's) never carries one
caller's rights to the next.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any, cast

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import event, func, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from deskhand.errors import ConfigurationError
from deskhand.kit.db.away import READ_ONLY, sqlstate
from deskhand.kit.db.companies import COMPANIES_SETTING, SHARED_ONLY, Scope, scope_text
from deskhand.kit.db.connections import (
    PooledConnection,
    ProxiedConnection,
    add_codecs,
    is_proxied,
    local_settings,
    watch_pool,
)
from deskhand.kit.db.limited import LIMIT_SETTING, limit_text
from deskhand.kit.db.proofs import (
    COMPANIES_PROOF_SETTING,
    PROOF_SETTING,
    Process,
    Prover,
)
from deskhand.kit.db.readers import READERS_SETTING, Readers
from deskhand.kit.db.roles import PLATFORM_LOGIN, PLATFORM_ROLE

TENANT_SETTING = "app.current_tenant_id"

_HANDED_OVER = "deskhand.handed_over"

_ADDRESS = re.compile(r"(?:postgres|postgresql)://\S+")
_SET_PLATFORM = f"SET LOCAL ROLE {PLATFORM_ROLE};"
SERVER_NAME = "deskhand with ring "  # of an API's or worker's sessions, before the id of the key it encrypts with
# A prepared statement's generic plan is made for whichever tenant came first and then serves all of them: a page of a
# tenant with 10,000 agents took 12 to 16 ms with it and 2 ms with a plan of its own (benchmarks/data_layer.py). The
# planner reads the tenant from the setting, so each call is planned for its tenant; that costs about 0.2 ms.
PLAN_PER_TENANT = {"plan_cache_mode": "force_custom_plan"}
PLATFORM_CONNECTIONS = 3  # administration is rare

log = structlog.get_logger(__name__)


def open_engine(url: str, *, connect: Mapping[str, Any] | None = None, **options: Any) -> AsyncEngine:
    """An engine whose connections the driver opens from the address as it was given.

    So the ORM understands what the driver's own pools do: several hosts (``h1:5432,h2:5432``) with
    ``target_session_attrs=read-write``, ``sslmode``, and the rest of libpq's forms.

    Args:
        url: ``postgresql://...``.
        connect: Arguments of every connection.
        options: As for ``create_async_engine``.

    Raises:
        ConfigurationError: It is no address of a PostgreSQL server.
    """
    if not _ADDRESS.match(url):
        scheme = url.partition("://")[0] if "://" in url else ""
        if scheme and "postgres" not in scheme:
            raise ConfigurationError(f"The database must be PostgreSQL, not {scheme!r}.")
        raise ConfigurationError("The database URL cannot be read; it looks like postgresql://user:...@host/db.")

    async def open_connection(**arguments: Any) -> asyncpg.Connection:
        return await asyncpg.connect(url, **arguments)

    connect_arguments = {"async_creator_fn": open_connection, **(connect or {})}
    return create_async_engine("postgresql+asyncpg://", connect_args=connect_arguments, **options)


def _connect_arguments(*, prepared_statements: bool, ring_id: str) -> dict[str, Any]:
    if prepared_statements:
        settings = {**_session_settings(ring_id), **PLAN_PER_TENANT}
        return {"connection_class": PooledConnection, "server_settings": settings}
    # Behind a transaction-pooling proxy the next transaction may meet another server connection: nothing stays prepared
    # there (a statement without a name lasts until the next). It also refuses start-up parameters it does not know.
    return {
        "connection_class": ProxiedConnection,
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: "",
    }


def _session_settings(ring_id: str) -> dict[str, str]:
    return {"application_name": f"{SERVER_NAME}{ring_id}" if ring_id else "deskhand", "timezone": "UTC"}


class Database:
    """The connections of one process as ``deskhand_app``, and for platform administration as its own login.

    Args:
        url: ``postgresql://user:password@host:port/database``, of ``deskhand_app``.
        platform_url: The same of ``deskhand_platform_login``; None in a process that has no business across tenants.
        prover: Makes what a tenant's session shows; None where the database asks for nothing.
        pool_size: Connections kept open; as many again may be opened under load.
        prepared_statements: False behind a transaction-pooling proxy (pgbouncer).
        ring_id: Of a server whose keys stay as they are while it runs (``SecretBox.ring_id``).

    Attributes:
        on_handover: Called after the commit of a session that handed work to the workers (``hands_over``).
    """

    def __init__(
        self,
        url: str,
        *,
        platform_url: str | None = None,
        prover: Prover | None = None,
        pool_size: int = 10,
        prepared_statements: bool = True,
        ring_id: str = "",
    ) -> None:
        arguments = _connect_arguments(prepared_statements=prepared_statements, ring_id=ring_id)
        self.engine = _engine(url, pool_size, arguments)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._platform_engine = _engine(platform_url, PLATFORM_CONNECTIONS, arguments) if platform_url else None
        self._platform_sessions = async_sessionmaker(self._platform_engine, expire_on_commit=False)
        self._prover = prover
        self._prepared_statements = prepared_statements
        self.on_handover: Callable[[], None] | None = None

    @classmethod
    async def reach(
        cls,
        url: str,
        *,
        platform_url: str | None = None,
        prover: Prover | None = None,
        pool_size: int = 10,
        ring_id: str = "",
    ) -> Database:
        """As the constructor, when it is not known whether a proxy stands before the server."""
        # Both addresses are asked: an installation may send administration past the proxy, or only administration
        # through it.
        prepared = not await is_proxied(url) and not (platform_url and await is_proxied(platform_url))
        return cls(
            url,
            platform_url=platform_url,
            prover=prover,
            pool_size=pool_size,
            prepared_statements=prepared,
            ring_id=ring_id,
        )

    @asynccontextmanager
    async def _transaction(self, sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
        async with sessions.begin() as session:
            yield session
        # After the commit: a worker that is woken before it finds nothing.
        if _HANDED_OVER in session.info and self.on_handover is not None:
            self.on_handover()

    @asynccontextmanager
    async def tenant_session(
        self,
        tenant_id: str,
        *,
        companies: Scope = SHARED_ONLY,
        readers: Readers | None = None,
        limited_to: Sequence[str] | None = None,
    ) -> AsyncIterator[AsyncSession]:
        """One transaction that sees and writes the rows of one tenant; commits on normal exit.

        Args:
            tenant_id: From the authenticated principal or from a stored row, never from a request's body.
            companies: Whose tickets, articles and systems it sees beside those that are shared (``companies.py``).
            readers: Who reads what comes of it, so that it sees no more than they may (``readers.py``); None: people
                who look after what is known.
            limited_to: Companies whose runs alone it sees (``limited.py``); None: every run of the tenant.

        Raises:
            ValueError: ``tenant_id`` is empty, which would silently see nothing.
        """
        if not tenant_id:
            raise ValueError("tenant_session() needs a tenant id")
        proof = self._prover.of_tenant(tenant_id) if self._prover else ""
        async with self._transaction(self._sessions) as session:
            told = {TENANT_SETTING: tenant_id, PROOF_SETTING: proof}
            if scope := scope_text(companies):
                of_companies = self._prover.of_companies(tenant_id, scope) if self._prover else ""
                told |= {COMPANIES_SETTING: scope, COMPANIES_PROOF_SETTING: of_companies}
            if readers is not None:
                told |= {READERS_SETTING: readers.value}
            if limited_to is not None:
                told |= {LIMIT_SETTING: limit_text(limited_to)}
            await session.run_sync(_begin_for, told)
            yield session

    @property
    def reaches_platform(self) -> bool:
        """Whether this process was given the login for ``platform_session``."""
        return self._platform_engine is not None

    @asynccontextmanager
    async def platform_session(self) -> AsyncIterator[AsyncSession]:
        """One transaction across all tenants, as ``deskhand_platform``; commits on normal exit.

        For platform administrators alone: creating tenants, managing people.

        Raises:
            ConfigurationError: This process was not given the login for it.
        """
        if self._platform_engine is None:
            raise ConfigurationError(
                f"Platform administration needs a login of its own: set DESKHAND_DATABASE_PLATFORM_URL to the address"
                f" with {PLATFORM_LOGIN!r} (`deskhand db upgrade` makes it)."
            )
        async with self._transaction(self._platform_sessions) as session:
            await session.run_sync(_begin_with, _SET_PLATFORM)
            yield session

    @asynccontextmanager
    async def anonymous_session(self) -> AsyncIterator[AsyncSession]:
        """One transaction with no tenant: every tenant table is empty in it. For SECURITY DEFINER functions."""
        async with self._sessions.begin() as session:
            yield session

    @asynccontextmanager
    async def lookup_session(self) -> AsyncIterator[AsyncSession]:
        """As ``anonymous_session``, but each statement is a transaction by itself, which spares two round trips.

        For what every request asks first: whose its key is.
        """
        async with self._sessions.begin() as session:
            # A proxy may send what is outside a transaction to two servers, one half of it each.
            if self._prepared_statements:
                await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        if self._platform_engine is not None:
            await self._platform_engine.dispose()


def _engine(url: str, pool_size: int, arguments: Mapping[str, Any]) -> AsyncEngine:
    engine = open_engine(url, connect=arguments, pool_size=pool_size, max_overflow=pool_size)
    watch_pool(engine.sync_engine)
    event.listen(engine.sync_engine, "handle_error", _drop_sessions_of_a_read_only_server)
    event.listen(engine.sync_engine, "handle_error", _drop_a_session_that_is_ending)
    return engine


def _begin_for(session: Session, settings: Mapping[str, str]) -> None:
    """Set these for the session's transaction, with the message that begins it where that can be done."""
    driver = _driver_of(session)
    if driver.takes_literals():
        driver.begin_with(local_settings(settings))
        return
    parts = ", ".join(f"set_config('{name}', :v{n}, true)" for n, name in enumerate(settings))
    session.execute(text(f"SELECT {parts}"), {f"v{n}": value for n, value in enumerate(settings.values())})


def _begin_with(session: Session, statements: str) -> None:
    _driver_of(session).begin_with(statements)


def _driver_of(session: Session) -> PooledConnection:
    # Every engine of ours opens its connections as this class (``_connect_arguments``).
    return cast(PooledConnection, session.connection().connection.driver_connection)


def _drop_sessions_of_a_read_only_server(context: ExceptionContext) -> None:
    """After a failover the old server may still answer, read-only: its sessions would refuse changes for ever."""
    if sqlstate(context.original_exception) == READ_ONLY:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = True


def _drop_a_session_that_is_ending(context: ExceptionContext) -> None:
    """A server's last word that the driver has read, and the end that it has not: of no use to anybody else."""
    cause = getattr(context.original_exception, "__cause__", None)
    if isinstance(cause, asyncpg.InternalClientError):
        context.is_disconnect = True


# A statement that takes longer does not come back: its server, or the way to it, is gone without a word.
STATEMENT_SECONDS = 15.0
# The hot path's statements look rows up by key, for every tenant alike; planning each anew was a quarter of its time.
PLAN_ONCE = {"plan_cache_mode": "force_generic_plan"}


async def create_pool(
    url: str,
    *,
    min_size: int,
    max_size: int,
    process: Process | None = None,
    prover: Prover | None = None,
    prepared_statements: bool | None = None,
    ring_id: str = "",
) -> asyncpg.Pool:
    """A driver-level pool for the hot paths (accepting a delivery, the journal); jsonb is Python values.

    Row-level security shows a connection nothing until a statement of ours has set the tenant in its transaction.

    Args:
        url: ``postgresql://...`` as ``deskhand_app``.
        min_size: Connections opened at once.
        max_size: Connections at most.
        process: Whose pool it is, by which the database lets it do what crosses tenants; None: nothing.
        prover: Makes the proof of that; None where the database asks for nothing.
        prepared_statements: False behind a transaction-pooling proxy; None finds out.
        ring_id: As of ``Database``.
    """
    if prepared_statements is None:
        prepared_statements = not await is_proxied(url)
    options: dict[str, Any] = (
        {"connection_class": PooledConnection, "server_settings": {**_session_settings(ring_id), **PLAN_ONCE}}
        if prepared_statements
        else {"connection_class": ProxiedConnection, "statement_cache_size": 0}
    )

    async def prepare(connection: asyncpg.Connection) -> None:
        await add_codecs(connection)
        connection.leave_server = pool.expire_connections
        if process is not None and prover is not None:
            connection.proof_of_process = partial(prover.of_process, process)

    async def show_proof(connection: PoolConnectionProxy) -> None:
        await connection.show_proof()

    pool = asyncpg.create_pool(
        url,
        command_timeout=STATEMENT_SECONDS,
        min_size=min_size,
        max_size=max_size,
        init=prepare,
        setup=show_proof,
        **options,
    )
    return await pool


def hands_over(session: AsyncSession) -> None:
    """Say that the session's transaction hands work to the workers; they are woken once it is committed."""
    session.info[_HANDED_OVER] = True


async def database_now(session: AsyncSession) -> datetime:
    """The time by the database's clock, the only one that runs and schedules go by."""
    now: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return now

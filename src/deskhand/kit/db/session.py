"""Sessions and pools: the only roads to the database, each with its tenant set and its commit point.

The tenant is a transaction-local setting that every row-level-security policy reads, shown with a proof that the login
cannot make by itself (``proofs.py``); the platform role is entered with ``SET LOCAL ROLE``, from a login of its own.
All of it ends with the transaction, so a pooled connection (ours, or a transaction-pooling proxy's) never carries one
caller's rights to the next.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import event, func, select, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.db.away import READ_ONLY, sqlstate
from deskhand.kit.db.companies import COMPANIES_SETTING, SHARED_ONLY, Scope, scope_text
from deskhand.kit.db.connections import PooledConnection, ProxiedConnection, add_codecs, is_proxied
from deskhand.kit.db.proofs import (
    COMPANIES_PROOF_SETTING,
    HOW_TO_MAKE_A_TENANT_KEY,
    PROOF_SETTING,
    Process,
    Prover,
)
from deskhand.kit.db.roles import PLATFORM_LOGIN, PLATFORM_ROLE

TENANT_SETTING = "app.current_tenant_id"

_HANDED_OVER = "deskhand.handed_over"

_ADDRESS = re.compile(r"(?:postgres|postgresql)://\S+")
_SET_TENANT = text(
    f"SELECT set_config('{TENANT_SETTING}', :tenant_id, true), set_config('{PROOF_SETTING}', :proof, true)"
)
_SET_COMPANIES = text(
    f"{_SET_TENANT.text}, set_config('{COMPANIES_SETTING}', :scope, true),"
    f" set_config('{COMPANIES_PROOF_SETTING}', :of, true)"
)
_REFUSES_WRITES = text("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean")
_SET_PLATFORM = text(f"SET LOCAL ROLE {PLATFORM_ROLE}")
_KIND_OF_PROOF = text("SELECT session_proof()")
_NO_TENANT = "-"  # no tenant is called so; any would do
UNDEFINED_FUNCTION = "42883"
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
        return {"server_settings": {**_session_settings(ring_id), **PLAN_PER_TENANT}}
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
    async def tenant_session(self, tenant_id: str, *, companies: Scope = SHARED_ONLY) -> AsyncIterator[AsyncSession]:
        """One transaction that sees and writes the rows of one tenant; commits on normal exit.

        Args:
            tenant_id: From the authenticated principal or from a stored row, never from a request's body.
            companies: Whose tickets, articles and systems it sees beside those that are shared (``companies.py``).

        Raises:
            ValueError: ``tenant_id`` is empty, which would silently see nothing.
        """
        if not tenant_id:
            raise ValueError("tenant_session() needs a tenant id")
        proof = self._prover.of_tenant(tenant_id) if self._prover else ""
        async with self._transaction(self._sessions) as session:
            told = {"tenant_id": tenant_id, "proof": proof}
            if scope := scope_text(companies):
                told |= {"scope": scope, "of": self._prover.of_companies(tenant_id, scope) if self._prover else ""}
            # One statement for both: nearly every request of a person says whom it works for.
            await session.execute(_SET_COMPANIES if scope else _SET_TENANT, told)
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
            await session.execute(_SET_PLATFORM)
            yield session

    @asynccontextmanager
    async def anonymous_session(self) -> AsyncIterator[AsyncSession]:
        """One transaction with no tenant: every tenant table is empty in it. For SECURITY DEFINER functions."""
        async with self._sessions.begin() as session:
            yield session

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        if self._platform_engine is not None:
            await self._platform_engine.dispose()


def _engine(url: str, pool_size: int, arguments: Mapping[str, Any]) -> AsyncEngine:
    # pool_pre_ping: a connection that died while it lay in the pool costs a round trip and not a request.
    engine = open_engine(url, connect=arguments, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
    event.listen(engine.sync_engine, "handle_error", _drop_sessions_of_a_read_only_server)
    return engine


def _drop_sessions_of_a_read_only_server(context: ExceptionContext) -> None:
    """After a failover the old server may still answer, read-only: its sessions would refuse changes for ever."""
    if sqlstate(context.original_exception) == READ_ONLY:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = True


async def verify_writable(db: Database) -> None:
    """Ask whether the server takes changes.

    Raises:
        UnavailableError: It is a standby, or was turned read-only.
    """
    async with db.engine.connect() as connection:
        refuses = await connection.scalar(_REFUSES_WRITES)
        if refuses:
            # So that the next look meets the new primary, if the address leads to one by then.
            await connection.invalidate()
    if refuses:
        raise UnavailableError(
            "The database is read-only (a standby, or in a failover); changes are taken again as soon as it is not."
        )


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


_ROLE_FACTS = text(
    """
    SELECT session_user::text AS login, r.rolsuper, r.rolbypassrls,
           (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
               AND pg_has_role(session_user, c.relowner, 'USAGE')) AS owned,
           pg_has_role(session_user, d.datdba, 'USAGE') AS owns_database,
           EXISTS (SELECT 1 FROM pg_roles p WHERE p.rolname = :platform
                    AND pg_has_role(session_user, p.oid, 'MEMBER')) AS reaches_platform
      FROM pg_roles r, pg_database d
     WHERE r.rolname = session_user AND d.datname = current_database()
    """
)


async def verify_application_role(db: Database) -> None:
    """Refuse a login on which tenancy would not hold.

    Raises:
        ConfigurationError: The login is a superuser, bypasses row-level security, owns tables or the
            database, or may become the platform role.
    """
    async with db.anonymous_session() as session:
        facts = (await session.execute(_ROLE_FACTS, {"platform": PLATFORM_ROLE})).mappings().one()
    faults = {
        "is a superuser": facts["rolsuper"],
        "bypasses row-level security": facts["rolbypassrls"],
        "owns tables": facts["owned"] > 0,
        "owns the database": facts["owns_database"],
        f"may become {PLATFORM_ROLE}": facts["reaches_platform"],
    }
    reasons = [fault for fault, present in faults.items() if present]
    if reasons:
        raise ConfigurationError(
            f"The database login {facts['login']!r} {' and '.join(reasons)}, so tenants would not be kept apart. "
            "Point DESKHAND_DATABASE_URL at the login 'deskhand_app' (`deskhand db upgrade` makes it, and takes from it"
            " what it may no more)."
        )


async def verify_proofs(db: Database) -> None:
    """Refuse to work with a database that would show this process nothing.

    Raises:
        ConfigurationError: The proofs of this process do not hold; says which setting to look at.
    """
    try:
        async with db.tenant_session(_NO_TENANT) as session:
            kind = await session.scalar(_KIND_OF_PROOF)
    except ProgrammingError as error:
        if sqlstate(error) != UNDEFINED_FUNCTION:
            raise
        raise ConfigurationError("The schema is older than this version: run `deskhand db upgrade`.") from error
    # An installation from before the proofs goes on as it was; doctor says what to do about it.
    if kind == "unsealed":
        log.warning("tenants_unproven", reason="the login alone reaches every tenant; see `deskhand doctor`")
    elif kind is None:
        raise ConfigurationError(
            "The database asks for a proof of the tenant, and this process has none that holds. Set DESKHAND_TENANT_KEY"
            " to the key that `deskhand db upgrade` was given (or run it again with this one), and compare the clocks"
            f" of this machine and of the database. {HOW_TO_MAKE_A_TENANT_KEY}"
        )

"""Administration of the schema: upgrade, downgrade, state; used by ``deskhand db`` and the tests."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from deskhand.errors import ConfigurationError
from deskhand.kit.db.blocking import run_blocking
from deskhand.kit.db.proofs import pads_of
from deskhand.kit.db.roles import OWNER_ROLE, create_roles, roles_are_ready
from deskhand.kit.db.session import open_engine

T = TypeVar("T")

MINIMUM_SERVER_VERSION = 15
_MIGRATION_LOCK = 7_305_520_931_470_337  # any number no one else uses: the advisory lock of "one migrates at a time"
_ALEMBIC = threading.Lock()  # it keeps its context in module globals, so one run at a time per process
_PACKAGE = Path(__file__).parents[2]


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Bring the schema to ``revision``, making the roles first where the login may.

    Raises:
        ConfigurationError: The server is too old, or the login may not create roles or an extension; the
            message holds the SQL a DBA must run.
    """
    _run(owner_url, lambda config: command.upgrade(config, revision))


def downgrade(owner_url: str, revision: str) -> None:
    """Take the schema back to ``revision`` (``base``: nothing left but the roles)."""
    _run(owner_url, lambda config: command.downgrade(config, revision))


def current(owner_url: str) -> str | None:
    """The revision the database is at; None before the first."""
    return run_blocking(lambda: on_migration_connection(owner_url, _revision_of))


def head() -> str:
    """The newest revision this package knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def knows(revision: str) -> bool:
    """Whether this package has a revision; a newer one's database it cannot serve."""
    return any(revision == one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions())


def ensure_roles(admin_url: str, passwords: Mapping[str, str] | None = None) -> None:
    """Make the roles on the database of ``admin_url``.

    Args:
        admin_url: A login that may create roles.
        passwords: To set, by role; a role that is not in it keeps what it has.

    Raises:
        ConfigurationError: The login may not; the message holds the SQL for a DBA.
    """

    async def make() -> None:
        async with _driver_connection(admin_url) as connection:
            await create_roles(connection, passwords)

    run_blocking(make)


def seal(owner_url: str, keys: Sequence[str]) -> bool:
    """Let sessions of the application in with a proof made with one of the keys alone (``kit.db.proofs``).

    Args:
        owner_url: Login of ``deskhand_owner``.
        keys: As texts; those of an earlier sealing that are not among them hold no more.

    Returns:
        Whether anything had to be changed.
    """
    # Sorted, so that keys in another order count as the same sealing and cost no write.
    pads = sorted(pads_of(key) for key in keys)

    async def write() -> bool:
        async with _driver_connection(owner_url) as connection, connection.transaction():
            # A superuser may be the login; the table must be written by the role whose policies and rights the
            # migrations planned.
            await connection.execute(f"SET LOCAL ROLE {OWNER_ROLE}")
            stored = await connection.fetch("SELECT inner_pad, outer_pad FROM proof_keys ORDER BY 1, 2")
            if [tuple(row) for row in stored] == pads:
                return False
            # In one transaction with the new keys: no session meets a moment without one, in which the tenant's name
            # alone would do.
            await connection.execute("DELETE FROM proof_keys")
            await connection.executemany("INSERT INTO proof_keys (inner_pad, outer_pad) VALUES ($1, $2)", pads)
            return True

    return run_blocking(write)


def belongs_to_models(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Alembic's filter: PgQueuer's tables are its own, not our models'."""
    del item, reflected, compare_to
    return not (kind == "table" and name is not None and name.startswith("pgqueuer"))


async def on_migration_connection(url: str, work: Callable[[Connection], T]) -> T:
    """Run blocking ``work`` on one connection as ``deskhand_owner``, alone among all migrating processes."""
    await _prepare_server(url)
    # No pool: the advisory lock lives as long as this connection, and must end with it.
    engine = open_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await _become_owner(connection)
            # Session-level, so it spans the transactions of all revisions; it ends with the connection.
            await connection.execute(text(f"SELECT pg_advisory_lock({_MIGRATION_LOCK})"))
            await connection.commit()
            result = await connection.run_sync(work)
            await connection.commit()
            return result
    finally:
        await engine.dispose()


@asynccontextmanager
async def _driver_connection(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _prepare_server(url: str) -> None:
    async with _driver_connection(url) as connection:
        version = connection.get_server_version().major
        if version < MINIMUM_SERVER_VERSION:
            raise ConfigurationError(
                f"PostgreSQL {MINIMUM_SERVER_VERSION} or newer is needed; this server is version {version}."
            )
        # Asked first, because an owner's login that may not create roles must still be able to migrate where they
        # exist.
        if not await roles_are_ready(connection):
            await create_roles(connection)


async def _become_owner(connection: AsyncConnection) -> None:
    """Whoever migrates, the tables belong to ``deskhand_owner``."""
    allowed = await connection.scalar(text(f"SELECT pg_has_role(session_user, '{OWNER_ROLE}', 'MEMBER')"))
    if not allowed:
        login = await connection.scalar(text("SELECT session_user::text"))
        raise ConfigurationError(
            f"The login {login!r} may not migrate: it is not {OWNER_ROLE!r}. "
            "Set DESKHAND_DATABASE_OWNER_URL to the owner's login."
        )
    await connection.execute(text(f"SET ROLE {OWNER_ROLE}"))
    await connection.commit()


def _revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_PACKAGE / "migrations"))
    if url is not None:
        # To Alembic the configuration is an ini file, in which a percent sign begins a variable; a password may hold
        # one.
        config.set_main_option("deskhand_url", url.replace("%", "%%"))
    return config


def _run(url: str, work: Callable[[Config], None]) -> None:
    with _ALEMBIC:
        work(_config(url))

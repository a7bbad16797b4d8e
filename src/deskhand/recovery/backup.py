"""Taking a backup while the installation serves: one snapshot, counted and dumped, sealed as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path

import asyncpg

from deskhand import __version__
from deskhand.errors import ConfigurationError, ConflictError, InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.db import admin
from deskhand.kit.db.clients import Clients
from deskhand.kit.db.files import new_file
from deskhand.kit.db.roles import OWNER_ROLE, PLATFORM_ROLE
from deskhand.kit.db.session import Database
from deskhand.kit.sealed import Sealer
from deskhand.recovery import figures
from deskhand.recovery.manifest import Manifest, packed
from deskhand.recovery.stored_secrets import try_secrets

LEAST_CHARACTERS = 16
"""Of a passphrase: whoever holds the file may guess for years."""

Grown = Callable[[int], None]

_SEES_ALL = "SELECT pg_has_role(session_user, r.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = $1"
# The policies bind the owner too: it sees every row as a member of deskhand_platform, which figures.half_seen() asks
# first, and pg_dump would refuse a table with policies otherwise.
_DUMP = (
    "--format=custom",
    "--schema=public",
    "--enable-row-security",
    "--no-publications",
    "--no-subscriptions",
    "--lock-wait-timeout=60000",
)


async def back_up(
    installation: Installation,
    target: Path,
    passphrase: str,
    *,
    settings: Mapping[str, str],
    counting: figures.Progress,
    writing: Grown,
) -> Manifest:
    """Write a backup of an installation that may be serving.

    Args:
        installation: What is backed up.
        target: The file; it gets its name when it is whole.
        passphrase: What opens it.
        settings: What is set in this place, by variable.
        counting: Told the share of the tables that is counted.
        writing: Told how many bytes of the dump were written since.

    Returns:
        What is in it.

    Raises:
        ConflictError: The file is there already, or tables would not be seen whole.
        InvalidInputError: The passphrase can be guessed.
        ConfigurationError: The schema is not this version's, or a program is missing.
    """
    ensure_unguessable(passphrase)
    _ensure_new(target)
    async with _snapshot(installation.owner_url) as (connection, name):
        manifest = await _described(installation, connection, settings, counting)
        clients = Clients(manifest.server_major, binaries=installation.settings.pg_bin)
        clients.find("pg_restore")  # what could not be restored here is no backup; said before the long part
        # The connection keeps the snapshot for pg_dump, which reads the same one while everybody else goes on writing.
        dump = clients.dump(installation.owner_url, [*_DUMP, f"--snapshot={name}"])

        def write() -> None:
            with new_file(target) as file:
                sealer = Sealer(file, passphrase)
                sealer.write(packed(manifest))
                with closing(dump):
                    for piece in dump:
                        sealer.write(piece)
                        writing(len(piece))
                sealer.finish()

        await asyncio.to_thread(write)
    return manifest


def ensure_unguessable(passphrase: str) -> None:
    """Refuse a passphrase that somebody who has the file could find.

    Raises:
        InvalidInputError: It is too short, or repeats itself.
    """
    if len(passphrase) < LEAST_CHARACTERS or len(set(passphrase)) < LEAST_CHARACTERS // 2:
        raise InvalidInputError(
            f"The passphrase can be guessed: use {LEAST_CHARACTERS} characters or more that differ, or a key file"
            " (`deskhand keys new > backup.key`)."
        )


def _ensure_new(target: Path) -> None:
    if target.exists():
        raise ConflictError(f"{target} is there already; a backup is never written over. Name another file.")
    if not target.parent.is_dir():
        raise InvalidInputError(f"There is no folder {target.parent} to write the backup into.")


@asynccontextmanager
async def _snapshot(owner_url: str) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection, await connection.fetchval("SELECT pg_export_snapshot()")
    finally:
        await connection.close()


async def _described(
    installation: Installation,
    connection: asyncpg.Connection,
    settings: Mapping[str, str],
    counting: figures.Progress,
) -> Manifest:
    if not await connection.fetchval(_SEES_ALL, PLATFORM_ROLE):
        raise ConfigurationError(
            "This login does not see every tenant's rows (or there is no Deskhand in this database). Set"
            f" DESKHAND_DATABASE_OWNER_URL to the login of {OWNER_ROLE}."
        )
    revision = await _revision(connection)
    if not admin.knows(revision):
        raise ConfigurationError(
            f"The schema is at {revision}, which this version of Deskhand does not know: take the backup with the"
            " version that serves."
        )
    if unseen := await figures.half_seen(connection):
        raise ConflictError(
            f"The owner would not see every row of {', '.join(unseen)}: policies of row-level security were changed."
            " `deskhand doctor` says which."
        )
    found = await figures.count(connection, counting)
    made_at: datetime = await connection.fetchval("SELECT now()")
    return Manifest(
        made_at=made_at,
        made_by=__version__,
        revision=revision,
        server_major=connection.get_server_version().major,
        extensions=await figures.extensions_of(connection),
        roles=await figures.roles_of(connection),
        tables=found.tables,
        sequences=found.sequences,
        encryption_keys=list(installation.encryption_keys),
        tenant_keys=list(installation.tenant_keys),
        settings=dict(settings),
        locked=await _locked(installation) if revision == admin.head() else 0,
    )


async def _locked(installation: Installation) -> int:
    # The owner becomes deskhand_platform as the platform's login does.
    db = Database(installation.owner_url, platform_url=installation.owner_url, pool_size=1)
    try:
        return (await try_secrets(db, installation.encryption_keys))[1]
    finally:
        await db.dispose()


async def _revision(connection: asyncpg.Connection) -> str:
    try:
        revision = await connection.fetchval("SELECT version_num FROM public.alembic_version")
    except asyncpg.UndefinedTableError:
        revision = None
    if revision is None:
        raise ConfigurationError("There is nothing to back up: the database holds no schema of Deskhand.")
    return str(revision)

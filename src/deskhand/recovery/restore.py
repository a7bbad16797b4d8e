"""Bringing an installation back from a backup, into an empty place alone, and proving that it is the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

import deskhand.models  # noqa: F401  (every table, for the look at tenancy)
from deskhand.access.service import COMMAND_LINE
from deskhand.audit import service as audit
from deskhand.errors import ConfigurationError, ConflictError, DeskhandError, InvalidInputError
from deskhand.kit.db import admin
from deskhand.kit.db.clients import Clients
from deskhand.kit.db.roles import APP_ROLE, OWNER_ROLE, PLATFORM_LOGIN, PLATFORM_ROLE
from deskhand.kit.db.session import Database
from deskhand.kit.db.tenancy import tenancy_faults, tenant_policies
from deskhand.kit.sealed import unsealed
from deskhand.recovery import figures
from deskhand.recovery.manifest import Manifest, unpacked
from deskhand.recovery.stored_secrets import try_secrets

Read = Callable[[int], None]

# What the server's administrator makes: extensions and the schema itself are there before.
_NOT_OURS = re.compile(r"^\d+; \d+ \d+ (?:EXTENSION|SCHEMA|COMMENT) - (?:EXTENSION |SCHEMA )?\S+")
_HOLDS = """SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
   AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND NOT EXISTS (SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""
_IS_OURS = """SELECT pg_has_role(session_user, $1, 'MEMBER')
   AND pg_has_role(session_user, d.datdba, 'MEMBER') FROM pg_database d WHERE d.datname = current_database()"""
_LENT = f"GRANT CREATE ON SCHEMA public TO {PLATFORM_ROLE}"
_TAKEN_BACK = f"REVOKE CREATE ON SCHEMA public FROM {PLATFORM_ROLE}"
_OURS = frozenset({OWNER_ROLE, APP_ROLE, PLATFORM_ROLE, PLATFORM_LOGIN})
_NO_EXTENSION = (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError)
_NEVER = frozenset({"pg_database_owner"})


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup's file and what opens it.

    Attributes:
        path: The file.
        passphrase: What opens it.
        binaries: Folder in which PostgreSQL's programs are looked for first.
    """

    path: Path
    passphrase: str
    binaries: Path | None = None

    @contextmanager
    def opened(self, read: Read = lambda _bytes: None) -> Iterator[tuple[Manifest, Iterator[bytes]]]:
        """The manifest, and the dump behind it; each piece is authenticated before it is given out.

        Raises:
            InvalidInputError: It cannot be read, or not be trusted; the message says which.
        """
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise InvalidInputError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        with file:
            yield unpacked(_told(unsealed(file, self.passphrase), read))

    def manifest(self) -> Manifest:
        """What the backup says of itself, after a look at its first pieces.

        Raises:
            InvalidInputError: As of ``opened``; also of a schema that this version does not know.
        """
        with self.opened() as (manifest, _):
            pass
        if not admin.knows(manifest.revision):
            raise InvalidInputError(
                f"The backup was made by Deskhand {manifest.made_by}, and its schema {manifest.revision} is newer than"
                f" this version's {admin.head()}: install that version or a newer one."
            )
        return manifest


@dataclass(frozen=True, slots=True)
class Report:
    """What was found after a restore; empty lists where it is the same installation.

    Attributes:
        differences: From what the backup says.
        chains: Audit chains that were checked.
        broken: Those that do not verify.
        tenancy: What would let tenants meet.
        secrets: Stored secrets that were opened.
        locked: Those that none of the keys opens, beyond those of which the backup says so.
    """

    differences: list[str]
    chains: int
    broken: list[str]
    tenancy: list[str]
    secrets: int
    locked: int

    @property
    def faults(self) -> list[str]:
        """Every fault as a sentence."""
        locked = [f"{self.locked} stored secrets open with none of the backup's keys"] if self.locked else []
        return [*self.differences, *self.broken, *self.tenancy, *locked]


def _told(pieces: Iterator[bytes], read: Read) -> Iterator[bytes]:
    for piece in pieces:
        read(len(piece))
        yield piece


async def restore(backup: Backup, owner_url: str, *, read: Read, counting: figures.Progress) -> Report:
    """Put a backup into an empty database and look at what is there then.

    Args:
        backup: Which.
        owner_url: Login of ``deskhand_owner`` at the database.
        read: Told how many bytes were read; the file is read twice.
        counting: Told the share of the tables that is compared.

    Raises:
        ConflictError: The database is not empty; it was not touched.
        ConfigurationError: The server lacks a role, an extension, or a program for it.
        InvalidInputError: The backup cannot be trusted.
        UnavailableError: PostgreSQL refused something; the database is as empty as before.
    """
    manifest = backup.manifest()
    connection = await asyncpg.connect(owner_url)
    try:
        await _ensure_ready(connection, owner_url, manifest)
        await prepare_extensions(owner_url, manifest.extensions)
        clients = Clients(connection.get_server_version().major, binaries=backup.binaries)
        # The first reading proves every byte before the second one acts on any.
        with backup.opened(read) as (_, dump):
            contents = _ours_of(clients.contents(dump))
        await connection.execute(_LENT)
        try:
            with backup.opened(read) as (_, dump):
                clients.restore(owner_url, dump, contents)
        finally:
            await connection.execute(_TAKEN_BACK)
        await connection.execute("ANALYZE")
        return await _looked_at(connection, owner_url, manifest, counting)
    finally:
        await connection.close()


@asynccontextmanager
async def scratch_database(admin_url: str, owner_url: str, extensions: Sequence[str]) -> AsyncIterator[str]:
    """The owner's address of an empty database that is gone after the block.

    Args:
        admin_url: A login that may create databases: a superuser, or an owner with CREATEDB.
        owner_url: The owner's login at any database of the server.
        extensions: To make in it.

    Raises:
        ConfigurationError: It may not.
    """
    name = f"deskhand_verify_{uuid4().hex[:12]}"
    keeper = await asyncpg.connect(admin_url)
    try:
        try:
            await keeper.execute(f'CREATE DATABASE "{name}" OWNER {OWNER_ROLE} TEMPLATE template0')
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(
                f"To verify a backup this login needs a scratch database and may not make one ({error}). Let a DBA run:"
                f" ALTER ROLE {OWNER_ROLE} CREATEDB; or verify on a machine with the embedded server."
            ) from error
        try:
            await keeper.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
            await prepare_extensions(at_database(admin_url, name), extensions)
            yield at_database(owner_url, name)
        finally:
            await keeper.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await keeper.close()


def at_database(url: str, name: str) -> str:
    """The same address with another database."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{name}{'?' if parts.query else ''}{parts.query}"


async def prepare_extensions(admin_url: str, extensions: Sequence[str]) -> None:
    """Make the extensions that a backup needs.

    Raises:
        ConfigurationError: The server has not got one, or the login may not make it.
    """
    connection = await asyncpg.connect(admin_url)
    try:
        for name in extensions:
            try:
                await connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" SCHEMA public')
            except _NO_EXTENSION as error:
                raise ConfigurationError(
                    f"The backup needs PostgreSQL's extension {name!r} ({error}). Install it on the server and let a"
                    f' DBA run, in the database to restore into: CREATE EXTENSION "{name}";'
                ) from error
    finally:
        await connection.close()


async def _ensure_ready(connection: asyncpg.Connection, owner_url: str, manifest: Manifest) -> None:
    database = await connection.fetchval("SELECT current_database()")
    holds = await connection.fetchval(_HOLDS)
    if holds:
        raise ConflictError(
            f"The database {database!r} is not empty: it holds {holds} tables and sequences, and a restore never mixes"
            " two installations. Name an empty one: a new folder in DESKHAND_DATA_DIR (embedded server), or a new"
            " database in DESKHAND_DATABASE_OWNER_URL. Nothing was changed."
        )
    major = connection.get_server_version().major
    if major < manifest.server_major:
        raise ConfigurationError(
            f"The backup is of PostgreSQL {manifest.server_major}; this server is version {major}. Restore into"
            f" {manifest.server_major} or newer."
        )
    present = await _roles(connection)
    if not present >= _OURS:
        admin.ensure_roles(owner_url)  # as the first migration would
        present = await _roles(connection)
    if not await connection.fetchval(_IS_OURS, OWNER_ROLE):
        raise ConfigurationError(
            f"The login is not {OWNER_ROLE}, or the database {database!r} is not its own. Set"
            f" DESKHAND_DATABASE_OWNER_URL, and let a DBA run: ALTER DATABASE {database} OWNER TO {OWNER_ROLE};"
            " Nothing was changed."
        )
    missing = [role for role in manifest.roles if role not in present | _NEVER]
    if missing:
        statements = " ".join(f'CREATE ROLE "{role}";' for role in missing)
        raise ConfigurationError(
            f"The backup grants rights to roles that this server has not got. Let a DBA run: {statements}"
        )


async def _roles(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}


def _ours_of(contents: str) -> str:
    return "\n".join(line for line in contents.splitlines() if not _NOT_OURS.match(line)) + "\n"


async def _looked_at(
    connection: asyncpg.Connection, owner_url: str, manifest: Manifest, counting: figures.Progress
) -> Report:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        found = await figures.count(connection, counting)
    if manifest.revision != admin.head():
        admin.upgrade(owner_url)  # an older version's: what follows asks for the tables of this one
    async with connection.transaction(readonly=True):
        tenancy = await tenancy_faults(connection, tenant_policies())
    if not manifest.tenant_keys:
        tenancy = [fault for fault in tenancy if "no key for the proofs" not in fault]
    # The owner becomes deskhand_platform as the platform's login does.
    db = Database(owner_url, platform_url=owner_url, pool_size=1)
    try:
        async with db.platform_session() as session:
            reports = await audit.verify(session)
        secrets, locked = await try_secrets(db, manifest.encryption_keys)
    finally:
        await db.dispose()
    return Report(
        differences=figures.differences(manifest, found),
        chains=len(reports),
        broken=[
            f"audit chain {one.tenant_id or '(platform)'} is broken at entry {one.broken_at}: {one.reason}"
            for one in reports
            if not one.ok
        ],
        tenancy=tenancy,
        secrets=secrets,
        locked=max(0, locked - manifest.locked),
    )


def ensure_same(report: Report) -> None:
    """Refuse to call a restore done that is not.

    Raises:
        DeskhandError: Names every fault.
    """
    if report.faults:
        raise DeskhandError(f"What was restored is not what was backed up: {'; '.join(report.faults)}.")


async def note_down(owner_url: str, operation: str, details: Mapping[str, object]) -> None:
    """Write into the installation's own log that a backup was taken or brought back."""
    db = Database(owner_url, platform_url=owner_url, pool_size=1)
    try:
        async with db.platform_session() as session:
            await audit.record(
                session,
                tenant_id=audit.PLATFORM,
                actor=COMMAND_LINE,
                operation=operation,
                resource_type="installation",
                resource_id=None,
                details=details,
            )
    finally:
        await db.dispose()

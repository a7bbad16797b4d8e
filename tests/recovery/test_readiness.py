"""Where a backup may be restored: what a place lacks is named, with what to do, before anything of it is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.conftest import DatabaseUrls
from tests.support.recovery import manifest

from deskhand.errors import ConfigurationError, ConflictError, InvalidInputError
from deskhand.kit import sealed
from deskhand.kit.sealed import Sealer
from deskhand.recovery import restore
from deskhand.recovery.manifest import packed

PASSPHRASE = "a passphrase of the tests 0123"


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs is tested elsewhere."""
    monkeypatch.setitem(sealed._COST, "n", 2)


async def refused(url: str, owner_url: str, kind: type[Exception], **fields: Any) -> str:
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(kind) as raised:
            await restore._ensure_ready(connection, owner_url, manifest(**fields))
    finally:
        await connection.close()
    return str(raised.value)


async def test_a_database_that_holds_something_is_left_alone(database_urls: DatabaseUrls) -> None:
    said = await refused(database_urls.owner_url, database_urls.owner_url, ConflictError)
    assert f"'{database_urls.name}' is not empty" in said
    assert "DESKHAND_DATA_DIR" in said


@pytest.fixture
def empty(fresh_database: Callable[[], DatabaseUrls]) -> DatabaseUrls:
    return fresh_database()


async def test_an_empty_database_is_ready_and_what_one_lacks_is_named(empty: DatabaseUrls) -> None:
    owner = await asyncpg.connect(empty.owner_url)
    await restore._ensure_ready(owner, empty.owner_url, manifest(roles=["deskhand_owner", "pg_database_owner"]))
    assert "PostgreSQL 99" in await refused(empty.owner_url, empty.owner_url, ConfigurationError, server_major=99)
    said = await refused(empty.owner_url, empty.owner_url, ConfigurationError, roles=["deskhand_app", "scaler", "bi"])
    assert 'CREATE ROLE "scaler"; CREATE ROLE "bi";' in said
    assert "deskhand_app" not in said, "ours is there"
    said = await refused(empty.app_url, empty.app_url, ConfigurationError)
    assert "The login is not deskhand_owner" in said
    superuser = await asyncpg.connect(empty.superuser_url)
    await superuser.execute(f'ALTER DATABASE "{empty.name}" OWNER TO postgres')
    await superuser.execute(f'GRANT CONNECT ON DATABASE "{empty.name}" TO deskhand_owner')
    said = await refused(empty.owner_url, empty.owner_url, ConfigurationError)
    assert f"ALTER DATABASE {empty.name} OWNER TO deskhand_owner" in said
    # A table of somebody else's is something, too; an extension's is not.
    await superuser.execute("CREATE TABLE somebodys (a int)")
    assert "holds 1 tables" in await refused(empty.owner_url, empty.owner_url, ConflictError)
    await superuser.execute("ALTER EXTENSION pg_trgm ADD TABLE somebodys")
    assert "ALTER DATABASE" in await refused(empty.owner_url, empty.owner_url, ConfigurationError)
    for connection in (owner, superuser):
        await connection.close()


async def test_an_extension_that_the_server_has_not_got_is_named(database_urls: DatabaseUrls) -> None:
    await restore.prepare_extensions(database_urls.owner_url, ["pg_trgm"])  # it is there: nothing is to be made
    with pytest.raises(ConfigurationError, match=r"(?s)extension 'postgis'.*CREATE EXTENSION \"postgis\""):
        await restore.prepare_extensions(database_urls.superuser_url, ["postgis"])
    with pytest.raises(ConfigurationError, match="let a DBA run"):
        await restore.prepare_extensions(database_urls.app_url, ["hstore"])


async def test_a_scratch_database_is_gone_however_its_block_ends(database_urls: DatabaseUrls) -> None:
    url, owner = database_urls.superuser_url, database_urls.owner_url
    seen = []
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the whole block is what fails
        async with restore.scratch_database(url, owner, ["pg_trgm"]) as scratch:
            seen.append(scratch)
            connection = await asyncpg.connect(scratch)  # the owner's login, and still connected at the end
            assert await connection.fetchval("SELECT current_user") == "deskhand_owner"
            assert await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == 1
            raise ZeroDivisionError
    connection.terminate()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(seen[0])
    with pytest.raises(ConfigurationError, match="postgis"):
        async with restore.scratch_database(url, owner, ["postgis"]):
            pytest.fail("it could not be prepared")
    with pytest.raises(ConfigurationError, match="CREATEDB"):
        async with restore.scratch_database(owner, owner, []):
            pytest.fail("the owner may not make one")
    keeper = await asyncpg.connect(url)
    left = await keeper.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'deskhand_verify_%'")
    await keeper.close()
    assert seen[0].rsplit("/", 1)[1] not in {row[0] for row in left}


async def test_nobody_else_may_connect_to_a_scratch_database(database_urls: DatabaseUrls) -> None:
    async with restore.scratch_database(database_urls.superuser_url, database_urls.owner_url, []) as scratch:
        name = scratch.rsplit("/", 1)[1]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(restore.at_database(database_urls.app_url, name))


def backup(folder: Path, **fields: Any) -> restore.Backup:
    path = folder / "x.backup"
    with path.open("wb") as file:
        sealer = Sealer(file, PASSPHRASE)
        sealer.write(packed(manifest(**fields)) + b"no dump")
        sealer.finish()
    return restore.Backup(path, PASSPHRASE)


def test_a_backup_says_what_it_is_before_anything_else_is_asked(tmp_path: Path) -> None:
    known = backup(tmp_path).manifest()
    assert (known.revision, known.server_major) == ("a59c1e7d3b46", 18)
    with pytest.raises(InvalidInputError, match=r"made by Deskhand 9\.0.*fedcba987654 is newer"):
        backup(tmp_path, revision="fedcba987654", made_by="9.0").manifest()
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        restore.Backup(tmp_path / "none", PASSPHRASE).manifest()
    with pytest.raises(InvalidInputError, match="cannot be read: Is a directory"):
        restore.Backup(tmp_path, PASSPHRASE).manifest()


def test_every_byte_that_is_read_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    with backup(tmp_path).opened(told.append) as (_, dump):
        assert b"".join(dump) == b"no dump"
    assert sum(told) == len(packed(manifest())) + len(b"no dump")


async def test_a_dump_that_is_none_leaves_the_place_as_it_was(empty: DatabaseUrls, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"pg_restore failed .*input file"):
        await restore.restore(backup(tmp_path), empty.owner_url, read=lambda _bytes: None, counting=lambda _share: None)
    connection = await asyncpg.connect(empty.superuser_url)
    assert await connection.fetchval(restore._HOLDS) == 0
    may = "SELECT has_schema_privilege('deskhand_platform', 'public', 'CREATE')"
    assert not await connection.fetchval(may), "what was lent was taken back, or never lent"
    await connection.close()

"""One installation with two tenants, backed up while somebody writes, lives again elsewhere by the commands."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import Result
from sqlalchemy import text
from tests.conftest import DatabaseUrls
from tests.support.api import AGENT, Api
from tests.support.logins import KEY, PROVER, TENANT_KEY
from tests.support.recovery import NEWEST, aside
from typer.testing import CliRunner

from deskhand.cli import app
from deskhand.cli import recovery as commands
from deskhand.errors import ConfigurationError, ConflictError, DeskhandError, InvalidInputError
from deskhand.kit import sealed
from deskhand.kit.db import admin
from deskhand.kit.db.session import Database
from deskhand.kit.db.tenancy import login_faults, tenancy_faults, tenant_policies

PASSPHRASE = "the key of the tests' backups 0123456789"
ACCEPTED = "INSERT INTO ticket_history (tenant_id, ticket_id, description, shared) VALUES ('acme', $1, 'x', true)"
# Owners, grants, policies, triggers, constraints, indexes, functions: what the schema is beside its rows.
SHAPE = """
    SELECT concat('relation ', c.relname, c.relkind), concat(pg_get_userbyid(c.relowner), c.relrowsecurity,
           c.relforcerowsecurity, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(c.relacl) x))
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat('function ', p.oid::regprocedure), concat(pg_get_userbyid(p.proowner), p.prosecdef,
           md5(p.prosrc), (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(p.proacl) x))
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat('policy ', tablename, policyname), concat(permissive, roles, cmd, qual, with_check)
      FROM pg_policies
    UNION ALL SELECT concat('trigger ', tgrelid::regclass, tgname), pg_get_triggerdef(oid) FROM pg_trigger
      WHERE NOT tgisinternal
    UNION ALL SELECT concat('constraint ', conrelid::regclass, conname), pg_get_constraintdef(oid) FROM pg_constraint
      WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL SELECT concat('index ', indexname), indexdef FROM pg_indexes WHERE schemaname = 'public'
    ORDER BY 1, 2"""


def ask(url: str, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, Any]]) -> Any:
    async def go() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return aside(lambda: asyncio.run(go()))


def shape(urls: DatabaseUrls) -> list[tuple[str, str]]:
    rows = ask(urls.superuser_url, lambda connection: connection.fetch(SHAPE))
    # A list of words is written in another way once it was read: the same words, with the casts elsewhere.
    return [(row[0], re.sub(r"::(text|character varying)(\[\])?|[()\s]", "", row[1] or "")) for row in rows]


@pytest.fixture
async def filled(api: Api, database_urls: DatabaseUrls) -> AsyncIterator[DatabaseUrls]:
    """Two tenants with secrets, an agent, history of their logs, and a job in the queue."""
    for name in ("acme", "globex"):
        client = await api.tenant(name)
        assert (await client.post("/api/v1/agents", json=AGENT)).status_code == 201
    connection = await asyncpg.connect(database_urls.superuser_url)
    await connection.execute(ACCEPTED, "before")
    await connection.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'run', 'acme:1', 'queued')"
    )
    await connection.close()
    yield database_urls
    await api.clients.aclose()


@pytest.fixture
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs is paid by the first test alone."""
    monkeypatch.setitem(sealed._COST, "n", 2)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "backup.key"
    path.write_text(f"{PASSPHRASE}\n")
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``place(urls, **settings)``: the commands work there."""
    monkeypatch.chdir(tmp_path)

    def at(urls: DatabaseUrls, **settings: str) -> None:
        for name in ("ENCRYPTION_KEYS", "TENANT_KEY", "LLM_API_KEY", "DATA_DIR"):
            monkeypatch.delenv(f"DESKHAND_{name}", raising=False)
        values = {"DATABASE_URL": urls.app_url, "DATABASE_OWNER_URL": urls.owner_url, **settings}
        for name, value in values.items():
            monkeypatch.setenv(f"DESKHAND_{name}", value)

    return at


def call(*words: object) -> Result:
    return aside(lambda: CliRunner().invoke(app, [str(word) for word in words]))


def refusal(kind: type[DeskhandError], *words: object) -> str:
    result = call(*words)
    assert isinstance(result.exception, kind), (result.exception, result.output)
    return result.exception.detail


def done(*words: object) -> str:
    result = call(*words)
    assert result.exit_code == 0, (result.exception, result.output)
    return " ".join(result.output.split())


def test_it_lives_again_and_nothing_of_it_is_lost_or_opened(
    filled: DatabaseUrls,
    fresh_database: Callable[[], DatabaseUrls],
    place: Callable[..., None],
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, new = tmp_path / "monday.backup", fresh_database()
    own = commands._share

    def accepting_meanwhile(display: Any, words: str) -> Callable[[float], None]:
        """An event that is accepted when the tables are counted and the dump has not begun."""

        def told(share: float) -> None:
            own(display, words)(share)
            if share == 1.0 and words == "counting":
                ask(filled.superuser_url, lambda connection: connection.execute(ACCEPTED, "meanwhile"))

        return told

    monkeypatch.setattr(commands, "_share", accepting_meanwhile)
    place(
        filled,
        ENCRYPTION_KEYS=KEY,
        TENANT_KEY=TENANT_KEY,
        LLM_API_KEY="sk-it's 'the' gateway's",
        DATA_DIR=str(tmp_path),
    )
    assert "rows" in done("backup", file, "--key-file", key_file)
    newest = "SELECT concat(actor, ' ', operation) FROM audit_log WHERE tenant_id = '' ORDER BY sequence DESC LIMIT 1"
    assert ask(filled.superuser_url, lambda own: own.fetchval(newest)) == "command-line installation.backup"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if "monday" in path.name] == ["monday.backup"]
    assert "is there already" in refusal(ConflictError, "backup", file, "--key-file", key_file)

    place(new, DATA_DIR=str(tmp_path / "new"))
    said = done("restore", file, "--key-file", key_file)
    assert "Every table has the same rows" in said
    assert "audit chains verify" in said
    assert "tenants are kept apart" in said
    # The keys and settings came with it, and opened what is encrypted with them.
    assert (tmp_path / "new" / "encryption.keys").read_text() == KEY
    assert (tmp_path / "new" / "tenant.key").read_text() == TENANT_KEY
    assert "DESKHAND_LLM_API_KEY='sk-it\\'s \\'the\\' gateway\\'s'" in (tmp_path / "new" / "restored.env").read_text()
    assert shape(new) == shape(filled)
    aside(lambda: asyncio.run(_look(new)))
    # A second time into the same place, which is somebody's now.
    assert "is not empty" in refusal(ConflictError, "restore", file, "--key-file", key_file)


async def _look(urls: DatabaseUrls) -> None:
    superuser = await asyncpg.connect(urls.superuser_url)
    assert [row[0] for row in await superuser.fetch("SELECT ticket_id FROM ticket_history")] == ["before"]
    assert await superuser.fetchval("SELECT payload FROM pgqueuer") == b"acme:1"
    newest = await superuser.fetchval("SELECT max(sequence) FROM audit_log")
    assert await superuser.fetchval("SELECT last_value FROM audit_log_sequence_seq") >= newest
    assert await superuser.fetchval("SELECT operation FROM audit_log ORDER BY sequence DESC") == "installation.restore"
    await superuser.close()
    login = await asyncpg.connect(urls.app_url)
    assert [*await tenancy_faults(login, tenant_policies()), *await login_faults(login)] == []
    await login.close()
    db = Database(urls.app_url, prover=PROVER)
    async with db.tenant_session("acme") as session:
        found = await session.execute(text("SELECT DISTINCT tenant_id FROM agents"))
        assert list(found.scalars()) == ["acme"]
    await db.dispose()


@pytest.mark.usefixtures("cheap_keys")
def test_a_backup_is_verified_in_a_database_that_is_gone_afterwards(
    filled: DatabaseUrls, place: Callable[..., None], key_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tuesday.backup"
    names = "SELECT datname FROM pg_database WHERE datname LIKE 'deskhand_verify_%'"
    keys = {"ENCRYPTION_KEYS": KEY, "TENANT_KEY": TENANT_KEY, "DATA_DIR": str(tmp_path)}
    place(filled, **keys)
    done("backup", file, "--key-file", key_file)
    assert "CREATEDB" in refusal(ConfigurationError, "restore", file, "--verify", "--key-file", key_file)
    place(filled, **keys, DATABASE_OWNER_URL=filled.superuser_url)
    assert "can be restored" in done("restore", file, "--verify", "--key-file", key_file)
    assert ask(filled.superuser_url, lambda connection: connection.fetch(names)) == []
    _refuse_what_is_no_backup(file, key_file, tmp_path)
    # With keys that are not the installation's it is told at once; such a backup is what it says that it is.
    other = tmp_path / "other-ring.backup"
    place(filled, **{**keys, "ENCRYPTION_KEYS": NEWEST}, DATABASE_OWNER_URL=filled.superuser_url)
    result = call("backup", other, "--key-file", key_file)
    assert "stored secrets open with none of the keys that are set here" in " ".join(result.stderr.split())
    assert "can be restored" in done("restore", other, "--verify", "--key-file", key_file)


def _refuse_what_is_no_backup(file: Path, key_file: Path, tmp_path: Path) -> None:
    """Told before a database is made: a wrong key, a file of another kind, a flipped bit in the last piece."""
    other = tmp_path / "other.key"
    other.write_text("another key of the tests, as long as it")
    assert "does not open" in refusal(InvalidInputError, "restore", file, "--key-file", other)
    assert "cannot be read" in refusal(InvalidInputError, "restore", tmp_path / "none", "--key-file", key_file)
    content = bytearray(file.read_bytes())
    content[-40] ^= 1
    file.write_bytes(content)
    assert "altered" in refusal(InvalidInputError, "restore", file, "--verify", "--key-file", key_file)


@pytest.mark.usefixtures("cheap_keys")
def test_what_a_place_lacks_is_named_before_anything_is_written(
    database_urls: DatabaseUrls,
    place: Callable[..., None],
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place(database_urls, ENCRYPTION_KEYS=KEY, DATA_DIR=str(tmp_path))
    file = tmp_path / "small.backup"
    done("backup", file, "--key-file", key_file)
    place(database_urls, ENCRYPTION_KEYS=KEY, DATA_DIR=str(tmp_path), DATABASE_OWNER_URL=database_urls.app_url)
    assert "does not see every tenant" in refusal(ConfigurationError, "backup", tmp_path / "x", "--key-file", key_file)
    place(database_urls, ENCRYPTION_KEYS=KEY, DATA_DIR=str(tmp_path))
    monkeypatch.setattr(admin, "knows", lambda _revision: False)
    assert "newer than" in refusal(InvalidInputError, "restore", file, "--key-file", key_file)
    assert "does not know" in refusal(ConfigurationError, "backup", tmp_path / "x", "--key-file", key_file)
    monkeypatch.undo()


def test_backup_and_restore_ask_for_a_key_that_holds(
    place: Callable[..., None], database_urls: DatabaseUrls, tmp_path: Path
) -> None:
    place(database_urls, ENCRYPTION_KEYS=KEY, DATA_DIR=str(tmp_path))
    assert "--key-file" in refusal(InvalidInputError, "backup", tmp_path / "x")
    weak = tmp_path / "weak"
    for words in ("short", "a" * 40):
        weak.write_text(words)
        assert "can be guessed" in refusal(InvalidInputError, "backup", tmp_path / "x", "--key-file", weak)
    assert "cannot be read" in refusal(InvalidInputError, "restore", tmp_path / "x", "--key-file", tmp_path / "none")
    assert not (tmp_path / "x").exists()

"""A tenant moves: out of one installation in a sealed file, into another under its keys, whole or not at all."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.fernet import Fernet
from tests.conftest import DatabaseUrls
from tests.support.api import AGENT, Api
from tests.support.installed import work_on
from tests.support.logins import KEY
from tests.support.recovery import aside
from tests.tenancy.conftest import SEEDS
from typer.testing import CliRunner

from deskhand.agents.reencryption import SECRETS
from deskhand.audit import service as audit
from deskhand.cli import app
from deskhand.erasure.scan import tenant_tables
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit import sealed
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.sealed import Sealer, unsealed
from deskhand.recovery import moving
from deskhand.recovery.moving import STAYS_HERE, moved_tables, read_tenant, write_tenant

PASSPHRASE = "a passphrase of the tests 0123"
OLD, NEW = SecretBox([KEY]), SecretBox([Fernet.generate_key().decode()])
ALONE = frozenset(
    {"tenant_configs", "audit_log", "agents", "agent_triggers", "agent_tools", "agent_versions", "api_keys"}
)


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs is tested elsewhere."""
    monkeypatch.setitem(sealed._COST, "n", 2)


@pytest.fixture
async def acme(api: Api, database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """A tenant with secrets, an agent and its log, and a row in every other table; deactivated. A superuser."""
    client = await api.tenant(
        "acme", jira_url="https://jira.example.com", jira_api_token="the-token-of-jira", jira_project_key="OPS"
    )
    assert (await client.post("/api/v1/agents", json=AGENT)).status_code == 201
    connection = await asyncpg.connect(database_urls.superuser_url)
    made = await connection.fetchrow(
        "SELECT a.id AS agent, t.id AS trigger, v.id AS version FROM agents a"
        " JOIN agent_triggers t ON t.agent_id = a.id JOIN agent_versions v ON v.agent_id = a.id"
    )
    for table, statement in SEEDS.items():
        if table not in ALONE:
            seed = statement.format(t="acme", n=1)
            for digit, name in (("a", "agent"), ("b", "trigger"), ("c", "version")):
                seed = seed.replace(f"10000000-0000-4000-8000-00000000000{digit}", str(made[name]))
            await connection.execute(seed)
    await connection.execute("UPDATE agent_executions SET status = 'completed'")
    for table, column in (("tool_sources", "credential_encrypted"), ("model_connections", "api_key_encrypted")):
        await connection.execute(f"UPDATE {table} SET {column} = $1", OLD.encrypt(f"the secret of {table}"))
    await connection.execute(
        "INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name)"
        " SELECT 'acme', id, 'a:0', 1, 'tool', 'later' FROM agent_executions"
    )
    await connection.execute("UPDATE tenant_configs SET is_active = false")
    yield connection
    await connection.close()


async def rows(connection: asyncpg.Connection) -> dict[str, list[Any]]:
    """What goes along, without what differs by place: counters, the state of the tenant, secrets under another key."""
    leave = [
        "sequence",
        "position",
        "is_active",
        "updated_at",
        *(column for _, columns in SECRETS for column in columns),
    ]
    found = {}
    for table in moved_tables():
        statement = f"SELECT (to_jsonb(t) - $1::text[])::text FROM {table.name} t WHERE tenant_id = 'acme' ORDER BY 1"
        found[table.name] = [row[0] for row in await connection.fetch(statement, leave)]
    return found


async def written(db: Database) -> bytes:
    file = io.BytesIO()
    async with db.platform_session() as session:
        moved = await write_tenant(
            session, file, PASSPHRASE, tenant_id="acme", secrets=OLD, made_by="0.1.0", actor="tests"
        )
    assert moved.rows["execution_steps"] == 2
    return file.getvalue()


async def read(db: Database, file: bytes) -> Any:
    async with db.platform_session() as session:
        return await read_tenant(session, unsealed(io.BytesIO(file), PASSPHRASE), secrets=NEW, actor="tests")


async def forget(connection: asyncpg.Connection) -> None:
    """The other installation has never heard of the tenant."""
    deletes = "; ".join(f"DELETE FROM {table} WHERE tenant_id = 'acme'" for table in tenant_tables())
    await connection.execute(f"SET session_replication_role = replica; {deletes}; RESET session_replication_role")


async def test_a_tenant_lives_in_another_installation_under_its_keys(
    acme: asyncpg.Connection, clean_db: Database
) -> None:
    before = await rows(acme)
    assert {table for table, found in before.items() if not found} == set(), "a row of every kind that goes along"
    file = await written(clean_db)
    newest = await acme.fetchrow("SELECT operation, actor FROM audit_log ORDER BY sequence DESC LIMIT 1")
    assert tuple(newest) == ("tenant.export", "tests"), "credentials have left this place"
    assert b"the-token-of-jira" not in file
    assert b"the-token-of-jira" in b"".join(unsealed(io.BytesIO(file), PASSPHRASE)), "readable without the old keys"
    with pytest.raises(ConflictError, match="There is, or was"):
        await read(clean_db, file)
    await forget(acme)
    moved = await read(clean_db, file)
    assert set(moved.rows) == set(before)
    after = await rows(acme)
    imported = after["audit_log"].pop(next(i for i, row in enumerate(after["audit_log"]) if "tenant.import" in row))
    assert '"rows"' in imported
    assert after == before
    assert [row[0] for row in await acme.fetch("SELECT step_key FROM execution_steps ORDER BY position")] == [
        "m:1",
        "a:0",
    ]
    assert not await acme.fetchval("SELECT is_active FROM tenant_configs")
    for table in STAYS_HERE - {"notification_facts"}:  # a call that waits leaves one anew
        assert not await acme.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = 'acme'"), table
    secret = await acme.fetchrow(
        "SELECT jira_api_token_encrypted AS jira, servicedesk_api_key_encrypted AS sdp FROM tenant_configs"
    )
    assert NEW.decrypt(secret["jira"]) == "the-token-of-jira"
    assert NEW.decrypt(secret["sdp"]) == "the-technician-key-of-acme"
    assert (
        NEW.decrypt(await acme.fetchval("SELECT credential_encrypted FROM tool_sources"))
        == "the secret of tool_sources"
    )
    async with clean_db.platform_session() as session:
        assert {report.tenant_id: report.ok for report in await audit.verify(session)}["acme"]


async def test_what_is_no_whole_file_changes_nothing(acme: asyncpg.Connection, clean_db: Database) -> None:
    file = await written(clean_db)
    await forget(acme)

    def forged(*lines: str) -> bytes:
        made = io.BytesIO()
        sealer = Sealer(made, PASSPHRASE)
        sealer.write("".join(f"{line}\n" for line in lines).encode())
        sealer.finish()
        return made.getvalue()

    plain = b"".join(unsealed(io.BytesIO(file), PASSPHRASE)).decode().splitlines()
    foreign = json.dumps(["agents", {"tenant_id": "globex"}])
    users = json.dumps(["users", {"tenant_id": "acme", "email": "x@example.com"}])
    for bad, words in (
        (file[:-20], "altered or cut off"),
        (forged(*plain[:3], foreign), "not of its tenant"),
        (forged(*plain[:3], users), "'users'"),
        (forged(plain[0].replace("a59c1e7d3b46", "000000000000") if "a59c" in plain[0] else '{"kind": "x"}'), "file"),
        (forged('{"kind": "another"}'), "no tenant's file"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            await read(clean_db, bad)
    assert not await acme.fetchval("SELECT count(*) FROM tenant_configs WHERE tenant_id = 'acme'")


async def test_a_tenant_that_works_is_not_written_half(acme: asyncpg.Connection, clean_db: Database) -> None:
    await acme.execute("UPDATE agent_executions SET status = 'waiting'")
    async with clean_db.platform_session() as session:
        options = {"secrets": OLD, "made_by": "0", "actor": "tests"}
        with pytest.raises(ConflictError, match="1 runs"):
            await write_tenant(session, io.BytesIO(), PASSPHRASE, tenant_id="acme", **options)
        with pytest.raises(NotFoundError):
            await write_tenant(session, io.BytesIO(), PASSPHRASE, tenant_id="nobody", **options)
    await acme.execute("UPDATE tenant_configs SET is_active = true")
    async with clean_db.platform_session() as session:
        with pytest.raises(ConflictError, match="is active"):
            await write_tenant(session, io.BytesIO(), PASSPHRASE, tenant_id="acme", **options)


def test_what_goes_along_and_what_stays_is_decided_for_every_table() -> None:
    along = {table.name for table in moved_tables()}
    assert along | STAYS_HERE == set(tenant_tables())
    assert along & STAYS_HERE == set()
    order = [table.name for table in moved_tables()]
    for parent, child in (
        ("tenant_configs", "agents"),
        ("agents", "agent_versions"),
        ("agent_versions", "agent_executions"),
        ("agent_executions", "execution_steps"),
        ("enhancement_history", "note_grounds"),
        ("budgets", "budget_use"),
    ):
        assert order.index(parent) < order.index(child)


def test_every_secret_of_what_goes_along_is_opened_and_sealed_anew() -> None:
    for model, columns in SECRETS:
        table = str(model.__table__)
        if table not in {one.name for one in moved_tables()}:
            continue
        for name in columns:
            is_bytes = model.__table__.columns[name].type.python_type is bytes
            token = OLD.encrypt(f"the secret in {name}")
            stored = "\\x" + token.encode().hex() if is_bytes else token
            opened = moving._opened(table, {name: stored, "tenant_id": "acme"}, OLD)
            assert opened == {name: f"the secret in {name}", "tenant_id": "acme"}
            again = moving._sealed(table, opened, NEW)
            assert again[name] != stored
            assert NEW.decrypt(moving._token(again[name])) == f"the secret in {name}"
            assert again[name].startswith("\\x") is is_bytes
            assert moving._sealed(table, {name: None}, NEW) == {name: None}


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_rows_are_lines_however_the_file_is_cut(cut: int) -> None:
    content = b'{"kind": "x"}\n["agents", {"a": "\xc3\xa4"}]\n'
    pieces = (content[start : start + cut] for start in range(0, len(content), cut))
    assert list(moving._lines(pieces)) == content.splitlines()


def test_a_file_that_ends_within_a_row_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="ends within a row"):
        list(moving._lines([b'{"kind": "x"}\n["agents"']))


@pytest.fixture
def place(database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a key, where the commands work on the tests' database."""
    work_on(database_urls, tmp_path, monkeypatch)
    key_file = tmp_path / "move.key"
    key_file.write_text(PASSPHRASE)
    return key_file


def call(*words: object) -> Any:
    return aside(lambda: CliRunner().invoke(app, ["tenant", *(str(word) for word in words)]))


def test_a_tenant_is_moved_by_two_commands(
    acme: asyncpg.Connection, database_urls: DatabaseUrls, place: Path, tmp_path: Path
) -> None:
    file = tmp_path / "acme.tenant"
    done = call("export", "acme", file, "--key-file", place)
    assert done.exit_code == 0, done.exception
    assert "rows of 'acme'" in done.output
    assert "invite them" in done.output
    assert file.stat().st_mode & 0o777 == 0o600
    again = call("export", "acme", file, "--key-file", place)
    assert isinstance(again.exception, ConflictError)
    assert "is there already" in again.exception.detail
    present = call("import", file, "--key-file", place)
    assert isinstance(present.exception, ConflictError)

    async def elsewhere() -> None:
        connection = await asyncpg.connect(database_urls.superuser_url)
        await forget(connection)
        await connection.close()

    aside(lambda: asyncio.run(elsewhere()))
    read_again = call("import", file, "--key-file", place)
    assert read_again.exit_code == 0, read_again.exception
    assert "It is deactivated" in read_again.output
    assert "/api/v1/tenants/acme/reactivate" in " ".join(read_again.output.split())


@pytest.mark.usefixtures("clean_db")
def test_what_cannot_be_moved_leaves_no_file(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.tenant"
    assert isinstance(call("export", "nobody", file, "--key-file", place).exception, NotFoundError)
    weak = tmp_path / "weak"
    weak.write_text("short")
    assert isinstance(call("export", "nobody", file, "--key-file", weak).exception, InvalidInputError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["move.key", "weak"]
    file.write_bytes(b"PGDMP no sealed file at all, and longer than a header would be: it is refused")
    refused = call("import", file, "--key-file", place)
    assert isinstance(refused.exception, InvalidInputError)
    assert "no backup of Deskhand" in refused.exception.detail

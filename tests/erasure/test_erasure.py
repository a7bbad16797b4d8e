"""A tenant, and a requester of one, are erased whole: with rows in every table, and nothing of others touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import DatabaseUrls
from tests.support.installed import work_on
from tests.support.logins import KEY
from tests.support.recovery import aside
from tests.tenancy.conftest import SEEDS, seed
from typer.testing import CliRunner

import deskhand.models  # noqa: F401  (fills the registry)
from deskhand.audit import service as audit
from deskhand.cli import app
from deskhand.erasure.requester import BY_TICKET, BY_WORDS, erase_requester
from deskhand.erasure.scan import ensure_telling, mentions, tenant_tables
from deskhand.erasure.tenant import NAMELESS, STAYS, erase_tenant, rows_of
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.db.tenancy import tenant_policies

BOX = SecretBox([KEY])
ACME_RUN = "10000000-0000-4000-8000-00000000000d"
JANE = "jane.canary@example.com"


@pytest.fixture
async def seeded(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """Two tenants with a row in every table; runs are over. A superuser, for looking."""
    await seed(database_urls.superuser_url)
    connection = await asyncpg.connect(database_urls.superuser_url)
    # The seeds' entries have hashes that continue nothing; an erasure writes into the chain.
    await connection.execute(
        "SET session_replication_role = replica; DELETE FROM audit_log; RESET session_replication_role"
    )
    await connection.execute("UPDATE agent_executions SET status = 'completed'")
    yield connection
    await connection.close()


async def everything(connection: asyncpg.Connection, tenant: str) -> dict[str, list[str]]:
    """Each row of a tenant as text, by table."""
    rows = {}
    for table in tenant_tables():
        found = await connection.fetch(f"SELECT t::text FROM {table} t WHERE tenant_id = $1 ORDER BY 1", tenant)
        rows[table] = [row[0] for row in found]
    return rows


async def run_erasure(session: AsyncSession, **options: Any) -> Any:
    told = {"tenant_id": "acme", "words": [JANE], "tickets": [], "secrets": BOX, "actor": "tests", **options}
    return await erase_requester(session, **told)


def test_every_table_of_tenants_is_looked_at() -> None:
    assert set(tenant_tables()) == set(tenant_policies())
    assert {*BY_TICKET, *BY_WORDS} <= set(tenant_tables())


async def test_a_tenant_is_erased_with_every_row_and_nothing_of_another(
    seeded: asyncpg.Connection, clean_db: Database
) -> None:
    await seeded.execute(
        "UPDATE tenant_configs SET is_active = false, jira_url = 'secret of acme' WHERE tenant_id = 'acme'"
    )
    await seeded.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'run', 'acme:1', 'queued'),"
        " (0, 'run', 'acme-two:1', 'queued')"
    )
    await seeded.execute(
        "INSERT INTO memberships (tenant_id, user_id, role) SELECT 'globex', id, 'viewer' FROM users"
        " WHERE email = 'told@acme.example'"
    )
    before = await everything(seeded, "globex")
    assert set(SEEDS) - {"audit_log"} == {table for table, rows in before.items() if rows}
    async with clean_db.platform_session() as session:
        gone = await erase_tenant(session, tenant_id="acme", secrets=BOX, actor="tests")
    assert gone.left == {}
    assert set(gone.rows) == set(SEEDS) - STAYS
    left = await everything(seeded, "acme")
    assert {table: len(rows) for table, rows in left.items() if rows} == {"tenant_configs": 1, "audit_log": 1}
    assert "secret of acme" not in str(left)
    assert NAMELESS in left["tenant_configs"][0]
    assert "tenant.erase" in left["audit_log"][0]
    assert await everything(seeded, "globex") == before
    assert [row[0] for row in await seeded.fetch("SELECT payload FROM pgqueuer")] == [b"acme-two:1"]
    # Who belongs to another tenant as well stays there; who belonged here alone is gone.
    assert [row[0] for row in await seeded.fetch("SELECT email FROM users WHERE email LIKE '%acme%'")] == [
        "told@acme.example"
    ]
    async with clean_db.platform_session() as session:
        assert all(report.ok for report in await audit.verify(session))


async def test_a_tenant_that_works_is_not_erased_under_its_hands(
    seeded: asyncpg.Connection, clean_db: Database
) -> None:
    before = await everything(seeded, "acme")
    for change, words in (
        ("SELECT 1", "is active"),
        (
            "UPDATE tenant_configs SET is_active = false;"
            " UPDATE agent_executions SET status = 'running', worker_id = 'w', heartbeat_at = now()",
            "1 runs",
        ),
    ):
        await seeded.execute(change)
        async with clean_db.platform_session() as session:
            with pytest.raises(ConflictError, match=words):
                await erase_tenant(session, tenant_id="acme", secrets=BOX, actor="tests")
    async with clean_db.platform_session() as session:
        with pytest.raises(NotFoundError):
            await erase_tenant(session, tenant_id="nobody", secrets=BOX, actor="tests")
        assert set(await rows_of(session, "acme")) == {table for table, rows in before.items() if rows}


PLANTED = {
    "agent_executions": """UPDATE agent_executions SET input_payload = '{"requester": "Jane.CANARY@example.com"}',
        ticket_ref = 'T-1', tool_type = 'jira' WHERE tenant_id = 'acme'""",
    "execution_steps": f"UPDATE execution_steps SET output = '[\"{JANE} wrote\"]' WHERE tenant_id = 'acme'",
    "approvals": f"UPDATE approvals SET arguments = '{{\"to\": \"{JANE}\"}}' WHERE tenant_id = 'acme'",
    "enhancement_history": "UPDATE enhancement_history SET ticket_id = 'T-1' WHERE tenant_id = 'acme'",
    "ticket_history": f"UPDATE ticket_history SET description = 'from {JANE}' WHERE tenant_id = 'acme'",
    "notification_facts": f"UPDATE notification_facts SET cause = '{JANE}' WHERE tenant_id = 'acme'",
    "notifications": f"UPDATE notifications SET items = '[\"{JANE}\"]' WHERE tenant_id = 'acme'",
    "history_refreshes": f"UPDATE history_refreshes SET error = 'of {JANE}' WHERE tenant_id = 'acme'",
    "knowledge_jobs": f"UPDATE knowledge_jobs SET asked_by = '{JANE}' WHERE tenant_id = 'acme'",
    "test_cases": f"UPDATE test_cases SET ticket = '{{\"requester\": \"{JANE}\"}}' WHERE tenant_id = 'acme'",
    "lab_cases": f"UPDATE lab_cases SET subject = 'the mail of {JANE}' WHERE tenant_id = 'acme'",
    "storm_reports": "UPDATE storm_reports SET ticket_id = 'T-1' WHERE tenant_id = 'acme'",
    "alert_conditions": "UPDATE alert_conditions SET ticket_id = 'T-1' WHERE tenant_id = 'acme'",
}
"""The person in each kind of row, and the person's ticket where a row names no person."""


async def test_a_requester_is_erased_wherever_rows_speak_of_the_person(
    seeded: asyncpg.Connection, clean_db: Database
) -> None:
    for statement in PLANTED.values():
        await seeded.execute(statement)
    await seeded.execute(f"UPDATE agents SET system_prompt = 'Be kind to {JANE}' WHERE tenant_id = 'acme'")
    await seeded.execute(f"UPDATE ticket_history SET description = '{JANE}' WHERE tenant_id = 'globex'")
    before = await everything(seeded, "globex")
    async with clean_db.platform_session() as session:
        await audit.record(
            session, tenant_id="acme", actor="agent", operation="note", resource_type="ticket", resource_id="T-1",
            details={"to": JANE},
        )  # fmt: skip
        erased = await run_erasure(session)
    assert erased.tickets == ("1", "T-1")
    assert erased.left == {"agents": 1, "audit_log": 1}
    assert erased.to_be_changed == {"agents": 1}
    left = await everything(seeded, "acme")
    still = {table for table, rows in left.items() if JANE in str(rows).lower()}
    assert still == {"agents", "audit_log"}, "prompts are people's to change, and the log is kept"
    gone = {*PLANTED, "enhancement_feedback", "note_grounds", "model_spending", "approval_notices", "idempotency_keys"}
    assert {table for table in gone if left[table]} == set()
    # What is about nobody stays, and so does all of the other tenant.
    assert all(left[table] for table in ("agents", "agent_versions", "knowledge_articles", "api_keys", "memberships"))
    assert await everything(seeded, "globex") == before
    entry = await seeded.fetchrow("SELECT resource_id, details FROM audit_log WHERE operation = 'requester.erase'")
    assert len(entry["resource_id"]) == 32
    assert JANE not in str(entry).lower(), "the log of the erasure does not say of whom"


async def test_a_run_that_would_write_on_is_in_the_way(seeded: asyncpg.Connection, clean_db: Database) -> None:
    await seeded.execute(PLANTED["ticket_history"])
    await seeded.execute("UPDATE agent_executions SET ticket_ref = '1', status = 'queued' WHERE tenant_id = 'acme'")
    async with clean_db.platform_session() as session:
        with pytest.raises(ConflictError, match="1 runs about this person"):
            await run_erasure(session)
    async with clean_db.platform_session() as session:
        assert await mentions(session, "acme", [JANE]) == {"ticket_history": 1}
        with pytest.raises(NotFoundError):
            await run_erasure(session, tenant_id="nobody")


async def test_a_ticket_that_names_nobody_goes_when_it_is_named(seeded: asyncpg.Connection, clean_db: Database) -> None:
    await seeded.execute("UPDATE agent_executions SET ticket_ref = 'T-9' WHERE tenant_id = 'acme'")
    async with clean_db.platform_session() as session:
        erased = await run_erasure(session, tickets=["T-9"])
        assert erased.rows["agent_executions"] == 1
        assert "ticket_history" not in erased.rows
        assert not await session.scalar(text("SELECT 1 FROM execution_steps WHERE tenant_id = 'acme'"))


@pytest.mark.parametrize(
    ("words", "told"), [([], "who"), (["  "], "who"), (["ann"], "too short"), (['a "b" c'], "quotation")]
)
def test_words_that_would_find_others_are_refused(words: list[str], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        ensure_telling(words)
    assert ensure_telling([" Jane Doe ", ""]) == ["Jane Doe"]


@pytest.fixture
def place(database_urls: DatabaseUrls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_on(database_urls, tmp_path, monkeypatch)


def command(*words: str, answer: str = "") -> tuple[int, str]:
    result = aside(lambda: CliRunner().invoke(app, ["tenant", "erase", *words], input=answer))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


def rows(database_urls: DatabaseUrls, statement: str) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(database_urls.superuser_url)
        try:
            return int(await connection.fetchval(f"SELECT count(*) FROM {statement}"))
        finally:
            await connection.close()

    return aside(lambda: asyncio.run(count()))


@pytest.mark.usefixtures("seeded", "place")
def test_the_command_shows_asks_and_says_what_is_left(database_urls: DatabaseUrls) -> None:
    mine = "ticket_history WHERE tenant_id = 'acme'"
    status, said = command("acme", "--requester", "secret of acme", answer="n\n")
    assert status == 1
    assert "ticket_history 1" in said
    assert "Nothing was changed" in said
    assert rows(database_urls, mine) == 1, "what it showed was a trial"
    status, said = command("acme", "--requester", "secret of acme", answer="y\n")
    assert status == 1
    assert "still names the person" in said
    assert "knowledge_articles 1" in said
    assert rows(database_urls, mine) == 0
    status, said = command("globex", "--requester", "nobody@example.com", "--yes")
    assert status == 0
    assert "nowhere else" in said
    assert rows(database_urls, "ticket_history WHERE tenant_id = 'globex'") == 1


@pytest.mark.usefixtures("seeded", "place")
def test_a_tenant_is_erased_by_the_command_when_it_is_deactivated(database_urls: DatabaseUrls) -> None:
    result = aside(lambda: CliRunner().invoke(app, ["tenant", "erase", "acme", "--yes"]))
    assert isinstance(result.exception, ConflictError)
    assert "/api/v1/tenants/acme/deactivate" in result.exception.detail
    assert rows(database_urls, "agents WHERE tenant_id = 'acme'") == 1

    async def deactivate() -> None:
        connection = await asyncpg.connect(database_urls.superuser_url)
        await connection.execute("UPDATE tenant_configs SET is_active = false WHERE tenant_id = 'acme'")
        await connection.close()

    aside(lambda: asyncio.run(deactivate()))
    status, said = command("acme", answer="n\n")
    assert status == 1
    assert "Erase all of the tenant 'acme' and 2 accounts of people, for ever?" in said
    assert rows(database_urls, "agents WHERE tenant_id = 'acme'") == 1
    status, said = command("acme", "--yes")
    assert status == 0
    assert "finds no row of 'acme' but its audit log" in said
    assert "Backups still hold it" in said
    assert rows(database_urls, "agents WHERE tenant_id = 'acme'") == 0
    assert rows(database_urls, "agents WHERE tenant_id = 'globex'") == 1
    assert rows(database_urls, "users WHERE email LIKE '%globex%'") == 3, "the other tenant's people"


@pytest.mark.usefixtures("seeded", "place")
@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["nobody", "--yes"], NotFoundError),
        (["nobody", "--requester", JANE, "--yes"], NotFoundError),
        (["acme", "--requester", "ann", "--yes"], InvalidInputError),
        (["acme", "--requester", JANE, "--also", "J", "--yes"], InvalidInputError),
    ],
)
def test_what_cannot_be_erased_is_told_and_nothing_is_asked(words: list[str], kind: type[Exception]) -> None:
    result = aside(lambda: CliRunner().invoke(app, ["tenant", "erase", *words]))
    assert isinstance(result.exception, kind)
    assert "for ever?" not in result.output


@pytest.mark.parametrize("table", sorted(table for table, how in PLANTED.items() if "canary" in how.lower()))
async def test_each_kind_of_row_goes_by_itself(seeded: asyncpg.Connection, clean_db: Database, table: str) -> None:
    """Whichever row alone speaks of the person: it goes, or what it hangs on does."""
    await seeded.execute(PLANTED[table])
    async with clean_db.platform_session() as session:
        before = await mentions(session, "acme", [JANE])
        assert set(before) == {table}
        erased = await run_erasure(session)
    assert erased.left == {}
    assert sum(erased.rows.values()) >= 1
    assert not await seeded.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = 'acme'")


async def test_the_same_person_has_the_same_digest_and_another_ring_another(
    seeded: asyncpg.Connection, clean_db: Database
) -> None:
    for words, box in (
        ([JANE], BOX),
        ([JANE.upper(), "Jane Doe"], BOX),
        ([JANE], SecretBox([Fernet.generate_key().decode()])),
    ):
        async with clean_db.platform_session() as session:
            await run_erasure(session, words=words, secrets=box)
    entries = await seeded.fetch(
        "SELECT resource_id FROM audit_log WHERE operation = 'requester.erase' ORDER BY sequence"
    )
    first, again, other = (row[0] for row in entries)
    assert first == again
    assert first != other
    async with clean_db.platform_session() as session:
        assert all(report.ok for report in await audit.verify(session))

"""Adversarial: in one tenant's own session, a run for one client company tries everything to meet another's rows."""

from __future__ import annotations

import time

import asyncpg
import pytest
from tests.support.logins import PROVER, TENANT_KEY
from tests.support.tenancy import set_companies, set_tenant

import deskhand.models  # noqa: F401  (fills the registry)
from deskhand.kit.db.companies import EVERY_COMPANY, NO_DESK, SHARED_ONLY, company_scope, id_by_name, scope_text
from deskhand.kit.db.proofs import LIFETIME, Prover
from deskhand.kit.db.session import Database
from deskhand.kit.db.tenancy import company_tables

TABLES = sorted(company_tables())
NORDWIND = company_scope("jira", "1", "Nordwind")
NAMES = {
    "ticket_history": "ticket_id", "knowledge_articles": "article_id", "system_inventory": "hostname",
    "note_grounds": "embedding_model",
}  # fmt: skip
TEXTS = {"ticket_history": "description", "knowledge_articles": "title, body", "system_inventory": "role"}
# Each is of a note of its own.
GROUNDS = (
    "WITH note AS (INSERT INTO enhancement_history (tenant_id, ticket_id) VALUES ('acme', $5) RETURNING id)"
    " INSERT INTO note_grounds (tenant_id, embedding_model, tool_type, company_id, shared, enhancement_id, sources,"
    " embedding) SELECT 'acme', $1, $2, $3, $4, id, '{}', '{}' FROM note"
)
# Name of the row: its desk, company and whether it is shared.
ROWS = {
    "nordwind": ("jira", "1", False),
    "suedwerk": ("jira", "2", False),
    "named-alone": ("jira", id_by_name("  NordWind "), False),
    "same-id-elsewhere": ("zendesk", "1", False),
    "nobodys": ("jira", None, False),
    "shared": ("jira", None, True),
    "suedwerk-shared": ("jira", "2", True),
}
OPEN = {"shared", "suedwerk-shared"}
OWN = {"nordwind", "named-alone", *OPEN}


@pytest.fixture
async def rows(acme: asyncpg.Connection) -> asyncpg.Connection:
    """A session of acme without a company, in a tenant with a row of each kind in every table."""
    await set_companies(acme, "acme", EVERY_COMPANY)
    for table in TABLES:
        await acme.execute(f"DELETE FROM {table}")
        texts = TEXTS.get(table, "")
        insert = GROUNDS if table == "note_grounds" else (
            f"INSERT INTO {table} (tenant_id, {NAMES[table]}, tool_type, company_id, shared, {texts})"
            f" VALUES ('acme', $1, $2, $3, $4, {', '.join(['$5::text'] * (texts.count(',') + 1))})"
        )  # fmt: skip
        for name, (desk, company, shared) in ROWS.items():
            await acme.execute(insert, name, desk, company, shared, f"secret of {name}")
    await set_companies(acme, "acme", SHARED_ONLY)
    return acme


async def seen(connection: asyncpg.Connection, table: str) -> set[str]:
    return {row[0] for row in await connection.fetch(f"SELECT {NAMES[table]} FROM {table}")}


SCOPES = {
    "nobody's": (SHARED_ONLY, OPEN),
    "a company's": (NORDWIND, OWN),
    "one nobody knows": (company_scope("jira", "9", ""), OPEN),
    "a whole desk's": (("zendesk",), {"same-id-elsewhere", *OPEN}),
    "a desk called like a company": (("1",), OPEN),
    "a company called like everything": (company_scope("jira", "*", "*"), OPEN),
    "a company called like a desk": (company_scope("", "zendesk", ""), OPEN),
    "rows of no desk": ((NO_DESK,), OPEN),
    "everybody's": (EVERY_COMPANY, set(ROWS)),
}


@pytest.mark.parametrize("table", TABLES)
async def test_a_session_sees_whom_it_works_for_and_what_is_shared(rows: asyncpg.Connection, table: str) -> None:
    for who, (scope, expected) in SCOPES.items():
        await set_companies(rows, "acme", scope)
        assert await seen(rows, table) == expected, who


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_of_another_company_can_be_changed_removed_or_planted(
    rows: asyncpg.Connection, table: str
) -> None:
    await set_companies(rows, "acme", NORDWIND)
    assert await rows.execute(f"UPDATE {table} SET shared = shared") == f"UPDATE {len(OWN)}"
    for change in ("company_id = '2'", "company_id = NULL, shared = false", "tool_type = 'zendesk'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError) as raised:
            async with rows.transaction():
                await rows.execute(f"UPDATE {table} SET {change} WHERE company_id = '1'")
        assert "secret" not in str(raised.value)
    await rows.execute(f"DELETE FROM {table}")
    await set_companies(rows, "acme", EVERY_COMPANY)
    assert await seen(rows, table) == set(ROWS) - OWN


FORGED = {
    "a scope without its proof": "SELECT set_config('app.companies', '[\"*\"]', true)",
    "another tenant's proof": None,
    "its tenant's proof": "SELECT set_config('app.companies_proof', current_setting('app.proof'), true)",
    "a word that is nothing": "SELECT set_config('app.companies_proof', 'x.companies.', true)",
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_scope_that_was_not_proven_names_nobody(rows: asyncpg.Connection, how: str) -> None:
    await set_companies(rows, "acme", NORDWIND)
    statement = FORGED[how]
    if statement is None:
        proof = PROVER.of_companies("globex", scope_text(EVERY_COMPANY))
        await rows.execute("SELECT set_config('app.companies_proof', $1, true)", proof)
    else:
        await rows.execute(statement)
    await rows.execute("SELECT set_config('app.companies', $1, true)", scope_text(EVERY_COMPANY))
    for table in TABLES:
        assert await seen(rows, table) == OPEN


async def test_a_proof_of_companies_ends_and_opens_no_tenant(rows: asyncpg.Connection) -> None:
    scope = scope_text(EVERY_COMPANY)
    ended = Prover(TENANT_KEY, clock=lambda: time.time() - LIFETIME - 1).of_companies("acme", scope)
    await rows.execute("SELECT set_config('app.companies_proof', $1, true)", ended)
    await rows.execute("SELECT set_config('app.companies', $1, true)", scope)
    assert await seen(rows, "ticket_history") == OPEN
    # Every company of a tenant is still of that tenant: the other wall stands.
    await set_companies(rows, "acme", EVERY_COMPANY)
    await set_tenant(rows, "globex")
    assert await seen(rows, "ticket_history") == {"1"}, "the row that globex shares, by its own wall"


async def test_a_transaction_takes_its_companies_along(clean_db: Database, make_tenant) -> None:
    await make_tenant("acme")
    told = "SELECT session_companies()"
    async with clean_db.tenant_session("acme", companies=NORDWIND) as session:
        assert (await (await session.connection()).exec_driver_sql(told)).scalar() == list(NORDWIND)
    async with clean_db.tenant_session("acme") as session:
        assert (await (await session.connection()).exec_driver_sql(told)).scalar() == []

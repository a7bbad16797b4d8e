"""Adversarial: a session that is limited to client companies asks every table of runs for the others' rows."""

from __future__ import annotations

import asyncpg
import pytest

import deskhand.models  # noqa: F401  (fills the registry)
from deskhand.kit.db.limited import LIMIT_CONDITIONS, LIMIT_SETTING, limit_text

OWN_RUN = "10000000-0000-4000-8000-00000000000d"
TABLES = sorted(LIMIT_CONDITIONS)
UNCHANGED = {"cost_corrections"}
"""Nobody may change a row of these; theirs is of the run already."""


async def limit(connection: asyncpg.Connection, *companies: str) -> None:
    await connection.execute(f"SELECT set_config('{LIMIT_SETTING}', $1, true)", limit_text(companies))


async def count(connection: asyncpg.Connection, table: str) -> int:
    return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


@pytest.fixture
async def tied(acme: asyncpg.Connection) -> asyncpg.Connection:
    """Each table's row belongs to the one run there is, which worked for a company of Jira."""
    for table in TABLES:
        columns = await acme.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND column_name = 'execution_id'",
            table,
        )
        if columns and table not in UNCHANGED | {"run_companies"}:
            await acme.execute(f"UPDATE {table} SET execution_id = $1", OWN_RUN)
    await acme.execute("UPDATE run_companies SET company_id = 'a \"b'' , {c}'")
    await acme.execute("UPDATE desk_companies SET company_id = 'a \"b'' , {c}'")
    return acme


@pytest.mark.parametrize("table", TABLES)
async def test_a_limited_session_sees_its_own_companys_rows_and_no_others(tied: asyncpg.Connection, table: str) -> None:
    whole = await count(tied, table)
    assert whole == 1
    await limit(tied, "jira:a \"b' , {c}")
    assert await count(tied, table) == whole
    for others in (["jira:2"], [], ["zendesk:a \"b' , {c}"], ["jira"], ["*"], ["jira:"]):
        await limit(tied, *others)
        assert await count(tied, table) == 0, others
        # Nor can it change or delete what it does not see, or learn of it by a key that is taken.
        if table not in UNCHANGED:
            assert await tied.execute(f"UPDATE {table} SET tenant_id = tenant_id") == "UPDATE 0"
    await tied.execute(f"SELECT set_config('{LIMIT_SETTING}', '', true)")
    assert await count(tied, table) == whole


async def test_a_run_of_no_company_is_nobodys_who_is_limited(tied: asyncpg.Connection) -> None:
    await tied.execute("DELETE FROM run_companies")
    await limit(tied, "jira:1", "jira:")
    assert await count(tied, "agent_executions") == 0
    await tied.execute(f"SELECT set_config('{LIMIT_SETTING}', '', true)")
    assert await count(tied, "agent_executions") == 1

"""Adversarial: as the application's own role, tenant acme tries everything to meet a row of globex."""

from __future__ import annotations

import io

import asyncpg
import pytest
from sqlalchemy import UniqueConstraint
from tests.support.tenancy import set_tenant

import deskhand.models  # noqa: F401  (fills the registry)
from deskhand.kit.db.base import Base
from deskhand.kit.db.tenancy import tenancy_faults, tenant_policies

TABLES = sorted(tenant_policies())
APPEND_ONLY = {"audit_log"}
NO_UPDATE = {"audit_log", "agent_versions", "cost_corrections", "pauses"}
NO_DELETE = {"budget_use", "cost_corrections", "model_spending"}
"""Figures that go with what they are about, and by no statement of the application."""
GLOBEX_AGENT = "20000000-0000-4000-8000-00000000000a"
GLOBEX_TRIGGER = "20000000-0000-4000-8000-00000000000b"
GLOBEX_VERSION = "20000000-0000-4000-8000-00000000000c"
GLOBEX_EXECUTION = "20000000-0000-4000-8000-00000000000d"
GLOBEX_ENHANCEMENT = "20000000-0000-4000-8000-000000000001"
ACME_AGENT = GLOBEX_AGENT.replace("2", "1", 1)
ACME_VERSION = GLOBEX_VERSION.replace("2", "1", 1)

RlsError = asyncpg.InsufficientPrivilegeError


async def globex_rows(superuser_url: str, table: str) -> list[str]:
    connection = await asyncpg.connect(superuser_url)
    try:
        query = f"SELECT to_jsonb(t)::text FROM {table} t WHERE tenant_id = 'globex' ORDER BY 1"
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


def test_every_tenant_table_is_attacked(seeded_tables):
    assert seeded_tables == set(TABLES)


@pytest.mark.parametrize("table", TABLES)
async def test_select_shows_own_rows_alone(acme, table):
    assert {row[0] for row in await acme.fetch(f"SELECT tenant_id FROM {table}")} == {"acme"}
    assert await acme.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = 'globex'") == 0


@pytest.mark.parametrize("table", TABLES)
async def test_update_without_where_changes_own_rows_alone(acme, database_urls, table):
    before = await globex_rows(database_urls.superuser_url, table)
    statement = f"UPDATE {table} SET tenant_id = tenant_id"
    if table in NO_UPDATE:
        with pytest.raises(RlsError):
            await acme.execute(statement)
        return
    assert await acme.execute(statement) == "UPDATE 1"
    assert await globex_rows(database_urls.superuser_url, table) == before


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_cannot_be_moved_to_another_tenant(acme, table):
    with pytest.raises((RlsError, asyncpg.ForeignKeyViolationError)) as raised:
        await acme.execute(f"UPDATE {table} SET tenant_id = 'globex'")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("table", TABLES)
async def test_delete_without_where_removes_own_rows_alone(two_tenants, database_urls, table):
    before = await globex_rows(database_urls.superuser_url, table)
    assert before
    async with two_tenants.acquire() as connection, connection.transaction():
        await set_tenant(connection, "acme")
        try:
            async with connection.transaction():
                await connection.execute(f"DELETE FROM {table}")
        except (RlsError, asyncpg.ForeignKeyViolationError, asyncpg.RestrictViolationError):
            assert table in {*NO_UPDATE, *NO_DELETE, "tenant_configs", "agents"}, "nothing else is held by others"
        assert await connection.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = 'globex'") == 0
    assert await globex_rows(database_urls.superuser_url, table) == before


@pytest.mark.parametrize("table", TABLES)
async def test_nothing_can_be_inserted_for_another_tenant(acme, table):
    """A copy of an own row, with a new key and the other's name on it."""
    model = Base.metadata.tables[table]
    columns = [column for column in model.columns if column.computed is None and column.identity is None]
    values = {column.name: f'"{column.name}"' for column in columns}
    values["tenant_id"] = "'globex'"
    if "id" in values:
        values["id"] = "gen_random_uuid()"
    statement = f"INSERT INTO {table} ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {table}"
    with pytest.raises(asyncpg.PostgresError) as raised:
        await acme.execute(statement)
    # Refused by the policy, or before it by a trigger that finds no such parent or chain in the caller's own view.
    assert isinstance(
        raised.value, RlsError | asyncpg.ForeignKeyViolationError | asyncpg.IntegrityConstraintViolationError
    )
    assert not isinstance(raised.value, asyncpg.UniqueViolationError)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_tenant_there_is_nothing(nobody, table):
    assert await nobody.fetchval(f"SELECT count(*) FROM {table}") == 0
    if table not in NO_UPDATE:
        assert await nobody.execute(f"UPDATE {table} SET tenant_id = tenant_id") == "UPDATE 0"
    if table not in APPEND_ONLY | NO_DELETE:
        assert await nobody.execute(f"DELETE FROM {table}") == "DELETE 0"
    with pytest.raises(asyncpg.PostgresError):
        await nobody.execute(f"INSERT INTO {table} (tenant_id) VALUES ('acme')")


@pytest.mark.parametrize("empty", ["", "%", "acme'--", "ACME", "acme "])
async def test_a_malformed_tenant_matches_nobody(two_tenants, empty):
    async with two_tenants.acquire() as connection, connection.transaction():
        await set_tenant(connection, empty)
        assert await connection.fetchval("SELECT count(*) FROM tenant_configs") == 0


CONFUSED = {
    "missing where": "SELECT name FROM agents",
    "join on everything": "SELECT a.name, c.name FROM agents a CROSS JOIN tenant_configs c",
    "join past the tenant": "SELECT t.hmac_secret FROM agent_triggers t JOIN agents a ON a.id = t.agent_id OR true",
    "subquery": "SELECT (SELECT string_agg(name, ',') FROM agents) FROM tenant_configs",
    "exists": "SELECT 'secret of globex' WHERE EXISTS (SELECT 1 FROM agents WHERE tenant_id = 'globex')",
    "union": "SELECT name FROM agents UNION ALL SELECT description FROM ticket_history",
    "cte": "WITH all_of_them AS MATERIALIZED (SELECT * FROM agents) SELECT name FROM all_of_them",
    "lateral": "SELECT x.name FROM tenant_configs c, LATERAL (SELECT a.name FROM agents a) x",
    "writing cte": "WITH u AS (UPDATE agents SET name = name RETURNING name) SELECT * FROM u",
    "returning": "UPDATE tenant_configs SET name = name RETURNING name",
    "window": "SELECT name, count(*) OVER () FROM agents",
    "by known key": f"SELECT name FROM agents WHERE id = '{GLOBEX_AGENT}'",
    "whole row": "SELECT a::text FROM agents a",
    "as json": "SELECT jsonb_agg(to_jsonb(a))::text FROM agents a",
    "statistics": "SELECT most_common_vals::text FROM pg_stats WHERE tablename IN ('agents', 'tenant_configs')",
    "for share": "SELECT name FROM agents FOR SHARE",
    "error as a channel": "SELECT name FROM agents WHERE 1 / (CASE WHEN tenant_id = 'globex' THEN 0 ELSE 1 END) = 1",
}


@pytest.mark.parametrize("case", CONFUSED)
async def test_a_confused_developers_query_leaks_nothing(acme, case):
    assert "globex" not in str(await acme.fetch(CONFUSED[case]))


@pytest.mark.parametrize("table", TABLES)
async def test_copy_leaks_nothing(acme, table):
    for source in (table, f"(SELECT * FROM {table})"):
        sink = io.BytesIO()
        if source.startswith("("):
            await acme.copy_from_query(source.strip("()"), output=sink)
        else:
            await acme.copy_from_table(source, output=sink)
        assert b"acme" in sink.getvalue()
        assert b"globex" not in sink.getvalue()


async def test_copy_in_does_not_pass_the_policies(acme):
    with pytest.raises(asyncpg.PostgresError):
        await acme.copy_records_to_table(
            "system_inventory", records=[("globex", "planted")], columns=["tenant_id", "hostname"]
        )


async def test_row_security_off_is_an_error_and_no_way_out(acme):
    await acme.execute("SET LOCAL row_security = off")
    with pytest.raises(RlsError):
        await acme.fetch("SELECT * FROM agents")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE agents DISABLE ROW LEVEL SECURITY",
        "DROP POLICY agents_tenant_isolation_policy ON agents",
        "TRUNCATE agents",
        "SET LOCAL session_replication_role = replica",
        "SET LOCAL ROLE deskhand_owner",
        "SET LOCAL ROLE deskhand_platform",
        "SET LOCAL ROLE deskhand_platform_login",
        "SELECT * FROM proof_keys",
        "SELECT setval('execution_clock', 999)",
        "CREATE FUNCTION leak() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TEMP TABLE mine AS SELECT 1",
        "SELECT * FROM users",
        "SELECT * FROM platform_keys",
        "SELECT * FROM pg_authid",
        "UPDATE agent_versions SET system_prompt = 'x'",
        "DELETE FROM audit_log",
    ],
)
async def test_the_application_may_not(acme, statement):
    with pytest.raises((RlsError, asyncpg.RestrictViolationError)):
        await acme.execute(statement)


FOREIGN = f"""
    agent_triggers   INSERT INTO agent_triggers (tenant_id, agent_id, trigger_type) VALUES ('acme', '{GLOBEX_AGENT}', 'webhook')
    agent_tools      INSERT INTO agent_tools (tenant_id, agent_id, tool_id) VALUES ('acme', '{GLOBEX_AGENT}', 'zendesk')
    moved_tool       UPDATE agent_tools SET agent_id = '{GLOBEX_AGENT}'
    moved_trigger    UPDATE agent_triggers SET agent_id = '{GLOBEX_AGENT}'
    run_of_agent     INSERT INTO agent_executions (tenant_id, agent_id, agent_version_id) VALUES ('acme', '{GLOBEX_AGENT}', '{ACME_VERSION}')
    run_of_version   INSERT INTO agent_executions (tenant_id, agent_id, agent_version_id) VALUES ('acme', '{ACME_AGENT}', '{GLOBEX_VERSION}')
    run_of_trigger   UPDATE agent_executions SET trigger_id = '{GLOBEX_TRIGGER}'
    feedback         UPDATE enhancement_feedback SET enhancement_id = '{GLOBEX_ENHANCEMENT}'
"""  # noqa: E501 - one statement a line


@pytest.mark.parametrize("line", [line.strip() for line in FOREIGN.splitlines() if line.strip()])
async def test_another_tenants_row_cannot_be_referenced(acme, line):
    _, statement = line.split(None, 1)
    with pytest.raises(asyncpg.ForeignKeyViolationError) as raised:
        await acme.execute(statement)
    assert "globex" not in f"{raised.value} {raised.value.detail}"


# Under a parent of globex: one statement that collides with a row globex has, and one that does not.
ORACLES = {
    "agent_tools": ("agent_id, tool_id", f"'{GLOBEX_AGENT}', {{}}", "'jira'", "'zendesk'"),
    "agent_versions": (
        "agent_id, version_number, system_prompt, llm_config",
        f"'{GLOBEX_AGENT}', {{}}, 'x', '{{{{}}}}'",
        "1",
        "77",
    ),
    "webhook_deliveries": (
        "trigger_id, delivery_id, outcome, http_status",
        f"'{GLOBEX_TRIGGER}', {{}}, 'accepted', 202",
        "'d1'",
        "'d77'",
    ),
    "schedule_fires": ("trigger_id, fire_at", f"'{GLOBEX_TRIGGER}', {{}}", "'2026-01-01T00:00:00Z'", "'2030-01-01Z'"),
    "execution_steps": (
        "execution_id, step_key, attempt, kind, name",
        f"'{GLOBEX_EXECUTION}', {{}}, 1, 'model', 'x'",
        "'m:1'",
        "'m:77'",
    ),
}


@pytest.mark.parametrize("table", ORACLES)
async def test_unique_keys_tell_nothing_about_others(acme, table):
    """The answer is the same whether globex has the row or not, and whether the parent exists at all."""
    columns, template, taken, free = ORACLES[table]
    answers = []
    unknown = template.replace("20000000", "f0000000")
    for values in (template.format(taken), template.format(free), unknown.format(taken)):
        with pytest.raises(asyncpg.PostgresError) as raised:
            async with acme.transaction():
                await acme.execute(f"INSERT INTO {table} (tenant_id, {columns}) VALUES ('acme', {values})")
        answers.append((type(raised.value), str(raised.value), raised.value.detail))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] is asyncpg.ForeignKeyViolationError


def test_what_is_unique_across_tenants_is_random_or_under_a_guarded_parent():
    """A unique key without the tenant in it would tell acme what globex has; each one here has a reason."""
    guarded = set(ORACLES)
    random_keys = {("id",), ("key_hash",), ("secret_hash",)}
    for table in TABLES:
        model = Base.metadata.tables[table]
        keys = [tuple(column.name for column in model.primary_key.columns)]
        keys += [tuple(c.name for c in u.columns) for u in model.constraints if isinstance(u, UniqueConstraint)]
        keys += [tuple(column.name for column in index.columns) for index in model.indexes if index.unique]
        for key in keys:
            assert "tenant_id" in key or key in random_keys or table in guarded, f"{table} {key}"


async def test_a_conflict_clause_cannot_reach_anothers_row(acme, database_urls):
    before = await globex_rows(database_urls.superuser_url, "agents")
    with pytest.raises(RlsError):
        await acme.execute(
            f"""INSERT INTO agents (id, tenant_id, name, status, system_prompt)
                VALUES ('{GLOBEX_AGENT}', 'acme', 'taken over', 'active', 'x')
                ON CONFLICT (id) DO UPDATE SET name = 'taken over', tenant_id = 'acme'"""
        )
    assert await globex_rows(database_urls.superuser_url, "agents") == before


async def test_platform_rights_need_their_login_and_the_explicit_role_and_end_with_it(two_tenants, database_urls):
    connection = await asyncpg.connect(database_urls.platform_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE deskhand_platform")
            assert await connection.fetchval("SELECT count(*) FROM tenant_configs") == 2
            await set_tenant(connection, "acme")  # as the functions do that belong to it
            assert await connection.fetchval("SELECT count(*) FROM tenant_configs") == 1
        for table in ("tenant_configs", "pgqueuer"):
            with pytest.raises(RlsError):
                await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


async def test_the_owner_itself_is_bound_unless_it_asks(two_tenants, database_urls):
    """Forced: the owner passes by the platform policy alone, which migrations need; without it, nothing."""
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("DROP POLICY agents_platform_policy ON agents")
        await connection.execute("SET LOCAL ROLE deskhand_owner")
        assert await connection.fetchval("SELECT count(*) FROM agents") == 0
        await transaction.rollback()
    finally:
        await connection.close()


async def test_the_checker_finds_no_fault(acme):
    assert await tenancy_faults(acme, tenant_policies()) == []


SABOTAGE = {
    "policy removed": (
        "DROP POLICY agents_tenant_isolation_policy ON agents",
        "agents_tenant_isolation_policy is missing",
    ),
    "policy of tenants removed": (
        "DROP POLICY tenant_config_isolation_policy ON tenant_configs",
        "tenant_config_isolation_policy is missing",
    ),
    "disabled": ("ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY", "api_keys: row-level security is disabled"),
    "not forced": ("ALTER TABLE agents NO FORCE ROW LEVEL SECURITY", "agents: row-level security is not forced"),
    "opened": ("CREATE POLICY open ON agents USING (true)", "policy open opens it to public"),
    "weakened": (
        "ALTER POLICY agents_tenant_isolation_policy ON agents USING (tenant_id IS NOT NULL)",
        "is not USING and WITH CHECK",
    ),
    "check weakened": (
        "ALTER POLICY agents_tenant_isolation_policy ON agents WITH CHECK (true)",
        "is not USING and WITH CHECK",
    ),
    "proof not asked for": ("DROP POLICY agents_proof_policy ON agents", "policy agents_proof_policy is missing"),
    "proof of others": (
        "ALTER POLICY agents_proof_policy ON agents USING ((SELECT session_proof()) IS NOT NULL)",
        "agents_proof_policy is not",
    ),
    "proof not for all": (
        "ALTER POLICY agents_proof_policy ON agents TO deskhand_platform",
        "agents_proof_policy is not",
    ),
    "companies let together": (
        "DROP POLICY ticket_history_company_policy ON ticket_history",
        "policy ticket_history_company_policy is missing",
    ),
    "companies unproven": (
        "ALTER POLICY system_inventory_company_policy ON system_inventory"
        " USING (shared OR company_id = current_setting('app.companies', true))",
        "system_inventory_company_policy is not",
    ),
    "readers let in": (
        "DROP POLICY ticket_history_readers_policy ON ticket_history",
        "policy ticket_history_readers_policy is missing",
    ),
    "readers shown more": (
        "ALTER POLICY knowledge_articles_readers_policy ON knowledge_articles USING (true)",
        "knowledge_articles_readers_policy is not",
    ),
    "platform unbound": (
        "ALTER POLICY agents_platform_policy ON agents USING (true)",
        "agents_platform_policy is not",
    ),
    "queue opened": ("CREATE POLICY mine ON pgqueuer TO deskhand_app USING (true)", "pgqueuer: policy mine opens it"),
    "queue disabled": ("ALTER TABLE pgqueuer DISABLE ROW LEVEL SECURITY", "pgqueuer: row-level security is disabled"),
    "key shown": ("GRANT SELECT ON proof_keys TO deskhand_app", "may read proof_keys"),
    "key forgotten": ("DELETE FROM proof_keys", "no key"),
    "platform entered": ("GRANT deskhand_platform TO deskhand_app", "deskhand_app may become deskhand_platform"),
    "new table forgotten": ("CREATE TABLE notes (tenant_id text)", "notes has a tenant_id and no TenantModel"),
    "role freed": ("ALTER ROLE deskhand_app BYPASSRLS", "deskhand_app is not bound"),
}


@pytest.mark.parametrize("case", SABOTAGE)
async def test_the_checker_finds_each_sabotage(database_urls, case):
    statement, expected = SABOTAGE[case]
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(statement)
        faults = await tenancy_faults(connection, tenant_policies())
        await transaction.rollback()
    finally:
        await connection.close()
    assert len(faults) == 1
    assert expected in faults[0]


async def test_with_the_protection_off_the_same_query_does_leak(two_tenants, database_urls):
    """The suite can fail: what it asserts comes from row-level security and nothing else."""
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("ALTER TABLE agents DISABLE ROW LEVEL SECURITY")
        await connection.execute("SET LOCAL ROLE deskhand_app")
        await set_tenant(connection, "acme")
        assert {row[0] for row in await connection.fetch("SELECT tenant_id FROM agents")} == {"acme", "globex"}
        await transaction.rollback()
    finally:
        await connection.close()

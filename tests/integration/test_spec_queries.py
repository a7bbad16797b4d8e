"""Every SQL example of the two specification documents, run as written on the live schema.

Statements on tenants run as a platform administrator, those on agents inside their tenant, as the product does.
Where a text names an index, the plan must show it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import DatabaseUrls

from deskhand.kit.db.session import Database
from deskhand.tenants.models import TenantConfig

MakeTenant = Callable[..., Awaitable[TenantConfig]]

SERVICEDESK_TENANT = """
INSERT INTO tenant_configs (
    tenant_id, name, tool_type,
    servicedesk_url, servicedesk_api_key_encrypted,
    webhook_signing_secret_encrypted,
    enhancement_preferences
) VALUES (
    'acme-corp', 'Acme Corporation', 'servicedesk_plus',
    'https://acme.servicedesk.com',
    'encrypted_api_key_blob',
    'encrypted_webhook_secret',
    '{"tool_config": {"default_category": "Network"}}'::jsonb
);
"""
JIRA_TENANT = r"""
INSERT INTO tenant_configs (
    tenant_id, name, tool_type,
    jira_url, jira_api_token_encrypted, jira_project_key,
    webhook_signing_secret_encrypted,
    enhancement_preferences
) VALUES (
    'globex-inc', 'Globex Inc', 'jira',
    'https://globex.atlassian.net',
    '\xencrypted_token_bytes',
    'SUPPORT',
    'encrypted_webhook_secret',
    '{"tool_config": {"default_issue_type": "Bug"}}'::jsonb
);
"""
BYTES = r"\x656e63727970746564"  # the example's placeholder is not hexadecimal, so PostgreSQL refuses it (see below)
AGENT_ID = "550e8400-e29b-41d4-a716-446655440000"
SEED = f"""
INSERT INTO agents (id, tenant_id, name, status, system_prompt, llm_config) VALUES
    ('{AGENT_ID}', 'acme-corp', 'Writer', 'active', 'A long enough prompt.',
     '{{"model": "gpt-4", "temperature": 0.9}}'),
    ('550e8400-e29b-41d4-a716-446655440001', 'acme-corp', 'Sorter', 'draft', 'A long enough prompt.',
     '{{"model": "claude-3-5-sonnet", "temperature": 0.2}}');
INSERT INTO agent_triggers (tenant_id, agent_id, trigger_type, webhook_url, schedule_cron) VALUES
    ('acme-corp', '{AGENT_ID}', 'webhook', '/agents/{AGENT_ID}/webhook', NULL),
    ('acme-corp', '{AGENT_ID}', 'schedule', NULL, '0 9 * * *');
INSERT INTO agent_tools (tenant_id, agent_id, tool_id) VALUES
    ('acme-corp', '{AGENT_ID}', 'jira'), ('acme-corp', '{AGENT_ID}', 'servicedesk_plus');
"""


async def _run(session: AsyncSession, script: str) -> list[tuple[Any, ...]]:
    """Statements as written (colons and percent signs included); rows of the last one."""
    connection = await session.connection()
    rows: list[tuple[Any, ...]] = []
    for statement in script.split(";"):
        if statement.strip():
            result = await connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
    return rows


@pytest.fixture
async def tenants(clean_db: Database) -> Database:
    """The document's two example tenants."""
    async with clean_db.platform_session() as session:
        await _run(session, SERVICEDESK_TENANT)
        await _run(session, JIRA_TENANT.replace(r"\xencrypted_token_bytes", BYTES))
    return clean_db


@pytest.fixture
async def acme(tenants: Database) -> AsyncIterator[AsyncSession]:
    """A session of tenant acme-corp with two agents."""
    async with tenants.tenant_session("acme-corp") as session:
        await _run(session, SEED)
        yield session


# So many rows, and of what the queries look for so few, that the index is the only sensible plan; the planner knows it.
CROWD = """
INSERT INTO tenant_configs (tenant_id, name, tool_type, webhook_signing_secret_encrypted, enhancement_preferences)
    SELECT 'tenant-' || n, 'Tenant', CASE WHEN n % 100 = 0 THEN 'jira' ELSE 'servicedesk_plus' END, 'token',
           jsonb_build_object('priority_mapping', jsonb_build_object('critical', 'Level ' || n), 'x', repeat('x', 200))
      FROM generate_series(1, 1000) n;
INSERT INTO agents (tenant_id, name, status, system_prompt)
    SELECT 'tenant-' || n, 'Agent ' || m, CASE WHEN m % 2 = 0 THEN 'active' ELSE 'draft' END, repeat('A prompt. ', 20)
      FROM generate_series(1, 200) n, generate_series(1, 20) m;
INSERT INTO agent_triggers (tenant_id, agent_id, trigger_type, schedule_cron, webhook_url)
    SELECT a.tenant_id, a.id, CASE WHEN a.name = 'Agent 7' AND a.tenant_id LIKE '%7' THEN 'webhook' ELSE 'schedule' END,
           '0 9 * * *', repeat('/x', 50)
      FROM agents a WHERE a.tenant_id LIKE 'tenant-%';
"""


@pytest.fixture
async def crowd(tenants: Database, database_urls: DatabaseUrls) -> Database:
    """The example tenants and agents among many others, with statistics."""
    async with tenants.tenant_session("acme-corp") as session:
        await _run(session, SEED)
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        await connection.execute(CROWD)
        for table in ("tenant_configs", "agents", "agent_triggers"):
            await connection.execute(f"VACUUM ANALYZE {table}")
    finally:
        await connection.close()
    return tenants


async def _plan(session: AsyncSession, query: str) -> str:
    return "\n".join(str(row[0]) for row in await _run(session, f"EXPLAIN {query}"))


async def test_example_tenants(tenants: Database) -> None:
    async with tenants.platform_session() as session:
        rows = await _run(session, "SELECT tenant_id, tool_type, is_active FROM tenant_configs ORDER BY 1")
    assert rows == [("acme-corp", "servicedesk_plus", True), ("globex-inc", "jira", True)]


async def test_the_jira_examples_placeholder_is_no_bytea(clean_db: Database) -> None:
    with pytest.raises(DBAPIError, match="invalid hexadecimal digit"):
        async with clean_db.platform_session() as session:
            await _run(session, JIRA_TENANT)


async def test_jira_default_issue_type(tenants: Database) -> None:
    query = """
        SELECT enhancement_preferences->'tool_config'->>'default_issue_type'
        FROM tenant_configs
        WHERE tenant_id = 'globex-inc' AND tool_type = 'jira';
    """
    async with tenants.tenant_session("globex-inc") as session:
        assert await _run(session, query) == [("Bug",)]
    async with tenants.tenant_session("acme-corp") as session:
        assert await _run(session, query) == [], "another tenant's configuration"


async def test_priority_mapping_filter(crowd: Database, make_tenant: MakeTenant, database_urls: DatabaseUrls) -> None:
    await make_tenant("tenant-abc", enhancement_preferences={"priority_mapping": {"critical": "Highest"}})
    query = """
        SELECT tenant_id, name
        FROM tenant_configs
        WHERE enhancement_preferences @> '{"priority_mapping": {"critical": "Highest"}}'::jsonb;
    """
    async with crowd.platform_session() as session:
        assert await _run(session, query) == [("tenant-abc", "Tenant Abc")]
    # The containment of JSON is not leakproof, so PostgreSQL asks a policy first and the index serves who is bound by
    # none: a DBA's own questions.
    connection = await asyncpg.connect(database_urls.superuser_url)
    try:
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}"))
    finally:
        await connection.close()
    assert "idx_tenant_configs_preferences" in plan, plan


async def test_update_tool_config(tenants: Database, make_tenant: MakeTenant) -> None:
    preferences = {"tool_config": {"default_priority": "High", "default_category": "Network"}}
    await make_tenant("tenant-abc", enhancement_preferences=preferences)
    update = """
        UPDATE tenant_configs
        SET enhancement_preferences = jsonb_set(
            enhancement_preferences,
            '{tool_config,default_priority}',
            '"Medium"'
        )
        WHERE tenant_id = 'tenant-abc';
    """
    async with tenants.tenant_session("tenant-abc") as session:
        await _run(session, update)
        ((after,),) = (await session.execute(text("SELECT enhancement_preferences FROM tenant_configs"))).all()
    assert after == {"tool_config": {"default_priority": "Medium", "default_category": "Network"}}


async def test_find_all_jira_tenants(tenants: Database) -> None:
    query = """
        SELECT tenant_id, name, jira_url, jira_project_key
        FROM tenant_configs
        WHERE tool_type = 'jira';
    """
    async with tenants.platform_session() as session:
        expected = [("globex-inc", "Globex Inc", "https://globex.atlassian.net", "SUPPORT")]
        assert await _run(session, query) == expected


async def test_tool_type_index_is_used_among_1000_tenants(crowd: Database) -> None:
    explain = """
        EXPLAIN ANALYZE
        SELECT * FROM tenant_configs WHERE tool_type = 'jira';
    """
    async with crowd.platform_session() as session:
        plan = "\n".join(str(row[0]) for row in await _run(session, explain))
    assert "idx_tenant_configs_tool_type" in plan, plan
    print(plan.splitlines()[-1])  # noqa: T201 - a figure for people


async def test_multi_tool_tenant_count(tenants: Database) -> None:
    query = """
        SELECT tool_type, COUNT(*) as tenant_count
        FROM tenant_configs
        GROUP BY tool_type;
    """
    async with tenants.platform_session() as session:
        assert sorted(await _run(session, query)) == [("jira", 1), ("servicedesk_plus", 1)]


async def test_all_active_agents(crowd: Database) -> None:
    query = """
        SELECT id, name, status, llm_config->>'model' as model
        FROM agents
        WHERE tenant_id = 'acme-corp' AND status = 'active';
    """
    async with crowd.tenant_session("acme-corp") as session:
        assert [row[1:] for row in await _run(session, query)] == [("Writer", "active", "gpt-4")]
        assert "idx_agents_tenant_id_status" in (plan := await _plan(session, query)), plan


async def test_agent_with_triggers_and_tools(acme: AsyncSession) -> None:
    query = """
        SELECT
          a.id, a.name, a.status,
          t.trigger_type, t.webhook_url, t.schedule_cron,
          array_agg(at.tool_id) as tools
        FROM agents a
        LEFT JOIN agent_triggers t ON a.id = t.agent_id
        LEFT JOIN agent_tools at ON a.id = at.agent_id
        WHERE a.id = '550e8400-e29b-41d4-a716-446655440000'
        GROUP BY a.id, t.trigger_type, t.webhook_url, t.schedule_cron;
    """
    rows = sorted(await _run(acme, query), key=lambda row: str(row[3]))
    assert [row[3:6] for row in rows] == [
        ("schedule", None, "0 9 * * *"),
        ("webhook", f"/agents/{AGENT_ID}/webhook", None),
    ]
    assert [sorted(row[6]) for row in rows] == [["jira", "servicedesk_plus"]] * 2


async def test_agents_using_a_model(acme: AsyncSession) -> None:
    query = """
        SELECT tenant_id, name, llm_config->>'model' as model
        FROM agents
        WHERE llm_config->>'model' = 'claude-3-5-sonnet';
    """
    assert await _run(acme, query) == [("acme-corp", "Sorter", "claude-3-5-sonnet")]


async def test_webhook_triggers_with_urls(acme: AsyncSession) -> None:
    query = """
        SELECT a.name, t.webhook_url, t.created_at
        FROM agent_triggers t
        JOIN agents a ON t.agent_id = a.id
        WHERE t.trigger_type = 'webhook'
        ORDER BY t.created_at DESC;
    """
    ((name, url, _),) = await _run(acme, query)
    assert (name, url) == ("Writer", f"/agents/{AGENT_ID}/webhook")


async def test_trigger_type_index_is_used_across_tenants(crowd: Database) -> None:
    async with crowd.platform_session() as session:
        plan = await _plan(session, "SELECT * FROM agent_triggers WHERE trigger_type = 'webhook'")
    assert "idx_agent_triggers_type" in plan, plan


async def test_story_gpt_4_agents(acme: AsyncSession) -> None:
    rows = await _run(acme, "SELECT id, name FROM agents WHERE llm_config->>'model' = 'gpt-4';")
    assert [name for _, name in rows] == ["Writer"]


async def test_story_creative_agents(acme: AsyncSession) -> None:
    rows = await _run(acme, "SELECT id, name FROM agents WHERE (llm_config->>'temperature')::float > 0.8;")
    assert [name for _, name in rows] == ["Writer"]


async def test_story_update_model(acme: AsyncSession) -> None:
    update = """
        UPDATE agents SET llm_config = jsonb_set(llm_config, '{model}', '"claude-3-5-sonnet-20241022"')
        WHERE llm_config->>'model' = 'claude-3-5-sonnet';
    """
    await _run(acme, update)
    rows = await _run(acme, "SELECT name, llm_config->>'model' FROM agents ORDER BY name")
    assert rows == [("Sorter", "claude-3-5-sonnet-20241022"), ("Writer", "gpt-4")]


async def test_story_cascade_delete(acme: AsyncSession) -> None:
    await _run(acme, f"DELETE FROM agents WHERE id = '{AGENT_ID}'")
    left = "SELECT (SELECT count(*) FROM agent_triggers), (SELECT count(*) FROM agent_tools), count(*) FROM agents"
    assert await _run(acme, left) == [(0, 0, 1)]


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO agents (tenant_id, name, status, system_prompt) VALUES ('acme-corp', 'A', 'invalid', 'Prompt')",
        "INSERT INTO agents (tenant_id, name, status, system_prompt) VALUES ('nobody', 'A', 'draft', 'Prompt')",
    ],
    ids=["status", "tenant"],
)
async def test_story_post_migration_validation(tenants: Database, insert: str) -> None:
    with pytest.raises(IntegrityError):
        async with tenants.platform_session() as session:
            await _run(session, insert)


async def test_several_tools_per_tenant(tenants: Database) -> None:
    """Settled differently from the text's ``VARCHAR(50)[]``: every complete connection counts, ``tool_type`` leads."""
    update = "UPDATE tenant_configs SET jira_url = 'https://acme.atlassian.net', jira_project_key = 'SUPPORT'"
    async with tenants.tenant_session("acme-corp") as session:
        await _run(session, update)
        rows = await _run(session, "SELECT tool_type, servicedesk_url, jira_url FROM tenant_configs")
    assert rows == [("servicedesk_plus", "https://acme.servicedesk.com", "https://acme.atlassian.net")]

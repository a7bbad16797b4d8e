"""The specification's tables, word for word, against the catalog of a live database.

Columns are ``name: type | null or not null | default`` as ``database-schema.md`` lists them, in PostgreSQL's own words
(``VARCHAR(100)`` is ``character varying(100)``). What the product adds beside them is not looked at here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.conftest import DatabaseUrls

TEXT, UUID, JSONB, TIME, BYTES = "text", "uuid", "jsonb", "timestamp with time zone", "bytea"
NOW, NEW_ID = "now()", "gen_random_uuid()"


def chars(length: int) -> str:
    return f"character varying({length})"


NULL, NOT_NULL = False, True
COLUMNS: dict[str, dict[str, tuple[str, bool, str | None]]] = {
    "tenant_configs": {
        "id": (UUID, NOT_NULL, NEW_ID),
        "tenant_id": (chars(100), NOT_NULL, None),
        "name": (chars(255), NOT_NULL, None),
        "tool_type": (chars(50), NOT_NULL, "'servicedesk_plus'::character varying"),
        "servicedesk_url": (chars(500), NULL, None),
        "servicedesk_api_key_encrypted": (TEXT, NULL, None),
        "jira_url": (chars(500), NULL, None),
        "jira_api_token_encrypted": (BYTES, NULL, None),
        "jira_project_key": (chars(50), NULL, None),
        "webhook_signing_secret_encrypted": (TEXT, NOT_NULL, None),
        "enhancement_preferences": (JSONB, NOT_NULL, "'{}'::jsonb"),
        "rate_limits": (JSONB, NULL, "default rate limits"),
        "is_active": ("boolean", NOT_NULL, "true"),
        "created_at": (TIME, NOT_NULL, NOW),
        "updated_at": (TIME, NOT_NULL, NOW),
        # "Future extensions", here now
        "zendesk_subdomain": (chars(100), NULL, None),
        "zendesk_api_token_encrypted": (BYTES, NULL, None),
        "servicenow_instance_url": (chars(500), NULL, None),
        "servicenow_api_key_encrypted": (BYTES, NULL, None),
    },
    "agents": {
        "id": (UUID, NOT_NULL, NEW_ID),
        "tenant_id": (chars(100), NOT_NULL, None),
        "name": (chars(255), NOT_NULL, None),
        "description": (TEXT, NULL, None),
        "status": (chars(20), NOT_NULL, None),
        "system_prompt": (TEXT, NOT_NULL, None),
        "llm_config": (JSONB, NOT_NULL, "'{}'::jsonb"),
        "created_at": (TIME, NOT_NULL, NOW),
        "updated_at": (TIME, NOT_NULL, NOW),
        "created_by": (chars(255), NULL, None),
    },
    "agent_triggers": {
        "id": (UUID, NOT_NULL, NEW_ID),
        "agent_id": (UUID, NOT_NULL, None),
        "trigger_type": (chars(20), NOT_NULL, None),
        "webhook_url": (chars(500), NULL, None),
        "hmac_secret": (TEXT, NULL, None),
        "schedule_cron": (chars(100), NULL, None),
        "payload_schema": (JSONB, NULL, None),
        "created_at": (TIME, NOT_NULL, NOW),
        "updated_at": (TIME, NOT_NULL, NOW),
    },
    "agent_tools": {
        "agent_id": (UUID, NOT_NULL, None),
        "tool_id": (chars(100), NOT_NULL, None),
        "created_at": (TIME, NOT_NULL, NOW),
    },
    "agent_executions": {
        "id": (UUID, NOT_NULL, NEW_ID),
        "agent_id": (UUID, NOT_NULL, None),
        "trigger_id": (UUID, NULL, None),
        "started_at": (TIME, NOT_NULL, NOW),
        "completed_at": (TIME, NULL, None),
        "status": (chars(20), NOT_NULL, "'queued'::character varying"),  # a run waits before it runs
        "input_payload": (JSONB, NULL, None),
        "output_result": (JSONB, NULL, None),
        "error_message": (TEXT, NULL, None),
        "token_usage": (JSONB, NULL, None),
    },
    "agent_versions": {
        "id": (UUID, NOT_NULL, NEW_ID),
        "agent_id": (UUID, NOT_NULL, None),
        "version_number": ("integer", NOT_NULL, None),
        "system_prompt": (TEXT, NOT_NULL, None),
        "llm_config": (JSONB, NOT_NULL, None),
        "created_at": (TIME, NOT_NULL, NOW),
        "created_by": (chars(255), NULL, None),
    },
}
INDEXES = {
    "tenant_configs_pkey": "UNIQUE INDEX tenant_configs_pkey ON public.tenant_configs USING btree (id)",
    "ix_tenant_configs_tenant_id": (
        "UNIQUE INDEX ix_tenant_configs_tenant_id ON public.tenant_configs USING btree (tenant_id)"
    ),
    "idx_tenant_configs_tool_type": (
        "INDEX idx_tenant_configs_tool_type ON public.tenant_configs USING btree (tool_type)"
    ),
    "idx_tenant_configs_preferences": (
        "INDEX idx_tenant_configs_preferences ON public.tenant_configs USING gin (enhancement_preferences)"
    ),
    "agents_pkey": "UNIQUE INDEX agents_pkey ON public.agents USING btree (id)",
    "idx_agents_tenant_id_status": (
        "INDEX idx_agents_tenant_id_status ON public.agents USING btree (tenant_id, status)"
    ),
    "idx_agents_created_at": "INDEX idx_agents_created_at ON public.agents USING btree (created_at DESC)",
    "idx_agents_llm_config": "INDEX idx_agents_llm_config ON public.agents USING gin (llm_config)",
    "agent_triggers_pkey": "UNIQUE INDEX agent_triggers_pkey ON public.agent_triggers USING btree (id)",
    "idx_agent_triggers_agent_id": (
        "INDEX idx_agent_triggers_agent_id ON public.agent_triggers USING btree (agent_id)"
    ),
    "idx_agent_triggers_type": "INDEX idx_agent_triggers_type ON public.agent_triggers USING btree (trigger_type)",
    "agent_tools_pkey": "UNIQUE INDEX agent_tools_pkey ON public.agent_tools USING btree (agent_id, tool_id)",
    "idx_agent_tools_agent_id": "INDEX idx_agent_tools_agent_id ON public.agent_tools USING btree (agent_id)",
    "idx_agent_tools_tool_id": "INDEX idx_agent_tools_tool_id ON public.agent_tools USING btree (tool_id)",
    "idx_agent_executions_agent_id": (
        "INDEX idx_agent_executions_agent_id ON public.agent_executions USING btree (agent_id)"
    ),
    "idx_agent_executions_started_at": (
        "INDEX idx_agent_executions_started_at ON public.agent_executions USING btree (started_at DESC)"
    ),
    "idx_agent_versions_agent_version": (
        "UNIQUE INDEX idx_agent_versions_agent_version ON public.agent_versions USING btree (agent_id, version_number)"
    ),
}
FOREIGN_KEYS = {
    ("agents", "tenant_id"): ("tenant_configs", "NO ACTION"),
    ("agent_triggers", "agent_id"): ("agents", "CASCADE"),
    ("agent_tools", "agent_id"): ("agents", "CASCADE"),
    ("agent_executions", "agent_id"): ("agents", "CASCADE"),
    ("agent_executions", "trigger_id"): ("agent_triggers", "SET NULL"),
    ("agent_versions", "agent_id"): ("agents", "CASCADE"),
}


@pytest.fixture
async def catalog(database_urls: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_urls.app_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("table", COLUMNS)
async def test_columns_are_the_specifications(catalog: asyncpg.Connection, table: str) -> None:
    rows = await catalog.fetch(
        """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid) AS preset
          FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
        """,
        table,
    )
    found = {row["attname"]: (row["type"], row["attnotnull"], row["preset"]) for row in rows}
    expected = dict(COLUMNS[table])
    if table == "tenant_configs":
        limits = expected.pop("rate_limits")
        assert found["rate_limits"][:2] == limits[:2]
        assert "webhooks_per_minute" in str(found["rate_limits"][2]), "'Default rate limits' are the column's default"
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("name", INDEXES)
async def test_indexes_are_the_specifications(catalog: asyncpg.Connection, name: str) -> None:
    assert await catalog.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = $1", name) == (
        f"CREATE {INDEXES[name]}"
    )


@pytest.mark.parametrize(("table", "column"), FOREIGN_KEYS)
async def test_foreign_keys_are_the_specifications(catalog: asyncpg.Connection, table: str, column: str) -> None:
    parent, rule = FOREIGN_KEYS[table, column]
    rows = await catalog.fetch(
        """
        SELECT c.confrelid::regclass::text AS parent, c.confdeltype::text AS rule
          FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
         WHERE c.contype = 'f' AND c.conrelid = $1::text::regclass AND a.attname = $2 AND c.convalidated
        """,
        table,
        column,
    )
    letters = {"NO ACTION": "a", "CASCADE": "c", "SET NULL": "n"}
    assert [(row["parent"], row["rule"]) for row in rows] == [(parent, letters[rule])]


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("agents", "status", {"draft", "active", "suspended", "inactive"}),
        ("agent_triggers", "trigger_type", {"webhook", "schedule"}),
    ],
)
async def test_check_constraints_list_the_specifications_values(
    catalog: asyncpg.Connection, table: str, column: str, values: set[str]
) -> None:
    definition = await catalog.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", f"ck_{table}_{column}"
    )
    assert set(definition.split("'")[1::2]) == values


async def test_the_policy_of_tenants_has_the_specifications_name_and_rule(catalog: asyncpg.Connection) -> None:
    rule = await catalog.fetchval(
        "SELECT qual FROM pg_policies WHERE tablename = 'tenant_configs' AND policyname = $1",
        "tenant_config_isolation_policy",
    )
    assert "tenant_id" in rule
    assert "current_setting('app.current_tenant_id'" in rule
    forced = "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'tenant_configs'"
    assert await catalog.fetchval(forced)


async def test_ids_are_random_version_4(catalog: asyncpg.Connection) -> None:
    """``gen_random_uuid()`` makes what ``uuid_generate_v4()`` made."""
    assert (await catalog.fetchval("SELECT gen_random_uuid()")).version == 4

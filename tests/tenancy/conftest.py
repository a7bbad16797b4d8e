"""Two tenants with a row in every table, and raw connections as the application's own role."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.support.tenancy import set_tenant

from deskhand.kit.db.session import create_pool

ACME, GLOBEX = "acme", "globex"
# {t} is the tenant, {n} a digit that is different for each, so that ids are known and never shared.
SEEDS = {
    "tenant_configs": """INSERT INTO tenant_configs (tenant_id, name, webhook_signing_secret_encrypted)
        VALUES ('{t}', 'secret of {t}', 'secret of {t}')""",
    "enhancement_history": """INSERT INTO enhancement_history (id, tenant_id, ticket_id, llm_output)
        VALUES ('{n}0000000-0000-4000-8000-000000000001', '{t}', '1', 'secret of {t}')""",
    # Shared, so that the tenant's wall is attacked here alone; the one between companies is in test_companies.py.
    "ticket_history": """INSERT INTO ticket_history (tenant_id, ticket_id, description, shared)
        VALUES ('{t}', '1', 'secret of {t}', true)""",
    "desk_companies": """INSERT INTO desk_companies (tenant_id, tool_type, company_id, name)
        VALUES ('{t}', 'jira', '1', 'secret of {t}')""",
    "alert_conditions": """INSERT INTO alert_conditions
        (tenant_id, agent_id, tool_type, condition, ticket_id, execution_id)
        VALUES ('{t}', gen_random_uuid(), 'jira', 'secret of {t}', '1', gen_random_uuid())""",
    "ticket_storms": """INSERT INTO ticket_storms
        (id, tenant_id, tool_type, first_ticket_id, first_number, execution_id, told, tickets, requesters, began_at,
         last_at, over_at)
        VALUES ('{n}0000000-0000-4000-8000-000000000063', '{t}', 'jira', '1', 'secret of {t}', gen_random_uuid(),
                5, 5, 5, now(), now(), now())""",
    "storm_reports": """INSERT INTO storm_reports (tenant_id, tool_type, ticket_id, number, execution_id, reported_at,
                                                   words, storm_id)
        VALUES ('{t}', 'jira', '1', 'secret of {t}', gen_random_uuid(), now(), '{{}}',
                '{n}0000000-0000-4000-8000-000000000063')""",
    "audit_log": """INSERT INTO audit_log (tenant_id, actor, operation, resource_type, entry_hash)
        VALUES ('{t}', 'secret of {t}', 'x', 'x', sha256('{t}'))""",
    "agents": """INSERT INTO agents (id, tenant_id, name, status, system_prompt)
        VALUES ('{n}0000000-0000-4000-8000-00000000000a', '{t}', 'secret of {t}', 'active', 'secret of {t}')""",
    "agent_triggers": """INSERT INTO agent_triggers (id, tenant_id, agent_id, trigger_type, hmac_secret)
        VALUES ('{n}0000000-0000-4000-8000-00000000000b', '{t}', '{n}0000000-0000-4000-8000-00000000000a', 'webhook',
                'secret of {t}')""",
    "agent_tools": """INSERT INTO agent_tools (tenant_id, agent_id, tool_id)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000a', 'jira')""",
    "agent_versions": """INSERT INTO agent_versions (id, tenant_id, agent_id, version_number, system_prompt, llm_config)
        VALUES ('{n}0000000-0000-4000-8000-00000000000c', '{t}', '{n}0000000-0000-4000-8000-00000000000a', 1,
                'secret of {t}', '{{}}')""",
    "agent_executions": """INSERT INTO agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id, lane)
        VALUES ('{n}0000000-0000-4000-8000-00000000000d', '{t}', '{n}0000000-0000-4000-8000-00000000000a',
                '{n}0000000-0000-4000-8000-00000000000b', '{n}0000000-0000-4000-8000-00000000000c', 'secret of {t}')""",
    "run_companies": """INSERT INTO run_companies (tenant_id, execution_id, tool_type, company_id)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000d', 'jira', 'secret of {t}')""",
    "execution_steps": """INSERT INTO execution_steps (tenant_id, execution_id, step_key, attempt, kind, name)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000d', 'm:1', 1, 'model', 'secret of {t}')""",
    "approvals": """INSERT INTO approvals (tenant_id, execution_id, step_key, tool_id, operation, arguments, digest,
                                           likeness, risk, approver, expires_at)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000d', 'm:1', 'jira', 'secret of {t}', '{{}}', 'd', 'l',
                'low', 'operator', '2027-01-01T00:00:00Z')""",
    "approval_notices": """INSERT INTO approval_notices (tenant_id, approval_id, recipient, message_id, state)
        SELECT '{t}', id, 'mail:secret of {t}', gen_random_uuid(), 'sent' FROM approvals WHERE tenant_id = '{t}'""",
    "tool_sources": """INSERT INTO tool_sources (tenant_id, slug, kind, name, credential_encrypted)
        VALUES ('{t}', 'shop', 'openapi', 'secret of {t}', 'secret of {t}')""",
    "model_connections": """INSERT INTO model_connections (tenant_id, slug, kind, name, base_url, api_key_encrypted)
        VALUES ('{t}', 'house', 'openai_compatible', 'secret of {t}', 'https://secret of {t}', 'secret of {t}')""",
    "budgets": """INSERT INTO budgets (id, tenant_id, scope, period, amount_usd, extra_usd, extra_until, extra_reason)
        VALUES ('{n}0000000-0000-4000-8000-00000000000e', '{t}', 'tenant', 'month', 1, 1, '2027-01-01T00:00:00Z',
                'secret of {t}')""",
    "budget_use": """INSERT INTO budget_use (tenant_id, budget_id, period_start, ticket)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000e', '2026-01-01', 'secret of {t}')""",
    "model_spending": """INSERT INTO model_spending (tenant_id, execution_id, agent_id, model, charges, reserved_usd,
                                                     expires_at)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000d', '{n}0000000-0000-4000-8000-00000000000a',
                'secret of {t}', '[]', 1, '2027-01-01T00:00:00Z')""",
    "cost_corrections": """INSERT INTO cost_corrections (tenant_id, execution_id, step_key, call_id, gateway_usd,
                                                         amount_usd, makes_known, noted_by)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000d', 'model#1', 'secret of {t}', 1, 1, true, 'ann')""",
    # The approval above has left a fact of its own.
    "notification_facts": "UPDATE notification_facts SET cause = 'secret of {t}' WHERE tenant_id = '{t}'",
    "notifications": """INSERT INTO notifications (tenant_id, recipient, pace, items, due_at)
        VALUES ('{t}', 'slack:secret of {t}', 'now', '{{}}', '2027-01-01T00:00:00Z')""",
    "notification_choices": """WITH person AS (INSERT INTO users (email) VALUES ('told@{t}.example') RETURNING id)
        INSERT INTO notification_choices (tenant_id, user_id, kind, pace) SELECT '{t}', id, 'failure', 'now'
        FROM person""",
    "pauses": """INSERT INTO pauses (tenant_id, agent_id, reason, paused_by)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000a', 'secret of {t}', 'secret of {t}')""",
    "lab_runs": """INSERT INTO lab_runs (id, tenant_id, agent_id, agent_version_id, version_number, tool_type, parallel,
                                         max_cost_usd, why, started_by)
        VALUES ('{n}0000000-0000-4000-8000-0000000000f1', '{t}', '{n}0000000-0000-4000-8000-00000000000a',
                '{n}0000000-0000-4000-8000-00000000000c', 1, 'jira', 2, 1, 'secret of {t}', 'secret of {t}')""",
    "test_cases": """INSERT INTO test_cases (id, tenant_id, agent_id, name, tool_type, ticket_ref, number, ticket,
                                             as_of, expected, created_by)
        VALUES ('{n}0000000-0000-4000-8000-0000000000f2', '{t}', '{n}0000000-0000-4000-8000-00000000000a',
                'secret of {t}', 'jira', '1', '1', '{{}}', '2026-01-01T00:00:00Z', '{{}}', 'secret of {t}')""",
    "lab_cases": """INSERT INTO lab_cases (tenant_id, lab_run_id, place, ticket_ref, number, subject)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-0000000000f1', 0, '1', '1', 'secret of {t}')""",
    "webhook_deliveries": """INSERT INTO webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, http_status)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000b', 'd1', 'accepted', 202)""",
    "schedule_fires": """INSERT INTO schedule_fires (tenant_id, trigger_id, fire_at)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-00000000000b', '2026-01-01T00:00:00Z')""",
    "execution_starts": "INSERT INTO execution_starts (tenant_id, minute, starts)"
    " VALUES ('{t}', '2026-01-01T00:00:00Z', 1)",
    "memberships": """WITH person AS (INSERT INTO users (email) VALUES ('{t}@example.com') RETURNING id)
        INSERT INTO memberships (tenant_id, user_id, role) SELECT '{t}', id, 'viewer' FROM person""",
    "invitations": """WITH person AS (INSERT INTO users (email) VALUES ('guest@{t}.example') RETURNING id)
        INSERT INTO invitations (tenant_id, user_id, role, secret_hash, created_by, expires_at)
        SELECT '{t}', id, 'viewer', sha256('{t}'), 'secret of {t}', '2027-01-01T00:00:00Z' FROM person""",
    "identity_providers": """INSERT INTO identity_providers
        (tenant_id, name, issuer, client_id, client_secret_encrypted, scopes, groups_claim, role_rules)
        VALUES ('{t}', 'secret of {t}', 'https://login.example.com', 'x', 'x', 'openid', 'groups', '[]')""",
    "idempotency_keys": """INSERT INTO idempotency_keys (tenant_id, digest, fingerprint, answer_encrypted)
        VALUES ('{t}', sha256('{t}'), sha256('{t}'), 'secret of {t}')""",
    "api_keys": """INSERT INTO api_keys (tenant_id, name, prefix, key_hash, role)
        VALUES ('{t}', 'secret of {t}', 'dhk_{t}', sha256('{t}'), 'viewer')""",
    "knowledge_jobs": """INSERT INTO knowledge_jobs (tenant_id, kind, tool_type, asked_by)
        VALUES ('{t}', 'history', 'jira', 'secret of {t}')""",
    "history_refreshes": """INSERT INTO history_refreshes (tenant_id, tool_type, ticket_id, error)
        VALUES ('{t}', 'jira', '1', 'secret of {t}')""",
    "knowledge_articles": """INSERT INTO knowledge_articles (tenant_id, article_id, title, body, shared)
        VALUES ('{t}', 'KB1', 'secret of {t}', 'x', true)""",
    "system_inventory": "INSERT INTO system_inventory (tenant_id, hostname, shared)"
    " VALUES ('{t}', 'secret-of-{t}', true)",
    "enhancement_feedback": """INSERT INTO enhancement_feedback
        (tenant_id, ticket_id, enhancement_id, feedback_type, feedback_comment)
        VALUES ('{t}', '1', '{n}0000000-0000-4000-8000-000000000001', 'thumbs_up', 'secret of {t}')""",
    "note_grounds": """INSERT INTO note_grounds
        (tenant_id, enhancement_id, tool_type, company_name, shared, sources, embedding, embedding_model)
        VALUES ('{t}', '{n}0000000-0000-4000-8000-000000000001', 'jira', 'secret of {t}', true, '{{}}', '{{1}}',
                'm')""",
}


async def seed(superuser_url: str) -> None:
    """A row in every tenant table for each tenant."""
    connection = await asyncpg.connect(superuser_url)
    try:
        for number, tenant in ((1, ACME), (2, GLOBEX)):
            for statement in SEEDS.values():
                await connection.execute(statement.format(t=tenant, n=number))
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def seed_two_tenants():
    """``await seed_two_tenants(superuser_url)``."""
    return seed


@pytest.fixture(scope="session")
def seeded_tables() -> set[str]:
    """The tables the seeds fill."""
    return set(SEEDS)


@pytest.fixture
async def two_tenants(clean_db, database_urls) -> AsyncIterator[asyncpg.Pool]:
    """Tenants acme and globex; a pool as ``deskhand_app``."""
    await seed(database_urls.superuser_url)
    async with await create_pool(database_urls.app_url, min_size=1, max_size=2) as pool:
        yield pool


@pytest.fixture
async def acme(two_tenants) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the application in an open transaction of tenant acme, rolled back at the end."""
    async with two_tenants.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await set_tenant(connection, ACME)
        yield connection
        await transaction.rollback()


@pytest.fixture
async def nobody(two_tenants) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the application in a transaction without a tenant."""
    async with two_tenants.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield connection
        await transaction.rollback()

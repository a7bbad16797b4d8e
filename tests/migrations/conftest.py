"""Both servers the product promises: the embedded one and Debian's PostgreSQL 15; rows for every table."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session")
def postgres15() -> Iterator[EmbeddedPostgres]:
    """Debian's server, run from its binaries."""
    if not DEBIAN_15.exists():
        pytest.skip("PostgreSQL 15 is not installed in /usr/lib/postgresql/15")
    directory = Path(tempfile.mkdtemp(prefix="deskhand-pg15-"))
    with EmbeddedPostgres(directory, binaries=DEBIAN_15, settings={"fsync": "off"}) as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture(params=["postgres", "postgres15"])
def server(request: pytest.FixtureRequest) -> EmbeddedPostgres:
    """Each of the servers in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="package", autouse=True)
def scripts_read_once() -> Iterator[None]:
    """Alembic loads every revision's module at each call; that was most of what the hundreds of calls here cost."""
    read, made = ScriptDirectory.from_config, dict[str, ScriptDirectory]()

    def once(config: Config) -> ScriptDirectory:
        folder = str(config.get_main_option("script_location"))
        if folder not in made:
            made[folder] = read(config)
        return made[folder]

    with mock.patch.object(ScriptDirectory, "from_config", once):
        yield


Urls = Callable[[str], str]


def urls_of(server: EmbeddedPostgres, name: str) -> Urls:
    """Called with "superuser", "owner" or "app" it answers with that URL."""
    return lambda login: str(getattr(server, f"{login}_url")).rsplit("/", 1)[0] + "/" + name


@contextmanager
def database_on(server: EmbeddedPostgres, template: str | None = None) -> Iterator[Urls]:
    name = f"migrations_{uuid.uuid4().hex[:12]}"
    server.create_database(name, template=template)
    yield urls_of(server, name)
    server.drop_database(name)


@pytest.fixture
def empty_database(server: EmbeddedPostgres) -> Iterator[Urls]:
    """An empty database on ``server``, by its URLs."""
    with database_on(server) as urls:
        yield urls


@functools.cache
def template_at_head(server: EmbeddedPostgres) -> str:
    """A database that was migrated from nothing to the head, to be copied; it goes with its server."""
    name = f"migrated_{os.getpid()}"  # the server is that of all pytest processes
    server.create_database(name)
    admin.upgrade(urls_of(server, name)("owner"))
    return name


@pytest.fixture
def head_database(server: EmbeddedPostgres) -> Iterator[Urls]:
    """A database at the head on ``server``, by its URLs; for tests that look at the end of the road alone."""
    with database_on(server, template_at_head(server)) as urls:
        yield urls


# What an installation of the spec's time held, at revision facc8d95bcbd.
OLD_ROWS = (
    """INSERT INTO tenant_configs (tenant_id, name, tool_type, jira_url, webhook_signing_secret_encrypted)
       VALUES ('acme', 'Acme', 'jira', 'https://acme.example', 's'),
              ('globex', 'Globex', 'servicedesk_plus', NULL, 's')
    """,
    """INSERT INTO enhancement_history (tenant_id, ticket_id, context_gathered) VALUES ('acme', '1', '{"a": 1}')""",
    """INSERT INTO ticket_history (tenant_id, ticket_id, description) VALUES ('acme', '1', 'printer on fire')""",
    """INSERT INTO audit_log (tenant_id, actor, operation, resource_type, resource_id, details)
       SELECT t, 'a', 'agent.create', 'agent', n::text, jsonb_build_object('n', n, 'price', 1.50,
                                                             'deep', '{"x": [1e3]}'::jsonb)
         FROM unnest(ARRAY['acme', 'globex']) t, generate_series(1, 3) n""",
    """INSERT INTO agents (id, tenant_id, name, status, system_prompt)
       VALUES ('00000000-0000-4000-8000-00000000000a', 'acme', 'A', 'active', 'Do what is asked of you.'),
              ('00000000-0000-4000-8000-00000000000b', 'globex', 'B', 'draft', 'Do what is asked of you.')""",
    """INSERT INTO agent_triggers (id, agent_id, trigger_type, webhook_url, schedule_cron)
       VALUES ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000000a', 'webhook', '/x', NULL),
              ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-00000000000b', 'schedule', NULL,
               '0 9 * * *')
    """,
    """INSERT INTO agent_tools (agent_id, tool_id)
       VALUES ('00000000-0000-4000-8000-00000000000a', 'jira'),
              ('00000000-0000-4000-8000-00000000000b', 'servicedesk_plus')""",
)
# And what the tables added since then hold.
NEW_ROWS = (
    """INSERT INTO agent_executions (id, tenant_id, agent_id, trigger_id, agent_version_id)
       SELECT '00000000-0000-4000-8000-0000000000e1', 'acme', agent_id, '00000000-0000-4000-8000-0000000000a1', id
         FROM agent_versions WHERE tenant_id = 'acme'""",
    """INSERT INTO execution_steps (execution_id, tenant_id, step_key, attempt, kind, name)
       VALUES ('00000000-0000-4000-8000-0000000000e1', 'acme', 'm:1', 1, 'model', 'm')""",
    """INSERT INTO approvals (execution_id, tenant_id, step_key, tool_id, operation, arguments, digest, likeness, risk,
                              approver, expires_at)
       VALUES ('00000000-0000-4000-8000-0000000000e1', 'acme', 'm:1', 'jira', 'reply', '{}', 'd', 'l', 'high',
               'operator', now())""",
    """INSERT INTO approval_notices (tenant_id, approval_id, recipient, message_id, state)
       SELECT tenant_id, id, 'mail:ann@example.com', gen_random_uuid(), 'sent' FROM approvals""",
    """INSERT INTO budgets (id, tenant_id, scope, period, amount_usd)
       VALUES ('00000000-0000-4000-8000-0000000000c1', 'acme', 'tenant', 'month', 1)""",
    """INSERT INTO budget_use (tenant_id, budget_id, period_start)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000c1', '2026-01-01')""",
    """INSERT INTO model_spending (tenant_id, execution_id, agent_id, model, charges, reserved_usd, expires_at)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-00000000000a', 'm', '[]', 1,
               now())""",
    """INSERT INTO cost_corrections (tenant_id, execution_id, step_key, call_id, gateway_usd, amount_usd, makes_known,
                                     noted_by)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000e1', 'm:1', 'c', 1, 1, true, 'ann')""",
    """INSERT INTO tool_sources (tenant_id, slug, kind, name) VALUES ('acme', 'shop', 'openapi', 'Shop')""",
    """INSERT INTO webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, http_status)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000a1', 'd1', 'accepted', 202)""",
    """INSERT INTO schedule_fires (tenant_id, trigger_id, fire_at)
       VALUES ('globex', '00000000-0000-4000-8000-0000000000b1', now())""",
    """INSERT INTO users (id, email) VALUES ('00000000-0000-4000-8000-0000000000f1', 'Ann@example.com')""",
    """INSERT INTO memberships (tenant_id, user_id, role)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000f1', 'viewer')""",
    """INSERT INTO notifications (tenant_id, recipient, pace, items, due_at)
       VALUES ('acme', 'mail:ann@example.com', 'now', '{}', now())""",
    """INSERT INTO notification_choices (tenant_id, user_id, kind, pace)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000f1', 'failure', 'digest')""",
    """INSERT INTO api_keys (tenant_id, name, prefix, key_hash, role)
       VALUES ('acme', 'k', 'dhk_x', sha256('x'), 'viewer')""",
    """INSERT INTO user_sessions (user_id, current_tenant, secret_hash, expires_at)
       VALUES ('00000000-0000-4000-8000-0000000000f1', 'acme', sha256('s'), now())""",
    """INSERT INTO password_links (user_id, secret_hash, created_by, expires_at)
       VALUES ('00000000-0000-4000-8000-0000000000f1', sha256('l'), 'command-line', now())""",
    """INSERT INTO invitations (tenant_id, user_id, role, secret_hash, created_by, expires_at)
       VALUES ('globex', '00000000-0000-4000-8000-0000000000f1', 'viewer', sha256('j'), 'command-line', now())""",
    """INSERT INTO second_factors (user_id, secret_encrypted, last_step)
       VALUES ('00000000-0000-4000-8000-0000000000f1', 'a token', 1)""",
    """INSERT INTO recovery_codes (user_id, code_hash)
       VALUES ('00000000-0000-4000-8000-0000000000f1', sha256('r'))""",
    """INSERT INTO identity_providers
       (id, tenant_id, name, issuer, client_id, client_secret_encrypted, scopes, groups_claim, role_rules)
       VALUES ('00000000-0000-4000-8000-0000000000c1', 'acme', 'A', 'https://a.example', 'x', 'x', 'x', 'g', '[]')""",
    """INSERT INTO user_identities (user_id, vouched_in, issuer, subject)
       VALUES ('00000000-0000-4000-8000-0000000000f1', 'acme', 'https://a.example', 'ann')""",
    """INSERT INTO sign_in_attempts (state_hash, provider_id, next_path, expires_at)
       VALUES (sha256('a'), '00000000-0000-4000-8000-0000000000c1', '/', now())""",
    """INSERT INTO sign_in_tries (bucket, tries, since) VALUES (sha256('b'), 3, now())""",
    """INSERT INTO idempotency_keys (tenant_id, digest, fingerprint, answer_encrypted)
       VALUES ('acme', sha256('d'), sha256('f'), 'x')""",
    """INSERT INTO platform_keys (name, prefix, key_hash) VALUES ('p', 'dhp_x', sha256('y'))""",
    """INSERT INTO knowledge_articles (tenant_id, article_id, title, body)
       VALUES ('acme', 'KB1', 'Fire', 'Use water')""",
    """INSERT INTO knowledge_jobs (tenant_id, kind, tool_type) VALUES ('acme', 'history', 'jira')""",
    """INSERT INTO history_refreshes (tenant_id, tool_type, ticket_id) VALUES ('acme', 'jira', '1')""",
    """INSERT INTO system_inventory (tenant_id, hostname) VALUES ('acme', 'srv-1')""",
    """INSERT INTO desk_companies (tenant_id, tool_type, company_id, name) VALUES ('acme', 'jira', '1', 'Nordwind')""",
    """INSERT INTO run_companies (tenant_id, execution_id, tool_type, company_id)
       SELECT 'acme', id, 'jira', '1' FROM agent_executions LIMIT 1""",
    """INSERT INTO alert_conditions (tenant_id, agent_id, tool_type, condition, ticket_id, execution_id)
       VALUES ('acme', gen_random_uuid(), 'jira', 'c', '1', gen_random_uuid())""",
    """INSERT INTO ticket_storms (id, tenant_id, tool_type, first_ticket_id, first_number, execution_id, told, tickets,
                                  requesters, began_at, last_at, over_at)
       VALUES ('00000000-0000-4000-8000-000000000063', 'acme', 'jira', '1', 'IT-1', gen_random_uuid(), 5, 5, 5, now(),
               now(), now())""",
    """INSERT INTO storm_reports (tenant_id, tool_type, ticket_id, number, execution_id, reported_at, words, storm_id)
       VALUES ('acme', 'jira', '1', 'IT-1', gen_random_uuid(), now(), '{a}', '00000000-0000-4000-8000-000000000063')""",
    """INSERT INTO enhancement_feedback (tenant_id, ticket_id, feedback_type) VALUES ('acme', '1', 'thumbs_up')""",
    """INSERT INTO note_grounds (tenant_id, enhancement_id, tool_type, sources, embedding, embedding_model)
       SELECT 'acme', id, 'jira', '{}', '{1}', 'm' FROM enhancement_history LIMIT 1""",
    """INSERT INTO execution_starts (tenant_id, minute, starts) VALUES ('acme', date_trunc('minute', now()), 3)""",
    """INSERT INTO pgqueuer (priority, status, entrypoint) VALUES (0, 'queued', 'execution')""",
    """INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint) VALUES (1, 'queued', 0, 'execution')""",
    """INSERT INTO pgqueuer_schedules (expression, entrypoint) VALUES ('* * * * *', 'x')""",
    """INSERT INTO pgqueuer_statistics (count, priority, status, entrypoint) VALUES (1, 0, 'successful', 'x')""",
    """INSERT INTO pauses (tenant_id, agent_id, reason, paused_by)
       VALUES ('acme', '00000000-0000-4000-8000-00000000000a', 'r', 'p')""",
    """INSERT INTO lab_runs (id, tenant_id, agent_id, agent_version_id, version_number, tool_type, parallel,
                             max_cost_usd, started_by)
       SELECT '00000000-0000-4000-8000-0000000000f1', 'acme', agent_id, id, 1, 'jira', 2, 1, 'p'
         FROM agent_versions WHERE tenant_id = 'acme'""",
    """INSERT INTO test_cases (id, tenant_id, agent_id, name, tool_type, ticket_ref, number, ticket, as_of, expected,
                               created_by)
       VALUES ('00000000-0000-4000-8000-0000000000f2', 'acme', '00000000-0000-4000-8000-00000000000a', 'n', 'jira', '1',
               '1', '{}', now(), '{}', 'p')""",
    """INSERT INTO lab_cases (tenant_id, lab_run_id, place, ticket_ref, number, test_case_id, execution_id)
       VALUES ('acme', '00000000-0000-4000-8000-0000000000f1', 0, '1', '1', '00000000-0000-4000-8000-0000000000f2',
               '00000000-0000-4000-8000-0000000000e1')""",
    """INSERT INTO model_connections (tenant_id, slug, kind, name) VALUES ('acme', 'house', 'embedded', 'House')""",
    """INSERT INTO shared_model_connections (slug, kind, name) VALUES ('house', 'embedded', 'House')""",
    """INSERT INTO installation_pause (reason, paused_by) VALUES ('r', 'p')""",
    """INSERT INTO workers (worker_id, slots, running) VALUES ('w', 1, 0)""",
    """INSERT INTO proof_keys (inner_pad, outer_pad) VALUES (sha256('i'), sha256('o'))""",
)


@pytest.fixture(scope="session")
def old_rows() -> tuple[str, ...]:
    """Rows for every table there is at revision facc8d95bcbd."""
    return OLD_ROWS


@pytest.fixture(scope="session")
def new_rows() -> tuple[str, ...]:
    """Rows for every table added after it."""
    return NEW_ROWS


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def rows(url: str, query: str, *args: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query, *args)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def run_sql():
    """``await run_sql(url, *statements)``."""
    return execute


@pytest.fixture(scope="session")
def fetch():
    """``await fetch(url, query, *args)``."""
    return rows

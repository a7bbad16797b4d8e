"""The history of the schema: up and down with data, and its end equals the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from deskhand.audit import service as audit
from deskhand.errors import ConfigurationError
from deskhand.kit.db import admin
from deskhand.kit.db.readiness import verify_application_role
from deskhand.kit.db.roles import role_statements
from deskhand.kit.db.session import Database, open_engine
from deskhand.models import Base

ROOT = Path(__file__).resolve().parents[2]
SPEC_ORDER = ["8f9c7d8a3e2b", "3ad133f66494", "002217a1f0a8", "facc8d95bcbd"]
LAST_OF_THE_SPEC = SPEC_ORDER[-1]


def history() -> list[str]:
    """All revisions, oldest first."""
    scripts = ScriptDirectory.from_config(admin._config())
    return [script.revision for script in scripts.walk_revisions()][::-1]


async def content(url: str) -> dict[str, dict[str, list[str]]]:
    """Every table's rows as sorted JSON texts per column: {table: {column: values}}."""
    connection = await asyncpg.connect(url)
    try:
        columns = await connection.fetch(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
            " AND c.relname <> 'alembic_version' AND a.attnum > 0 AND NOT a.attisdropped GROUP BY 1"
        )
        # One query for all: the history is long, and each of its steps is looked at.
        rows = " UNION ALL ".join(f"SELECT '{table}', to_jsonb(t)::text FROM \"{table}\" t" for table, _ in columns)
        records: dict[str, list[dict[str, object]]] = {table: [] for table, _ in columns}
        for table, record in await connection.fetch(rows) if rows else ():
            records[table].append(json.loads(record))
    finally:
        await connection.close()
    return {
        table: {name: sorted(json.dumps(record[name], sort_keys=True) for record in records[table]) for name in names}
        for table, names in columns
    }


def assert_what_is_common_survived(before: dict, after: dict, step: str) -> None:
    for table in before.keys() & after.keys():
        for column in before[table].keys() & after[table].keys():
            assert before[table][column] == after[table][column], f"{step}: {table}.{column} changed"


def test_the_history_is_linear_and_names_the_specs_revisions_in_order():
    revisions = history()
    assert [revision for revision in revisions if revision in SPEC_ORDER] == SPEC_ORDER
    scripts = ScriptDirectory.from_config(admin._config())
    assert len(scripts.get_heads()) == len(scripts.get_bases()) == 1
    assert all(len(script._versioned_down_revisions) <= 1 for script in scripts.walk_revisions())
    for script in scripts.walk_revisions():
        assert script.path.rsplit("/", 1)[1].split("_")[2] == script.revision, "dated names, as the template makes them"


async def test_empty_head_base_head_with_rows_in_every_table(
    server, empty_database, old_rows, new_rows, run_sql, fetch
):
    owner, superuser = empty_database("owner"), empty_database("superuser")
    assert admin.current(owner) is None
    admin.upgrade(owner, LAST_OF_THE_SPEC)
    await run_sql(superuser, *old_rows)
    admin.upgrade(owner)
    assert admin.current(owner) == admin.head()
    await run_sql(superuser, *new_rows)
    full = await content(superuser)
    assert [table for table, columns in full.items() if not any(columns.values())] == [], "every table has rows"

    admin.downgrade(owner, "base")
    assert admin.current(owner) is None
    left = await fetch(
        superuser,
        """SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r','i','S')
              AND c.relname NOT LIKE 'alembic_version%'
           UNION ALL SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
              AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
           UNION ALL SELECT t.typname FROM pg_type t
             WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'""",
    )
    assert left == []
    admin.upgrade(owner)
    assert set(await content(superuser)) == set(full)


async def test_every_single_downgrade_works_with_rows_and_spares_the_others(
    server, empty_database, old_rows, new_rows, run_sql
):
    owner, superuser = empty_database("owner"), empty_database("superuser")
    admin.upgrade(owner, LAST_OF_THE_SPEC)
    await run_sql(superuser, *old_rows)
    admin.upgrade(owner)
    await run_sql(superuser, *new_rows)
    revisions = history()
    before = await content(superuser)
    for older, newer in reversed(list(zip([None, *revisions], revisions, strict=False))):
        # From the second round on this takes the downgrade that was looked at last and this one's, in one call.
        admin.downgrade(owner, older or "base")
        after = await content(superuser)
        assert_what_is_common_survived(before, after, f"downgrade of {newer}")
        if older is not None:
            admin.upgrade(owner, newer)
            assert_what_is_common_survived(after, await content(superuser), f"upgrade to {newer}")
        before = after


async def test_old_rows_get_what_newer_columns_mean(server, empty_database, old_rows, run_sql, fetch):
    owner, superuser = empty_database("owner"), empty_database("superuser")
    admin.upgrade(owner, LAST_OF_THE_SPEC)
    await run_sql(superuser, *old_rows)
    admin.upgrade(owner)
    for table in ("agent_triggers", "agent_tools", "agent_versions"):
        mismatched = f"SELECT 1 FROM {table} c JOIN agents a ON a.id = c.agent_id AND a.tenant_id <> c.tenant_id"
        assert await fetch(superuser, mismatched) == []
        assert len(await fetch(superuser, f"SELECT 1 FROM {table}")) == 2
    versions = await fetch(superuser, "SELECT tools #>> '{0,tool_id}' AS tool FROM agent_versions ORDER BY 1")
    assert [row["tool"] for row in versions] == ["jira", "servicedesk_plus"]

    database = Database(empty_database("app"), platform_url=empty_database("platform"), pool_size=1)
    try:
        async with database.tenant_session("acme") as session:
            await audit.record(session, tenant_id="acme", actor="a", operation="o", resource_type="r", resource_id="1")
        async with database.platform_session() as session:
            reports = await audit.verify(session)
        assert [(report.tenant_id, report.entries, report.ok) for report in reports] == [
            ("acme", 4, True),
            ("globex", 3, True),
        ]
    finally:
        await database.dispose()


async def test_a_stored_code_becomes_the_one_of_its_class(server, empty_database, old_rows, new_rows, run_sql, fetch):
    owner, superuser = empty_database("owner"), empty_database("superuser")
    admin.upgrade(owner, LAST_OF_THE_SPEC)
    await run_sql(superuser, *old_rows)
    admin.upgrade(owner, "7b3e9f21c6d8-1")
    tables = {row[0] for row in await fetch(superuser, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    rows = [row for row in new_rows if row.split()[2] in tables]
    await run_sql(superuser, *rows, "UPDATE agent_executions SET error_code = 'context-too-long'")
    admin.upgrade(owner)
    stored = await fetch(superuser, "SELECT DISTINCT error_code FROM agent_executions")
    assert [row["error_code"] for row in stored] == ["model-context-too-long"]


async def test_head_equals_the_models(server, head_database):
    owner = head_database("owner")

    def differences(connection: Connection) -> list[object]:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": admin.belongs_to_models,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    assert await admin.on_migration_connection(owner, differences) == []


CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
               pg_get_expr(d.adbin, d.adrelid)
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
          LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype <> 'n'""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


async def test_head_and_models_make_the_same_catalog(head_database, empty_database, server, fetch):
    """Autogenerate does not look at checks, predicates and operator classes; the catalog shows them all."""

    async def catalog(urls) -> set[tuple[object, ...]]:
        found = [(part, *row) for part, query in CATALOG.items() for row in await fetch(urls("owner"), query)]
        return {row for row in found if not str(row[1]).startswith(("pgqueuer", "alembic"))}

    migrated = await catalog(head_database)
    assert {row[0] for row in migrated} == set(CATALOG)
    engine = open_engine(empty_database("owner"))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await engine.dispose()
    created = await catalog(empty_database)
    assert migrated - created == set()
    assert created - migrated == set()


async def test_the_application_login_works_on_each_server(server, empty_database, old_rows, run_sql, fetch):
    admin.upgrade(empty_database("owner"), LAST_OF_THE_SPEC)
    await run_sql(empty_database("superuser"), *old_rows)
    admin.upgrade(empty_database("owner"))
    database = Database(empty_database("app"), pool_size=1)
    try:
        await verify_application_role(database)
    finally:
        await database.dispose()
    app = empty_database("app")
    assert await fetch(app, "SELECT 1 FROM tenant_configs") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await fetch(app, "SELECT 1 FROM users")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run_sql(app, "CREATE TABLE mine ()")
    by_agent = (
        "SELECT tenant_id, tool_ids, tool_type FROM find_webhook_triggers('00000000-0000-4000-8000-00000000000a')"
    )
    assert [tuple(row) for row in await fetch(app, by_agent)] == [("acme", ["jira"], "jira")]
    by_tool = "SELECT agent_id::text, tenant_is_active FROM find_tenant_hook('acme', 'jira')"
    assert [tuple(row) for row in await fetch(app, by_tool)] == [("00000000-0000-4000-8000-00000000000a", True)]
    assert await fetch(app, "SELECT 1 FROM find_tenant_hook('globex', 'servicedesk_plus')") == [], "a schedule only"


async def test_the_similarity_is_the_cosine_with_and_without_pgvector(server, head_database, fetch):
    app = head_database("app")
    row = (
        await fetch(
            app,
            """SELECT embedding_similarity('{0.6,0.8}', '{0.6,0.8}') AS same,
                      embedding_similarity('{0.6,0.8}', '{-0.8,0.6}') AS right_angle,
                      embedding_similarity('{0.6,0.8}', '{1,0}') AS between,
                      embedding_similarity('{0.6,0.8}', '{1}') AS other_model,
                      embedding_similarity(NULL, '{1}') AS missing""",
        )
    )[0]
    assert [None if item is None else round(item, 5) for item in row] == [1.0, 0.0, 0.6, None, None]


async def test_where_roles_cannot_be_created_the_dba_gets_the_sql_and_it_suffices(postgres15, run_sql, fetch):
    """Undo what the embedded server did for us, then walk the road of an installation on a shared server."""
    superuser = postgres15.superuser_url
    plain = superuser.replace("postgres:", "plain:", 1).rsplit("/", 1)[0] + "/shared"
    await run_sql(
        superuser,
        "CREATE DATABASE shared",
        "ALTER ROLE deskhand_owner RENAME TO hidden_owner",
        "ALTER ROLE deskhand_app RENAME TO hidden_app",
        "ALTER ROLE deskhand_platform RENAME TO hidden_platform",
        "ALTER ROLE deskhand_platform_login RENAME TO hidden_platform_login",
        f"CREATE ROLE plain LOGIN PASSWORD '{postgres15._password('superuser')}'",
        "ALTER DATABASE shared OWNER TO plain",
    )
    in_shared = superuser.rsplit("/", 1)[0] + "/shared"
    try:
        with pytest.raises(ConfigurationError) as raised:
            admin.upgrade(plain.replace("postgresql:", "postgresql:", 1))
        printed = raised.value.detail
        wanted = role_statements("shared", server_version=15)
        assert [line.rstrip(";") for line in printed.splitlines() if line.endswith(";")] == wanted
        assert "\\password deskhand_platform_login" in printed
        statements = [line for line in printed.splitlines() if line.endswith(";")]
        await run_sql(in_shared, *[statement.rstrip(";") for statement in statements])
        admin.ensure_roles(in_shared, {"deskhand_app": "app-secret", "deskhand_owner": "owner-secret"})
        owner = in_shared.replace(f"postgres:{postgres15._password('superuser')}", "deskhand_owner:owner-secret")
        admin.upgrade(owner)
        assert admin.current(owner) == admin.head()
        database = Database(owner.replace("deskhand_owner:owner-secret", "deskhand_app:app-secret"), pool_size=1)
        try:
            await verify_application_role(database)
        finally:
            await database.dispose()
        with pytest.raises(ConfigurationError, match="DESKHAND_DATABASE_OWNER_URL"):
            admin.upgrade(owner.replace("deskhand_owner:owner-secret", "deskhand_app:app-secret"))
        owners = await fetch(in_shared, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
        assert [row[0] for row in owners] == ["deskhand_owner"]
    finally:
        await run_sql(
            superuser,
            "DROP DATABASE shared WITH (FORCE)",
            "DROP ROLE IF EXISTS deskhand_owner, deskhand_app, deskhand_platform, deskhand_platform_login, plain",
            "ALTER ROLE hidden_owner RENAME TO deskhand_owner",
            "ALTER ROLE hidden_app RENAME TO deskhand_app",
            "ALTER ROLE hidden_platform RENAME TO deskhand_platform",
            "ALTER ROLE hidden_platform_login RENAME TO deskhand_platform_login",
        )


async def test_a_superuser_may_migrate_and_the_owner_owns_it_all_the_same(empty_database, server, fetch):
    superuser = empty_database("superuser")
    admin.upgrade(superuser)
    owners = await fetch(superuser, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert [row[0] for row in owners] == ["deskhand_owner"]


def test_two_processes_upgrading_at_once_end_as_one(fresh_database):
    owner = fresh_database().owner_url
    upgrade = [sys.executable, "-c", "import sys; from deskhand.kit.db import admin; admin.upgrade(sys.argv[1])", owner]
    processes = [subprocess.Popen(upgrade) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert admin.current(owner) == admin.head()


def test_the_alembic_command_works_in_the_repository(fresh_database):
    environment = {**os.environ, "DESKHAND_DATABASE_OWNER_URL": fresh_database().owner_url}

    def alembic(*arguments: str) -> str:
        command = [sys.executable, "-m", "alembic", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    alembic("upgrade", "head")
    assert admin.head() in alembic("current")
    assert "No new upgrade operations" in alembic("check")
    alembic("downgrade", "-1")

"""The functions of the database are those of the rooms' files, and the tool's copies lead from one to the other."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import asyncpg
import pytest

from deskhand.kit.db import admin

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("sql_revision", ROOT / "tools" / "sql_revision.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def test_head_has_the_functions_of_the_files_and_no_other(tool, server, head_database):
    """With pgvector (the embedded server) and without it (Debian's)."""
    connection = await asyncpg.connect(head_database("superuser"))
    try:
        assert await tool.differences(connection) == [], "docs/howto/change-a-sql-function.md says what to do"
        strays = (
            "CREATE FUNCTION stray() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE FUNCTION schedule_delay() RETURNS double precision LANGUAGE sql STABLE AS 'SELECT 1.0'",
            "DROP FUNCTION sweep_executions(double precision)",
        )
        for statement in strays:
            await connection.execute(statement)
        assert sorted(await tool.differences(connection)) == [
            "schedule_delay() differs",
            "stray() stands in the migrations alone",
            "sweep_executions(double precision) stands in a file alone",
        ]
    finally:
        await connection.close()


async def test_the_copies_of_a_revision_lead_forth_and_back(tool, fresh_database):
    """A body that changed, a form that changed, a new function and one that goes; rights included."""
    urls = fresh_database()
    admin.upgrade(urls.owner_url)
    superuser, owner = await asyncpg.connect(urls.superuser_url), await asyncpg.connect(urls.owner_url)
    rights = "SELECT p.proname, pg_get_userbyid(p.proowner), p.proacl::text FROM pg_proc p ORDER BY 1, 2, 3"

    async def run(copy: str) -> None:
        for statement in copy.split(tool.SEPARATOR):
            await owner.execute(statement)

    try:
        before, rights_before = await tool.functions_in(superuser, "public"), await superuser.fetch(rights)
        transaction = superuser.transaction()
        await transaction.start()
        await superuser.execute("""
            CREATE OR REPLACE FUNCTION schedule_delay() RETURNS double precision
            LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS 'SELECT 1.0';
            DROP FUNCTION execution_caps(jsonb);
            CREATE FUNCTION execution_caps(p_limits jsonb) RETURNS bigint LANGUAGE sql AS 'SELECT 5::bigint';
            CREATE FUNCTION added() RETURNS integer LANGUAGE sql AS 'SELECT 1';
            DROP FUNCTION find_platform_key(bytea)""")
        after = await tool.functions_in(superuser, "public")
        await transaction.rollback()

        await run(tool.replacing(before, after))
        assert await tool.functions_in(superuser, "public") == after
        await run(tool.replacing(after, before))
        assert await tool.functions_in(superuser, "public") == before
        assert await superuser.fetch(rights) == rights_before
    finally:
        await superuser.close()
        await owner.close()

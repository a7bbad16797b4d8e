"""Write docs/reference/database.md from a live, freshly migrated database: python tools/gen_database_docs.py [--check].

Everything on the page is read from PostgreSQL's catalog, so it says what is there and not what was meant.
A test renders it again and compares.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import asyncpg

from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.models import Base

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "database.md"

INTRODUCTION = """# Database

<!-- Written by tools/gen_database_docs.py (`make docs`); edit the migrations and models it is read from. -->

PostgreSQL 15 or newer. Ids are `gen_random_uuid()`, times are `timestamptz`, money is `numeric`.

Four roles: `deskhand_owner` owns and migrates; `deskhand_app` is the login of API and workers, owns nothing and
meets only rows that pass a policy; `deskhand_platform` cannot log in and is reached from `deskhand_platform_login`,
which API and command line have, by an explicit `SET LOCAL ROLE` alone. Row-level security is enabled **and forced**
on every table that belongs to tenants; the tenant is the transaction-local setting `app.current_tenant_id`. Where it is
not set, or the session does not prove it (`session_proof()`, decision 11), there are no rows.

Newest revision: `{head}`.
"""

TABLES = """
    SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
     ORDER BY c.relname
"""
COLUMNS = """
    SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
           CASE WHEN a.attidentity <> '' THEN 'identity'
                WHEN a.attgenerated <> '' THEN 'generated: ' || pg_get_expr(d.adbin, d.adrelid)
                ELSE pg_get_expr(d.adbin, d.adrelid) END AS preset
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
CONSTRAINTS = """
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE conrelid = $1::text::regclass AND contype IN ('c', 'f', 'u') ORDER BY contype, conname
"""
INDEXES = """
    SELECT indexname AS name, regexp_replace(indexdef, '^CREATE (UNIQUE )?INDEX .* USING ', '\\1') AS definition
      FROM pg_indexes WHERE schemaname = 'public' AND tablename = $1 ORDER BY indexname
"""
POLICIES = """
    SELECT policyname AS name, array_to_string(roles, ', ') AS roles, permissive, qual, with_check
      FROM pg_policies WHERE schemaname = 'public' AND tablename = $1 ORDER BY policyname
"""
RESTRICTS = {"RESTRICTIVE": " (holds besides)"}
TRIGGERS = """
    SELECT tgname AS name, pg_get_triggerdef(oid) AS definition FROM pg_trigger
     WHERE tgrelid = $1::text::regclass AND NOT tgisinternal ORDER BY tgname
"""
GRANTS = """
    SELECT grantee, string_agg(privilege_type, ', ' ORDER BY privilege_type) AS privileges
      FROM information_schema.role_table_grants
     WHERE table_schema = 'public' AND table_name = $1 AND grantee IN ('deskhand_app', 'deskhand_platform')
     GROUP BY grantee ORDER BY grantee
"""
REFERENCES = """
    SELECT DISTINCT conrelid::regclass::text AS child, confrelid::regclass::text AS parent,
           (SELECT bool_and(a.attnotnull) FROM pg_attribute a
             WHERE a.attrelid = conrelid AND a.attnum = ANY (conkey)) AS required
      FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1, 2
"""
FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS signature, pg_get_userbyid(p.proowner) AS owner
      FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace ORDER BY 1
"""


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, or nothing where there are no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n"


def code(text: str | None) -> str:
    """Inline code on one line; empty for nothing."""
    return f"`{' '.join(text.split())}`" if text else ""


async def diagram(connection: asyncpg.Connection) -> str:
    """The entity-relationship diagram: who refers to whom; the primary key and foreign keys of each."""
    lines = ["```mermaid", "erDiagram"]
    for row in await connection.fetch(REFERENCES):
        one = "||" if row["required"] else "|o"
        lines.append(f"    {row['parent']} {one}--o{{ {row['child']} : has")
    return "\n".join([*lines, "```", ""])


async def section(connection: asyncpg.Connection, name: str, forced: bool) -> str:
    """One table: what it is for, columns, constraints, indexes, policies, triggers, rights."""
    model = Base.metadata.tables.get(name)
    mapper = next((m for m in Base.registry.mappers if m.local_table is model), None) if model is not None else None
    purpose = " ".join((mapper.class_.__doc__ or "").split()) if mapper else "PgQueuer's own table."
    columns = [
        [f"`{row['name']}`", row["type"], "" if row["required"] else "yes", code(row["preset"])]
        for row in await connection.fetch(COLUMNS, name)
    ]
    parts = [f"## {name}\n\n{purpose}\n\n", table(["Column", "Type", "Nullable", "Default"], columns)]
    for head, query in (("Constraint", CONSTRAINTS), ("Index", INDEXES), ("Trigger", TRIGGERS)):
        rows = [[f"`{row['name']}`", code(row["definition"])] for row in await connection.fetch(query, name)]
        parts.append(table([head, "Definition"], rows))
    policies = [
        [
            f"`{row['name']}`{RESTRICTS.get(row['permissive'], '')}",
            row["roles"],
            code(row["qual"]),
            code(row["with_check"]),
        ]
        for row in await connection.fetch(POLICIES, name)
    ]
    parts.append(table(["Policy", "For", "Using", "With check"], policies))
    grants = [f"`{row['grantee']}`: {row['privileges']}" for row in await connection.fetch(GRANTS, name)]
    security = "Row-level security: enabled and forced. " if forced else "Not tenant data. "
    parts.append(f"{security}Rights: {'; '.join(grants)}.\n")
    return "".join(parts)


async def render(url: str) -> str:
    """The whole page, from the database at ``url`` (any login that may connect)."""
    connection = await asyncpg.connect(url)
    try:
        parts = [INTRODUCTION.format(head=admin.head()), "## Diagram\n", await diagram(connection)]
        parts += [await section(connection, row["name"], row["forced"]) for row in await connection.fetch(TABLES)]
        rows = [[code(row["signature"]), code(row["owner"])] for row in await connection.fetch(FUNCTIONS)]
        parts.append(
            "## Functions that cross tenants\n\n"
            "`SECURITY DEFINER`, with a fixed `search_path`, for `deskhand_app` alone.\n\n"
            + table(["Function", "Runs as"], rows)
        )
        return "\n".join(parts).rstrip() + "\n"
    finally:
        await connection.close()


def page_from_a_new_database() -> str:
    """Start a server, migrate, render, and leave nothing behind."""
    directory = Path(tempfile.mkdtemp(prefix="deskhand-docs-"))
    try:
        with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
            admin.upgrade(server.owner_url)
            return asyncio.run(render(server.superuser_url))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    """Write the page, or with --check say whether it is current."""
    page = page_from_a_new_database()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE.name} is not current: run python tools/gen_database_docs.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())

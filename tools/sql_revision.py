"""The SQL functions of every room, and the copies of them that a revision carries.

    python tools/sql_revision.py            say which functions differ from what the migrations make
    python tools/sql_revision.py REVISION   write the copies for REVISION, which its script runs

The truth is the `.sql` file of a room (`engine/engine.sql` and so on). A revision is history and carries copies:
`migrations/sql/REVISION_after.sql` with what it changes and `REVISION_before.sql` with what was there, both found by
comparing the files with a real database at the revision before. docs/howto/change-a-sql-function.md tells the steps.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from alembic.script import ScriptDirectory

from deskhand.kit.db import admin
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.roles import APP_ROLE, PLATFORM_ROLE

SOURCE = Path(__file__).resolve().parents[1] / "src" / "deskhand"
COPIES = SOURCE / "migrations" / "sql"
SEPARATOR = "\n;;\n"  # between the statements of a copy: a function's body has semicolons of its own

# A statement begins at the left margin and ends with its closing quotes, a language and a semicolon.
STATEMENT = re.compile(r"^CREATE FUNCTION .*?^\$\$[^;\n]*;$", re.MULTILINE | re.DOTALL)
CONDITION = re.compile(r"^-- (with|without) the extension (\w+)\n\Z", re.MULTILINE)

FUNCTIONS = """
    SELECT p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS key, p.prosecdef AS definer,
           p.prorettype = 'trigger'::regtype AS is_trigger, pg_get_functiondef(p.oid) AS definition, p.prosrc AS body,
           pg_get_function_arguments(p.oid) || ' ' || pg_get_function_result(p.oid) AS form
      FROM pg_proc p
     WHERE p.pronamespace = $1::text::regnamespace AND p.prokind = 'f'
       AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
     ORDER BY p.oid
"""


@dataclass(frozen=True, slots=True)
class Function:
    """One function as PostgreSQL's catalog has it."""

    key: str
    definer: bool
    is_trigger: bool
    definition: str
    form: str

    @property
    def meaning(self) -> list[str]:
        """The definition without indentation and empty lines, which a revision's Python may have added."""
        lines = self.definition.replace("$function$", "\n$function$\n").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def rights(self) -> list[str]:
        """Who may call a function that is new: the application, and nobody else; triggers are called by no one."""
        if self.is_trigger:
            return []
        callers = APP_ROLE if self.definer else f"{APP_ROLE}, {PLATFORM_ROLE}"
        statements = [
            f"REVOKE ALL ON FUNCTION {self.key} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {self.key} TO {callers}",
        ]
        if self.definer:  # a new owner needs CREATE on the schema at that moment
            statements += [
                f"GRANT CREATE ON SCHEMA public TO {PLATFORM_ROLE}",
                f"ALTER FUNCTION {self.key} OWNER TO {PLATFORM_ROLE}",
                f"REVOKE CREATE ON SCHEMA public FROM {PLATFORM_ROLE}",
            ]
        return statements


def written_statements(extensions: set[str]) -> list[str]:
    """Every CREATE FUNCTION of every room's file that holds for a server with these extensions."""
    statements = []
    for path in sorted(SOURCE.rglob("*.sql")):
        if path.is_relative_to(COPIES):
            continue
        text = path.read_text(encoding="utf-8")
        for match in STATEMENT.finditer(text):
            condition = CONDITION.search(text[: match.start()])
            if condition is None or (condition[1] == "with") == (condition[2] in extensions):
                statements.append(match[0].removesuffix(";"))
        assert text.count("CREATE FUNCTION ") == len(STATEMENT.findall(text)), f"{path}: a function has no end"
    return statements


async def functions_in(connection: asyncpg.Connection, schema: str) -> dict[str, Function]:
    """The functions of a schema, by name and argument types, as if the schema were called public."""
    functions = {}
    for row in await connection.fetch(FUNCTIONS, schema):
        # The name alone: bodies may speak of public. in full.
        definition = row["definition"].replace(f"FUNCTION {schema}.", "FUNCTION public.", 1)
        functions[row["key"]] = Function(row["key"], row["definer"], row["is_trigger"], definition, row["form"])
    return functions


async def written_functions(connection: asyncpg.Connection) -> dict[str, Function]:
    """The functions of the files, made in a schema of their own that is rolled back."""
    extensions = {row[0] for row in await connection.fetch("SELECT extname FROM pg_extension")}
    statements = written_statements(extensions)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("CREATE SCHEMA written; SET LOCAL search_path = written, public")
        await connection.execute("SET LOCAL check_function_bodies = off")  # they may speak of each other
        for statement in statements:
            await connection.execute(statement)
        return await functions_in(connection, "written")
    finally:
        await transaction.rollback()


async def differences(connection: asyncpg.Connection) -> list[str]:
    """What the files and the connected database do not say alike; empty where they agree."""
    written, made = await written_functions(connection), await functions_in(connection, "public")
    return [
        *(f"{key} stands in a file alone" for key in written.keys() - made.keys()),
        *(f"{key} stands in the migrations alone" for key in made.keys() - written.keys()),
        *(f"{key} differs" for key in written.keys() & made.keys() if written[key].meaning != made[key].meaning),
    ]


def replacing(old: dict[str, Function], new: dict[str, Function]) -> str:
    """The statements that make ``old`` into ``new``, in a form that a revision can carry."""
    # One that begins or ceases to be a definer changes hands too.
    reshaped = {
        key for key in old.keys() & new.keys() if (old[key].form, old[key].definer) != (new[key].form, new[key].definer)
    }
    statements = [f"DROP FUNCTION {key}" for key in old if key not in new or key in reshaped]
    for key, function in new.items():
        is_new = key not in old or key in reshaped
        if is_new or old[key].meaning != function.meaning:
            statements.append(function.definition.strip())
        if is_new:
            statements += function.rights()
    return SEPARATOR.join(statements) + "\n" if statements else ""


async def write_copies(url: str, revision: str) -> None:
    """Compare the files with the database at ``url``, which stands at the revision before."""
    connection = await asyncpg.connect(url)
    try:
        written, made = await written_functions(connection), await functions_in(connection, "public")
    finally:
        await connection.close()
    for name, old, new in (("after", made, written), ("before", written, made)):
        path = COPIES / f"{revision}_{name}.sql"
        path.write_text(replacing(old, new), encoding="utf-8")
        print(f"{path.relative_to(SOURCE.parents[1])}: {len(path.read_text().split(SEPARATOR))} statements")


async def report(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        lines = await differences(connection)
    finally:
        await connection.close()
    print("\n".join(lines) or "The files and the migrations agree.")
    return 1 if lines else 0


def main(arguments: list[str]) -> int:
    """Start a server, migrate it as far as it matters, compare, and leave nothing behind."""
    directory = Path(tempfile.mkdtemp(prefix="deskhand-sql-"))
    try:
        with EmbeddedPostgres(directory, settings={"fsync": "off"}) as server:
            if not arguments:
                admin.upgrade(server.owner_url)
                return asyncio.run(report(server.superuser_url))
            script = ScriptDirectory.from_config(admin._config()).get_revision(arguments[0])
            admin.upgrade(server.owner_url, str(script.down_revision))
            asyncio.run(write_copies(server.superuser_url, script.revision))
            return 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

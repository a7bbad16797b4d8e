"""What every revision uses. Revisions are history: this module may grow, but what is here does not change."""

from __future__ import annotations

from importlib.resources import files

from alembic import op
from sqlalchemy.exc import ProgrammingError

from deskhand.errors import ConfigurationError

TENANT_CONDITION = "tenant_id = NULLIF(current_setting('app.current_tenant_id', true), '')"
TENANT_IS_PROVEN = "(SELECT session_proof()) IN ('tenant', 'unsealed')"
NO_TENANT_SET = "(SELECT NULLIF(current_setting('app.current_tenant_id', true), '')) IS NULL"

APP = "deskhand_app"
PLATFORM = "deskhand_platform"


def limits(*, lock_timeout: str, statement_timeout: str) -> None:
    """Bound this revision: better to fail than to stand in the queue for a lock and stop every writer behind it."""
    run(f"SET LOCAL lock_timeout = '{lock_timeout}'", f"SET LOCAL statement_timeout = '{statement_timeout}'")


def run(*statements: str) -> None:
    """Execute the statements as written, one by one (the driver prepares each, so each is alone)."""
    connection = op.get_bind()
    for statement in statements:
        connection.exec_driver_sql(statement)


def run_copy(name: str) -> None:
    """Execute the statements of a copy in ``migrations/sql`` that ``tools/sql_revision.py`` wrote."""
    text = files("deskhand.migrations.sql").joinpath(name).read_text(encoding="utf-8")
    run(*(statement for part in text.split("\n;;\n") if (statement := part.strip())))


def scalar(query: str) -> object:
    """The first column of the first row."""
    return op.get_bind().exec_driver_sql(query).scalar()


def keep_tenants_apart(table: str, *, policy: str | None = None) -> None:
    """Row-level security, enabled and forced: the tenant's policy for everyone, all rows for the platform role."""
    run(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {policy or f'{table}_tenant_isolation_policy'} ON {table}"
        f" USING ({TENANT_CONDITION}) WITH CHECK ({TENANT_CONDITION})",
        f"CREATE POLICY {table}_platform_policy ON {table} TO {PLATFORM} USING (true) WITH CHECK (true)",
    )


def ask_for_proof(table: str) -> None:
    """Beside ``keep_tenants_apart``: a session must prove its tenant; the platform role is bound to one that is set.

    Revisions from b8d20f5e7a61 on call both for a table of tenants.
    """
    run(
        f"CREATE POLICY {table}_proof_policy ON {table} AS RESTRICTIVE TO {APP} USING ({TENANT_IS_PROVEN})",
        f"ALTER POLICY {table}_platform_policy ON {table} USING ({NO_TENANT_SET}) WITH CHECK ({NO_TENANT_SET})",
    )


def grant(table: str, *, app: str = "SELECT, INSERT, UPDATE, DELETE", platform: str | None = None) -> None:
    """What the application may do under its policy, and the platform role (the same, if not said) on every row."""
    run(f"GRANT {app} ON {table} TO {APP}", f"GRANT {platform or app} ON {table} TO {PLATFORM}")


def define_for_application(signature: str, create: str) -> None:
    """Create a SECURITY DEFINER function for ``deskhand_app``, owned by the platform role.

    A new owner needs CREATE on the schema at that moment, so it is granted and taken back at once.

    Args:
        signature: ``name(argument types)``.
        create: The CREATE FUNCTION statement, with its own ``SET search_path``.
    """
    run(
        create,
        f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {signature} TO {APP}",
        f"GRANT CREATE ON SCHEMA public TO {PLATFORM}",
        f"ALTER FUNCTION {signature} OWNER TO {PLATFORM}",
        f"REVOKE CREATE ON SCHEMA public FROM {PLATFORM}",
    )


def extension_is_available(name: str) -> bool:
    """Whether the server's installation has the extension's files."""
    return name in _names("SELECT name FROM pg_available_extensions")


def has_extension(name: str) -> bool:
    """Whether the extension is in this database."""
    return name in _names("SELECT extname FROM pg_extension")


def need_extension(name: str) -> None:
    """Create the extension where it is missing.

    Raises:
        ConfigurationError: The server does not have it, or the owner may not create it; names what a DBA runs.
    """
    if not extension_is_available(name):
        raise ConfigurationError(
            f"This PostgreSQL lacks the extension {name!r}. Install the server's contrib package, then try again."
        )
    if not try_extension(name):
        raise ConfigurationError(
            f"The owner may not create an extension. Let a DBA run on this database: CREATE EXTENSION {name};"
        )


def try_extension(name: str) -> bool:
    """Create the extension where the server has it and the owner may; say whether it is there now."""
    if has_extension(name):
        return True
    if not extension_is_available(name):
        return False
    savepoint = op.get_bind().begin_nested()
    try:
        run(f"CREATE EXTENSION {name}")
    except ProgrammingError:
        savepoint.rollback()
        return False
    savepoint.commit()
    return True


def _names(query: str) -> set[str]:
    return set(op.get_bind().exec_driver_sql(query).scalars())

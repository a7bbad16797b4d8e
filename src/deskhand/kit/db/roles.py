"""The database roles, and the SQL that makes them.

``deskhand_owner`` owns and migrates. ``deskhand_app`` is the login of workers, and of the API for everything that one
tenant asks for: it owns nothing and every row it meets passes a policy. ``deskhand_platform`` cannot log in; it sees
every tenant's rows and owns the SECURITY DEFINER functions. ``deskhand_platform_login``, which API and command line
have and workers have not, reaches it by an explicit ``SET LOCAL ROLE`` alone, because the grant does not inherit.

``deskhand_owner`` inherits ``deskhand_platform``, so that migrations can move data although row-level security is
forced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import asyncpg

from deskhand.errors import ConfigurationError

OWNER_ROLE = "deskhand_owner"
APP_ROLE = "deskhand_app"
PLATFORM_ROLE = "deskhand_platform"
PLATFORM_LOGIN = "deskhand_platform_login"

_ROLES = (PLATFORM_ROLE, OWNER_ROLE, APP_ROLE, PLATFORM_LOGIN)

_SCRAM_ITERATIONS = 4096
_OLD_GRANTS = """
    SELECT quote_ident(pg_get_userbyid(m.grantor)) AS grantor
      FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
     WHERE u.rolname = $1 AND r.rolname = $2
"""


def scram_verifier(password: str) -> str:
    """The SCRAM-SHA-256 verifier PostgreSQL stores, so that no statement (and no log) carries the password.

    Source: https://www.postgresql.org/docs/current/catalog-pg-authid.html
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")

    def b64(raw: bytes) -> str:
        return base64.b64encode(raw).decode()

    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{b64(salt)}${b64(stored)}:{b64(server)}"


def role_statements(database: str, *, server_version: int) -> list[str]:
    """What a DBA runs once per cluster and database, in order.

    Args:
        database: Name of the database that Deskhand uses.
        server_version: Major version of the server; a grant carries its own INHERIT option from 16 on, and
            before that the attribute of the role decides, so both are set.
    """
    # Without inheritance the platform login sees no tenant's rows until it says SET ROLE, which a review can look for.
    only_on_demand = " WITH INHERIT FALSE, SET TRUE" if server_version >= 16 else ""
    quoted = '"' + database.replace('"', '""') + '"'
    return [
        f"CREATE ROLE {PLATFORM_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS",
        f"CREATE ROLE {OWNER_ROLE} LOGIN NOSUPERUSER NOBYPASSRLS INHERIT",
        f"CREATE ROLE {APP_ROLE} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT",
        f"CREATE ROLE {PLATFORM_LOGIN} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT",
        f"GRANT {PLATFORM_ROLE} TO {PLATFORM_LOGIN}{only_on_demand}",
        f"GRANT {PLATFORM_ROLE} TO {OWNER_ROLE}",
        f"ALTER DATABASE {quoted} OWNER TO {OWNER_ROLE}",
        # PostgreSQL lets every login connect to every database unless somebody says otherwise.
        f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {quoted} TO {APP_ROLE}, {PLATFORM_LOGIN}",
    ]


def _script(statements: list[str]) -> str:
    """The statements for a person to run in psql, which asks for the passwords."""
    lines = [f"{statement};" for statement in statements]
    made = [statement.split()[2] for statement in statements if statement.startswith("CREATE ROLE")]
    return "\n".join([*lines, *(f"\\password {role}" for role in made if role != PLATFORM_ROLE)]) + "\n"


async def _wanted(connection: asyncpg.Connection) -> list[str]:
    """What is to be run on this server: roles that are there are not made again, and what they may no more is taken."""
    database = await connection.fetchval("SELECT current_database()")
    version = connection.get_server_version().major
    existing = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
    statements = [
        statement
        for statement in role_statements(database, server_version=version)
        if not (statement.startswith("CREATE ROLE") and statement.split()[2] in existing)
    ]
    # Until there was a login of its own, the application's reached the platform role. From 16 on a membership is
    # revoked as who granted it.
    for row in await connection.fetch(_OLD_GRANTS, APP_ROLE, PLATFORM_ROLE):
        granted_by = f" GRANTED BY {row['grantor']}" if version >= 16 else ""
        statements.append(f"REVOKE {PLATFORM_ROLE} FROM {APP_ROLE}{granted_by}")
    return statements


async def create_roles(connection: asyncpg.Connection, passwords: Mapping[str, str] | None = None) -> None:
    """Make the roles where they are missing and grant what they need on the connected database.

    Args:
        connection: A login that may create roles and alter the database.
        passwords: To set, by role; a role that is not in it keeps what it has.

    Raises:
        ConfigurationError: The login may not do it; the message holds the SQL for a DBA.
    """
    statements = await _wanted(connection)
    try:
        # All or none: half a set of roles would pass for an installation that is ready.
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
            for role, password in (passwords or {}).items():
                await connection.execute(f"ALTER ROLE {role} PASSWORD '{scram_verifier(password)}'")
    except asyncpg.InsufficientPrivilegeError as error:
        database = await connection.fetchval("SELECT current_database()")
        raise ConfigurationError(
            f"This login may not create the database roles ({error}). Let a DBA run, in psql on database "
            f"{database}:\n\n{_script(statements)}"
        ) from error


async def roles_are_ready(connection: asyncpg.Connection) -> bool:
    """Whether all roles are there, and the application's may no longer become the platform's."""
    existing = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = ANY($1::text[])", _ROLES)
    return int(existing) == len(_ROLES) and not await connection.fetch(_OLD_GRANTS, APP_ROLE, PLATFORM_ROLE)

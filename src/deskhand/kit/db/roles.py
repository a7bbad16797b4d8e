"""The three database roles, and the SQL that makes them.

``deskhand_owner`` owns and migrates. ``deskhand_app`` is the login of API and workers: it owns nothing and
every row it meets passes a policy. ``deskhand_platform`` cannot log in; ``deskhand_app`` reaches it by an
explicit ``SET LOCAL ROLE`` alone, because the grant does not inherit.

``deskhand_platform`` also owns the SECURITY DEFINER functions. That needs no fourth role and gives away
nothing: what such a function may read, the application could read through ``SET ROLE`` as well.
``deskhand_owner`` inherits it, so that migrations can move data although row-level security is forced.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import asyncpg

from deskhand.errors import ConfigurationError

OWNER_ROLE = "deskhand_owner"
APP_ROLE = "deskhand_app"
PLATFORM_ROLE = "deskhand_platform"

_SCRAM_ITERATIONS = 4096


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
    app_grant = " WITH INHERIT FALSE, SET TRUE" if server_version >= 16 else ""
    quoted = '"' + database.replace('"', '""') + '"'
    return [
        f"CREATE ROLE {PLATFORM_ROLE} NOLOGIN NOSUPERUSER NOBYPASSRLS",
        f"CREATE ROLE {OWNER_ROLE} LOGIN NOSUPERUSER NOBYPASSRLS INHERIT",
        f"CREATE ROLE {APP_ROLE} LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT",
        f"GRANT {PLATFORM_ROLE} TO {APP_ROLE}{app_grant}",
        f"GRANT {PLATFORM_ROLE} TO {OWNER_ROLE}",
        f"ALTER DATABASE {quoted} OWNER TO {OWNER_ROLE}",
        f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {quoted} TO {APP_ROLE}",
    ]


def role_script(database: str, *, server_version: int) -> str:
    """The statements as a script for a person to run in psql, which asks for the passwords."""
    lines = [f"{statement};" for statement in role_statements(database, server_version=server_version)]
    lines += [f"\\password {OWNER_ROLE}", f"\\password {APP_ROLE}"]
    return "\n".join(lines) + "\n"


async def create_roles(
    connection: asyncpg.Connection,
    *,
    owner_password: str | None = None,
    app_password: str | None = None,
) -> None:
    """Make the roles where they are missing and grant what they need on the connected database.

    Args:
        connection: A login that may create roles and alter the database.
        owner_password: Set as the password of ``deskhand_owner``; None leaves it as it is.
        app_password: The same for ``deskhand_app``.

    Raises:
        ConfigurationError: The login may not do it; the message holds the SQL for a DBA.
    """
    database = await connection.fetchval("SELECT current_database()")
    version = connection.get_server_version().major
    existing = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
    passwords = {OWNER_ROLE: owner_password, APP_ROLE: app_password}
    try:
        async with connection.transaction():
            for statement in role_statements(database, server_version=version):
                verb, kind, name = statement.split()[:3]
                if (verb, kind) == ("CREATE", "ROLE") and name in existing:
                    continue
                await connection.execute(statement)
            for role, password in passwords.items():
                if password is not None:
                    await connection.execute(f"ALTER ROLE {role} PASSWORD '{scram_verifier(password)}'")
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"This login may not create the database roles ({error}). Let a DBA run, in psql on database "
            f"{database}:\n\n{role_script(database, server_version=version)}"
        ) from error


async def roles_exist(connection: asyncpg.Connection) -> bool:
    """Whether all three roles are there."""
    names = [OWNER_ROLE, APP_ROLE, PLATFORM_ROLE]
    found = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = ANY($1::text[])", names)
    return int(found) == len(names)

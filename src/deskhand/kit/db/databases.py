"""Databases of the embedded server: made with our roles and the extensions only a superuser may add, and dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import asyncpg

from deskhand.kit.db.roles import create_roles, roles_are_ready

MAINTENANCE = "postgres"
"""The database that every cluster has: whoever makes or drops another one is connected to it."""

_EXTENSIONS = ("pg_trgm", "vector")

SuperuserUrl = Callable[[str], str]
"""The superuser's address of a database, by its name."""


async def make_database(
    url_of: SuperuserUrl, name: str, *, passwords: Mapping[str, str], template: str | None = None
) -> None:
    """Create a database where it is missing, and on it what an installation needs.

    Args:
        url_of: The superuser's addresses.
        name: The database's.
        passwords: Of the roles, by role.
        template: Database to copy; nobody may be connected to it.
    """
    connection = await asyncpg.connect(url_of(MAINTENANCE))
    try:
        # Asked first, because PostgreSQL has no CREATE DATABASE IF NOT EXISTS.
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            copied = f' TEMPLATE "{template}"' if template else ""
            await connection.execute(f'CREATE DATABASE "{name}"{copied}')
    finally:
        await connection.close()
    connection = await asyncpg.connect(url_of(name))
    try:
        await create_roles(connection, passwords)
        # What the server does not bring is left out: without `vector` the search goes by a function of ours
        # (knowledge.sql).
        for extension in await connection.fetch(
            "SELECT name FROM pg_available_extensions WHERE name = ANY($1::text[])", list(_EXTENSIONS)
        ):
            await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension['name']}")
    finally:
        await connection.close()


async def drop_database(url_of: SuperuserUrl, name: str) -> None:
    """Drop a database, whoever is connected to it."""
    connection = await asyncpg.connect(url_of(MAINTENANCE))
    try:
        # FORCE ends other sessions: a test that failed may have left a worker connected.
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


async def is_ready(url_of: SuperuserUrl, name: str) -> bool:
    """False for a database that an earlier version made, with fewer roles."""
    connection = await asyncpg.connect(url_of(name))
    try:
        return await roles_are_ready(connection)
    finally:
        await connection.close()

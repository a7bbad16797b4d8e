"""A database in figures: what a backup says is in it, and what is found after a restore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import asyncpg

from deskhand.recovery.manifest import Figure, Manifest

Progress = Callable[[float], None]

_TABLES = """SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
   AND c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1"""
_SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
_EXTENSIONS = "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
_ROLES = """SELECT DISTINCT r.rolname FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
   WHERE d.refclassid = 'pg_authid'::regclass
     AND d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()) ORDER BY 1"""
_NOT_WHOLE = r"""SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
   AND c.relrowsecurity
   AND (NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*'
                       AND p.polroles = ARRAY[(SELECT oid FROM pg_roles WHERE rolname = 'deskhand_platform')]
                       AND pg_get_expr(p.polqual, p.polrelid) ~ '^true$|IS NULL\)$')
        OR EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive
                       AND p.polroles <> ARRAY[(SELECT oid FROM pg_roles WHERE rolname = 'deskhand_app')]))
   ORDER BY 1"""
# Rows as text, read the same way wherever they are counted.
_PLAIN = (
    "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = 'postgres';"
    " SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1;"
    " SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a database holds, counted in one transaction."""

    tables: dict[str, Figure]
    sequences: dict[str, int]


async def count(connection: asyncpg.Connection, progress: Progress) -> Found:
    """Count every table of the schema in the transaction that is open.

    Args:
        connection: As the owner, or a superuser.
        progress: Told the share that is done.
    """
    await connection.execute(_PLAIN)
    names = [row[0] for row in await connection.fetch(_TABLES)]
    tables = {}
    for number, name in enumerate(names, 1):
        quoted = '"' + name.replace('"', '""') + '"'
        # A sum and not a list: rows have no order in a table, and a restored one writes them in another.
        row = await connection.fetchrow(
            f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM public.{quoted} t"  # noqa: S608
        )
        tables[name] = Figure(rows=row[0], digest=row[1])
        progress(number / len(names))
    sequences = {row[0]: row[1] for row in await connection.fetch(_SEQUENCES)}
    return Found(tables, sequences)


async def extensions_of(connection: asyncpg.Connection) -> list[str]:
    """The extensions of the connected database."""
    return [row[0] for row in await connection.fetch(_EXTENSIONS)]


async def roles_of(connection: asyncpg.Connection) -> list[str]:
    """Who owns or may use something in the connected database."""
    return [row[0] for row in await connection.fetch(_ROLES)]


async def half_seen(connection: asyncpg.Connection) -> list[str]:
    """Tables of which the owner would not see every row: row-level security is forced on it as well."""
    return [row[0] for row in await connection.fetch(_NOT_WHOLE)]


def differences(manifest: Manifest, found: Found) -> list[str]:
    """What a restored database has otherwise than the backup says; empty where it is the same."""
    said, got = manifest.tables, found.tables
    faults = [f"table {name} is missing" for name in sorted(said.keys() - got.keys())]
    faults += [f"table {name} was not in the backup" for name in sorted(got.keys() - said.keys())]
    faults += [line for name in sorted(said.keys() & got.keys()) for line in _of_table(name, said[name], got[name])]
    return [*faults, *_of_sequences(manifest.sequences, found.sequences)]


def _of_table(name: str, said: Figure, got: Figure) -> list[str]:
    if said.rows != got.rows:
        return [f"table {name} has {got.rows:,} rows and not {said.rows:,}"]
    return [] if said.digest == got.digest else [f"table {name} has {said.rows:,} rows, and not the same ones"]


def _of_sequences(said: Mapping[str, int], got: Mapping[str, int]) -> list[str]:
    # They run on while the dump is made, outside of every transaction: behind is a fault, ahead is none.
    return [
        f"sequence {name} stands at {got.get(name)} and not at {value} or later"
        for name, value in sorted(said.items())
        if got.get(name, value - 1) < value
    ]

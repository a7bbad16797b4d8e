"""One tenant in a sealed file: written in one installation, read in another, with secrets under the other's keys.

The file (``kit.sealed``) holds a line of JSON about itself, then a line for each row, parents before their children.
What a tenant is goes along: its configuration and secrets, agents, knowledge with its vectors, runs with their traces,
notes, verdicts, budgets, and its audit chain entry by entry. What belongs to this place stays: people and their keys,
messages to them, and what was kept for repeated calls.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydantic import BaseModel, ValidationError
from sqlalchemy import Column, Table, text
from sqlalchemy.ext.asyncio import AsyncSession

import deskhand.models  # noqa: F401  (every table, or rows would be left behind)
from deskhand.agents.reencryption import SECRETS
from deskhand.audit import service as audit
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConflictError, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db import admin
from deskhand.kit.db.base import Base
from deskhand.kit.sealed import Sealer
from deskhand.tenants.rest import ensure_at_rest

KIND = "deskhand tenant"
BATCH = 500

STAYS_HERE = frozenset(
    {
        *("memberships", "invitations", "api_keys", "idempotency_keys", "identity_providers"),
        *("notifications", "notification_facts", "notification_choices", "approval_notices"),
        *("execution_starts", "history_refreshes"),
    }
)
"""People, keys and providers are of a place and come anew; messages and the last minutes' counts are of the moment."""

_SECRET = {(str(model.__table__), column) for model, columns in SECRETS for column in columns}
_OPEN = [one for one in ExecutionStatus if not one.is_final]


class Heading(BaseModel):
    """What a file says of itself."""

    kind: str
    tenant_id: str
    revision: str
    made_by: str


@dataclass(frozen=True, slots=True)
class Moved:
    """What was written or read: rows, by table."""

    tenant_id: str
    rows: dict[str, int]


def moved_tables() -> list[Table]:
    """Tables whose rows go along, parents first."""
    return [
        table for table in Base.metadata.sorted_tables if "tenant_id" in table.columns and table.name not in STAYS_HERE
    ]


async def write_tenant(
    session: AsyncSession,
    file: BinaryIO,
    passphrase: str,
    *,
    tenant_id: str,
    secrets: SecretBox,
    made_by: str,
    actor: str,
) -> Moved:
    """Write a tenant into a sealed file.

    Args:
        session: A platform session.
        file: Where it goes.
        passphrase: What opens it; it holds the tenant's credentials.
        tenant_id: Which.
        secrets: Opens what is encrypted here.
        made_by: The version of Deskhand.
        actor: Who does it.

    Raises:
        NotFoundError: There is no such tenant.
        ConflictError: It is active, or runs of it have not ended.
    """
    missing = "or what it does meanwhile would be missing in the file"
    await ensure_at_rest(session, tenant_id, ended=_OPEN, because=missing)
    sealer = Sealer(file, passphrase)
    heading = Heading(kind=KIND, tenant_id=tenant_id, revision=admin.head(), made_by=made_by)
    sealer.write(heading.model_dump_json().encode() + b"\n")
    rows: dict[str, int] = {}
    for table in moved_tables():
        async for row in _rows(session, table, tenant_id):
            sealer.write(json.dumps([table.name, _opened(table.name, row, secrets)]).encode() + b"\n")
            rows[table.name] = rows.get(table.name, 0) + 1
    sealer.finish()
    # Its credentials left this place: that is said here, and not in the file, which tells of the time before.
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="tenant.export",
        resource_type="tenant",
        resource_id=tenant_id,
        details={"rows": rows},
    )
    return Moved(tenant_id, rows)


async def read_tenant(session: AsyncSession, pieces: Iterator[bytes], *, secrets: SecretBox, actor: str) -> Moved:
    """Make a tenant of a file, deactivated, in the caller's transaction.

    Args:
        session: A platform session; nothing of the file may be committed before its end is read.
        pieces: The file's content.
        secrets: Encrypts what came in the clear.
        actor: Who does it.

    Raises:
        ConflictError: There is a tenant of that id, or was one.
        InvalidInputError: It is no such file, or of another version's schema.
    """
    lines = _lines(pieces)
    heading = _heading(next(lines, b""))
    await _ensure_unknown(session, heading.tenant_id)
    tables = {table.name: table for table in moved_tables()}
    rows: dict[str, int] = {}
    for line in lines:
        name, row = json.loads(line)
        if name not in tables or row.get("tenant_id") != heading.tenant_id:
            raise InvalidInputError(f"The file holds a row of {name!r} that is not of its tenant. Nothing was changed.")
        await _insert(session, tables[name], _sealed(name, row, secrets))
        rows[name] = rows.get(name, 0) + 1
    await audit.record(
        session,
        tenant_id=heading.tenant_id,
        actor=actor,
        operation="tenant.import",
        resource_type="tenant",
        resource_id=heading.tenant_id,
        details={"rows": rows},
    )
    return Moved(heading.tenant_id, rows)


async def _insert(session: AsyncSession, table: Table, row: dict[str, Any]) -> None:
    if table.name == "tenant_configs":
        row["is_active"] = False
    columns = ", ".join(f'"{column.name}"' for column in _written(table))
    # The names are our models'; what the file says is a value.
    source = f"SELECT {columns} FROM jsonb_populate_record(NULL::{table.name}, CAST(:row AS jsonb))"  # noqa: S608
    await session.execute(text(f"INSERT INTO {table.name} ({columns}) {source}"), {"row": json.dumps(row)})


async def _rows(session: AsyncSession, table: Table, tenant_id: str) -> AsyncIterator[dict[str, Any]]:
    # By what the database counts up where it does: the new place counts in the order in which rows arrive.
    counted = [column.name for column in table.columns if column.identity is not None]
    order = ", ".join(counted or [column.name for column in table.primary_key.columns])
    statement = text(f"SELECT to_jsonb(t) FROM {table.name} t WHERE tenant_id = :tenant ORDER BY {order}")  # noqa: S608 - our models
    result = await session.stream_scalars(statement, {"tenant": tenant_id}, execution_options={"yield_per": BATCH})
    kept = {column.name for column in _written(table)}
    async for row in result:
        yield {name: value for name, value in row.items() if name in kept}


def _written(table: Table) -> Sequence[Column[Any]]:
    return [column for column in table.columns if column.computed is None and column.identity is None]


def _opened(table: str, row: dict[str, Any], secrets: SecretBox) -> dict[str, Any]:
    return {
        name: secrets.decrypt(_token(value)) if _is_secret(table, name, value) else value for name, value in row.items()
    }


def _sealed(table: str, row: dict[str, Any], secrets: SecretBox) -> dict[str, Any]:
    made = {name: secrets.encrypt(value) if _is_secret(table, name, value) else value for name, value in row.items()}
    for column in Base.metadata.tables[table].columns:
        # What is bytes in the database is written in hexadecimal digits there and here.
        if _is_secret(table, column.name, row.get(column.name)) and column.type.python_type is bytes:
            made[column.name] = "\\x" + str(made[column.name]).encode().hex()
    return made


def _is_secret(table: str, column: str, value: object) -> bool:
    return value is not None and (table, column) in _SECRET


def _token(value: str) -> str:
    return bytes.fromhex(value[2:]).decode() if value.startswith("\\x") else value


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        raise InvalidInputError("The file ends within a row.")


def _heading(line: bytes) -> Heading:
    try:
        heading = Heading.model_validate_json(line)
    except ValidationError as error:
        raise InvalidInputError(
            "This is no tenant's file; a whole installation is brought back by `deskhand restore`."
        ) from error
    if heading.kind != KIND or heading.revision != admin.head():
        raise InvalidInputError(
            f"The file was made by Deskhand {heading.made_by} with schema {heading.revision}; this one has"
            f" {admin.head()}. Bring both installations to the same version first."
        )
    return heading


async def _ensure_unknown(session: AsyncSession, tenant_id: str) -> None:
    known = text(
        "SELECT EXISTS (SELECT 1 FROM tenant_configs WHERE tenant_id = :tenant)"
        " OR EXISTS (SELECT 1 FROM audit_log WHERE tenant_id = :tenant)"
    )
    if await session.scalar(known, {"tenant": tenant_id}):
        raise ConflictError(f"There is, or was, a tenant '{tenant_id}' here; two are never mixed. Nothing was changed.")

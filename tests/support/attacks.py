"""What every attack needs: the application's entrances, listed from its code, and the sight of what must not change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from tests.support.api import AGENT

CANARY = "f0reign-canary"
"""Stands in everything the foreign tenant has, and may come back to nobody else."""
EVIL = "evil.test"
MARK = "5entinel-5entinel"
"""What an attacker tries to have stored where no field is offered for it."""

# A body that each operation takes, so that an attack fails by what it adds and by nothing else.
PROVIDER: dict[str, Any] = {"name": "Acme", "issuer": "https://login.example.com", "client_id": "c",
                            "client_secret": "s" * 20, "role_rules": [{"group": "g", "role": "viewer"}]}  # fmt: skip
PLATFORMS = frozenset({"create_tenant", "create_identity_provider", "change_identity_provider"})
"""Operations that a platform administrator alone may ask for."""
BODIES: dict[str, dict[str, Any]] = {
    "create_tenant": {"tenant_id": "initech", "name": "Initech", "servicedesk_url": "https://desk.example.com",
                      "servicedesk_api_key": "k" * 20},
    "update_tenant": {"name": "Acme"},
    "create_api_key": {"name": "attack", "role": "viewer"},
    "invite_person": {"email": "new@example.com", "role": "viewer"},
    "change_person": {"role": "viewer"},
    "create_tenant_identity_provider": PROVIDER,
    "change_tenant_identity_provider": {"name": "Acme"},
    "create_identity_provider": {**PROVIDER, "role_rules": [{"group": "g", "role": "platform_admin"}]},
    "change_identity_provider": {"name": "Acme"},
    "create_agent": AGENT,
    "update_agent": {"description": "as before"},
    "preview_schedule": {"schedule_cron": "0 9 * * *"},
    "try_event_filter": {"event_filter": {"status": ["Open"]}},
    "try_webhook": {"ticket_id": "1042"},
    "replay_execution": {"mode": "dry_run"},
    "try_agent": {"payload": {"event": "request.created", "request_id": "1042"}},
    "retry_execution_with": {"ticket_ref": "1042"},
    "answer_doubt": {"step_key": "none", "done": False},
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One value that a route takes."""

    method: str
    path: str
    place: str
    name: str
    annotation: Any


def parameters(app: FastAPI) -> Iterator[Parameter]:
    """Every query, form and path parameter of every route, those inside a model one by one."""
    for context in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(context, "dependant", None)
        for method in (context.methods or {"GET"}) - {"HEAD"}:
            for place, field in _fields(dependant):
                for name, annotation in _leaves(field.alias, field.field_info.annotation):
                    # Without the convertors, with which an address cannot be filled in.
                    yield Parameter(method, re.sub(r":\w+}", "}", str(context.path)), place, name, annotation)


def _fields(dependant: Dependant | None) -> Iterator[tuple[str, Any]]:
    if dependant is None:
        return
    for place in ("path", "query", "body"):
        for field in getattr(dependant, f"{place}_params"):
            yield place, field
    for inner in dependant.dependencies:
        yield from _fields(inner)


def _leaves(name: str, annotation: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for inner, field in annotation.model_fields.items():
            yield field.alias or inner, field.annotation
    else:
        yield name, annotation


def operations_with_a_body(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Method, path, operation id and schema of every operation that takes a JSON body."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {}) if isinstance(operation, dict) else {}
            if "application/json" in content:
                schema = resolved(document, content["application/json"]["schema"])
                if "properties" in schema:
                    yield method.upper(), path, operation["operationId"], schema


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema, followed to where it stands; of alternatives the fields of all."""
    if "$ref" in schema:
        return resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    alternatives = [resolved(document, one) for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
    fields = {name: field for one in alternatives for name, field in one.get("properties", {}).items()}
    return {**schema, "properties": {**fields, **schema.get("properties", {})}} if fields else dict(schema)


async def fingerprint(superuser_url: str, tenant_id: str) -> dict[str, str]:
    """A hash of all that a tenant has, by table; what was looked at (last uses) does not count."""
    connection = await asyncpg.connect(superuser_url)
    try:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'"
            " AND table_schema = 'public' AND table_name IN (SELECT tablename FROM pg_tables)"
        )
        prints = {}
        for (table,) in tables:
            rows = await connection.fetch(
                f"SELECT (to_jsonb(t) - 'last_used_at' - 'used_at')::text AS row FROM \"{table}\" t"
                " WHERE tenant_id = $1 ORDER BY 1",
                tenant_id,
            )
            prints[table] = hashlib.sha256("\n".join(row["row"] for row in rows).encode()).hexdigest()
        return prints
    finally:
        await connection.close()


async def stored_texts(superuser_url: str) -> dict[str, str]:
    """Everything in the database, as text, by table: bytes and documents included."""
    connection = await asyncpg.connect(superuser_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        texts = {}
        for (table,) in tables:
            rows = await connection.fetch(f'SELECT to_jsonb(t)::text AS row FROM "{table}" t')
            texts[table] = "\n".join(row["row"] for row in rows)
        return texts
    finally:
        await connection.close()


async def plant_canaries(superuser_url: str, tenant_id: str) -> None:
    """Put the canary into every name and text of a tenant."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for table, columns in (
            ("tenant_configs", ("name",)),
            ("agents", ("name", "description")),
            ("api_keys", ("name",)),
            ("agent_executions", ("ticket_ref", "error_message")),
            ("audit_log", ("operation",)),
        ):
            changed = ", ".join(f"{column} = '{CANARY}'" for column in columns)
            await connection.execute(f"UPDATE {table} SET {changed} WHERE tenant_id = $1", tenant_id)
        await connection.execute(
            f"UPDATE users SET name = '{CANARY}' WHERE id IN (SELECT user_id FROM memberships WHERE tenant_id = $1)",
            tenant_id,
        )
    finally:
        await connection.close()


# Columns that hold a word or a name of ours, which no stranger writes and every page reads.
_OURS = (
    "status", "state", "kind", "role", "tool_type", "trigger_type", "timezone", "zone", "cron", "hash", "digest",
    "prefix", "_encrypted", "secret", "policy", "code", "_id", "id", "email", "mode", "step_key", "worker", "version",
    "current_tenant", "config", "audience",
)  # fmt: skip
_SHOWN = ("agents", "agent_executions", "execution_steps", "users", "tenant_configs", "api_keys", "knowledge_articles",
          "webhook_deliveries", "agent_versions", "audit_log")  # fmt: skip


async def canary_columns(connection: asyncpg.Connection[asyncpg.Record]) -> list[tuple[str, str, int | None]]:
    """Table, column and length of every text that somebody outside writes and some page may show."""
    rows = await connection.fetch(
        "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type IN ('text', 'character varying') AND table_name = ANY($1)"
        " AND is_generated = 'NEVER'",
        list(_SHOWN),
    )
    return [tuple(row) for row in rows if not row["column_name"].endswith(_OURS)]

"""Connections to models: made, changed, removed. Runs in a tenant session, or a platform session for the shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.gateways import repository
from deskhand.gateways.models import ConnectionKind, ModelConnection, SharedModelConnection
from deskhand.gateways.repository import Connection
from deskhand.gateways.schemas import ConnectionChange, ConnectionReport, ConnectionView, NewConnection, fault_of
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import database_now
from deskhand.kit.nearest import what_exists

MOST_CONNECTIONS = 50


async def list_connections(session: AsyncSession, tenant_id: str | None) -> list[ConnectionView]:
    """A tenant's own, then the platform's that it may use; for the platform (None) all of the platform's."""
    own = await repository.list_own(session) if tenant_id is not None else ()
    shared = await repository.list_shared(session, tenant_id)
    rows: list[Connection] = [*own, *shared]
    return [view(row, tenant_id) for row in rows]


async def visible(session: AsyncSession, tenant_id: str) -> list[Connection]:
    """What agents of a tenant may use; of two with one slug its own alone."""
    own, shared = await repository.list_own(session), await repository.list_shared(session, tenant_id)
    named = {row.slug for row in own}
    return [*own, *(row for row in shared if row.slug not in named)]


async def shared(session: AsyncSession) -> list[Connection]:
    """All of the platform's; in a platform session."""
    return [*await repository.list_shared(session, None)]


async def get_connection(session: AsyncSession, slug: str, tenant_id: str | None) -> Connection:
    """One that the caller may change: the tenant's own, or for the platform (None) a shared one.

    Raises:
        NotFoundError: There is none of this slug.
    """
    row = await repository.find(session, slug, shared=tenant_id is None)
    if row is None:
        known = [one.slug for one in await list_connections(session, tenant_id) if not (one.by_platform and tenant_id)]
        raise NotFoundError(f"There is no model connection '{slug}'; {what_exists(slug, known)}.")
    return row


async def add_connection(
    session: AsyncSession,
    data: NewConnection,
    *,
    tenant_id: str | None,
    secrets: SecretBox,
    may_be_plain: bool,
    actor: str,
) -> ConnectionView:
    """Keep a new connection.

    Args:
        session: Of the tenant; of the platform where there is none.
        data: The connection.
        tenant_id: Whose; None: the platform's.
        secrets: Encrypts the key.
        may_be_plain: Whether tenants' addresses may do without TLS, as on an installation that allows private ones.
        actor: Who asks, for the audit log.

    Raises:
        ConflictError: Its slug is taken, or there are too many.
        InvalidInputError: It is none that a tenant may have.
    """
    if await repository.count(session, shared=tenant_id is None) >= MOST_CONNECTIONS:
        raise ConflictError(f"There are {MOST_CONNECTIONS} model connections already; remove one first.")
    if tenant_id is not None and data.kind is ConnectionKind.LITELLM_SDK:
        raise _refused(
            "/kind",
            "'litellm_sdk' is for the platform alone: that library opens connections past the guard of addresses and"
            " takes credentials of the machine it runs on. Every vendor it knows also answers at an address: use"
            " 'openai_compatible'",
        )
    values = data.model_dump(exclude={"api_key", "tenants"}, mode="json")
    row = _new(tenant_id, values)
    _set_tenants(row, data.tenants)
    _set_key(row, data.api_key, secrets)
    _ensure_encrypted(row, may_be_plain=may_be_plain)
    if row.is_default:
        await repository.no_other_default(session, shared=tenant_id is None)
    await repository.add(session, row)
    await _record(session, row, "model_connection.create", actor)
    return view(row, tenant_id)


async def change_connection(
    session: AsyncSession,
    slug: str,
    data: ConnectionChange,
    *,
    tenant_id: str | None,
    secrets: SecretBox,
    may_be_plain: bool,
    actor: str,
) -> ConnectionView:
    """Change a connection; the arguments are those of ``add_connection``.

    Raises:
        NotFoundError: There is none of this slug.
        InvalidInputError: The stored key would go to another host, or the result is none that there can be.
    """
    row = await get_connection(session, slug, tenant_id)
    before, fields = audited(row), data.model_fields_set
    # Whoever may change an address alone could have the key sent to a host of theirs and read it there.
    moves = "base_url" in fields and _host(data.base_url) != _host(row.base_url)
    if moves and row.api_key_encrypted is not None and "api_key" not in fields:
        raise _refused("/api_key", "is stored for another host; send it again together with the new base_url")
    if data.is_default and not row.is_default:
        await repository.no_other_default(session, shared=tenant_id is None)
    for name in fields - {"api_key", "tenants"}:
        setattr(row, name, getattr(data, name))
    if "tenants" in fields:
        _set_tenants(row, data.tenants)
    if "api_key" in fields:
        _set_key(row, data.api_key, secrets)
    if fault := fault_of(ConnectionKind(row.kind), row.base_url, has_key=row.api_key_encrypted is not None):
        raise _refused("/base_url", fault)
    _ensure_encrypted(row, may_be_plain=may_be_plain)
    if moves:
        # Of another server, and nobody has asked this one.
        row.listed_models, row.checked_at, row.check_fault = [], None, None
    await session.flush()
    await session.refresh(row)
    renewed = {"renewed": "api_key"} if "api_key" in fields else {}
    await _record(session, row, "model_connection.update", actor, before=before, details=renewed)
    return view(row, tenant_id)


async def remove_connection(session: AsyncSession, slug: str, *, tenant_id: str | None, actor: str) -> None:
    """Remove a connection with its key; agents that name it fail until they name another.

    Raises:
        NotFoundError: There is none of this slug.
    """
    row = await get_connection(session, slug, tenant_id)
    await session.delete(row)
    await session.flush()
    await _record(session, row, "model_connection.delete", actor, before=audited(row))


async def keep_report(
    session: AsyncSession, slug: str, report: ConnectionReport, *, tenant_id: str | None, actor: str
) -> None:
    """Remember what a test found: the models that the gateway lists are from then on offered to agents.

    Raises:
        NotFoundError: The connection was removed meanwhile.
    """
    row = await get_connection(session, slug, tenant_id)
    before = audited(row)
    if report.listed_models is not None:
        row.listed_models = report.listed_models
    row.check_fault = next((one.detail for one in report.checks if not one.ok), None)
    row.checked_at = await database_now(session)
    await session.flush()
    await session.refresh(row)
    details = {"ok": report.ok, "models": len(report.listed_models or ())}
    await _record(session, row, "model_connection.test", actor, before=before, details=details)


def view(row: Connection, tenant_id: str | None) -> ConnectionView:
    """A connection as its tenant or the platform (None) may see it."""
    is_shared = isinstance(row, SharedModelConnection)
    foreign = is_shared and tenant_id is not None
    return ConnectionView(
        slug=row.slug,
        kind=ConnectionKind(row.kind),
        name=row.name,
        by_platform=is_shared,
        base_url=None if foreign else row.base_url,
        has_key=row.api_key_encrypted is not None,
        aliases=row.aliases,
        is_local=row.is_local,
        region=row.region,
        is_default=row.is_default,
        tenants=row.tenants if isinstance(row, SharedModelConnection) and not foreign else None,
        listed_models=row.listed_models,
        checked_at=row.checked_at,
        # It names the platform's host.
        check_fault=None if foreign else row.check_fault,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def audited(row: Connection) -> dict[str, Any]:
    """What the audit log keeps of a connection: where it leads and who may use it, without its key."""
    names = ("kind", "name", "base_url", "aliases", "is_local", "region", "is_default")
    more = {"tenants": row.tenants} if isinstance(row, SharedModelConnection) else {}
    return {**{name: getattr(row, name) for name in names}, **more, "has_key": row.api_key_encrypted is not None}


def _new(tenant_id: str | None, values: Mapping[str, Any]) -> Connection:
    return SharedModelConnection(**values) if tenant_id is None else ModelConnection(tenant_id=tenant_id, **values)


def _set_tenants(row: Connection, tenants: list[str] | None) -> None:
    if isinstance(row, SharedModelConnection):
        row.tenants = None if tenants is None else sorted(set(tenants))
    elif tenants is not None:
        raise _refused("/tenants", "belongs to the platform's connections; this one is the tenant's own")


def _set_key(row: Connection, key: SecretStr | None, secrets: SecretBox) -> None:
    row.api_key_encrypted = None if key is None else secrets.encrypt(key.get_secret_value())


def _ensure_encrypted(row: Connection, *, may_be_plain: bool) -> None:
    is_own = isinstance(row, ModelConnection)
    if is_own and row.base_url is not None and not may_be_plain and urlsplit(row.base_url).scheme != "https":
        raise _refused("/base_url", "must begin with https://: the key and what tickets say would go over it unread")


def _host(url: str | None) -> tuple[str, str | None, int | None]:
    # Another path on the same host hears nothing new.
    parts = urlsplit(url or "")
    return parts.scheme, parts.hostname, parts.port


def _refused(place: str, fault: str) -> InvalidInputError:
    return InvalidInputError(f"{place.removeprefix('/')} {fault}.", errors=[FieldProblem(place, fault)])


async def _record(
    session: AsyncSession,
    row: Connection,
    operation: str,
    actor: str,
    *,
    before: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    await audit.record(
        session,
        tenant_id=row.tenant_id if isinstance(row, ModelConnection) else audit.PLATFORM,
        actor=actor,
        operation=operation,
        resource_type="model_connection",
        resource_id=row.slug,
        before=before,
        after=None if operation.endswith(".delete") else audited(row),
        details=details,
    )

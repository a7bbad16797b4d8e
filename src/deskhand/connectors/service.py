"""Tool sources of a tenant: made, changed, removed, and connected for a run. Runs inside a tenant session."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.connectors import repository
from deskhand.connectors.kinds import KINDS
from deskhand.connectors.mcp.changes import settled
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.schemas import CredentialInput, OperationChoice, SourceChange
from deskhand.connectors.values import MOST_ENABLED, Connection, Credential, SourceOperation
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.nearest import what_exists
from deskhand.kit.pointer import pointer

MOST_SOURCES = 20


async def list_sources(session: AsyncSession) -> Sequence[ToolSource]:
    """Every source of the tenant, by slug."""
    return await repository.list_rows(session)


async def get_source(session: AsyncSession, slug: str, *, for_update: bool = False) -> ToolSource:
    """One of them.

    Raises:
        NotFoundError: There is none of this slug.
    """
    source = await repository.find_row(session, slug, for_update=for_update)
    if source is None:
        known = [one.slug for one in await repository.list_rows(session)]
        raise NotFoundError(f"There is no tool source '{slug}'; {what_exists(slug, known)}.")
    return source


def operations_of(source: ToolSource) -> list[SourceOperation]:
    """What a source offers, switched on or not."""
    return [SourceOperation(**stored) for stored in source.operations]


async def add_source(
    session: AsyncSession, source: ToolSource, *, credential: CredentialInput | None, secrets: SecretBox, actor: str
) -> ToolSource:
    """Keep a source that its kind has read.

    Raises:
        ConflictError: Its slug is taken, or there are too many.
    """
    if await repository.count_rows(session) >= MOST_SOURCES:
        raise ConflictError(f"There are {MOST_SOURCES} tool sources already; remove one first.")
    set_credential(source, credential, secrets)
    await repository.add_row(session, source)
    await record(session, source, "tool_source.create", actor)
    return source


async def change_source(
    session: AsyncSession, slug: str, data: SourceChange, *, secrets: SecretBox, actor: str
) -> ToolSource:
    """Rename a source, give it another credential, choose and classify its operations.

    Raises:
        NotFoundError: There is none of this slug.
        InvalidInputError: It has no such operation, or one cannot be used, or there are too many.
    """
    source = await get_source(session, slug, for_update=True)
    before = audited(source)
    if data.name is not None:
        source.name = data.name
    set_credential(source, data.credential, secrets)
    if data.operations:
        set_operations(source, chosen(operations_of(source), data.operations))
    await save(session, source)
    details = {"renewed": "credential"} if data.credential is not None else {}
    await record(session, source, "tool_source.update", actor, before=before, details=details)
    return source


async def remove_source(session: AsyncSession, slug: str, *, actor: str) -> None:
    """Remove a source; agents that were granted it go on without.

    Raises:
        NotFoundError: There is none of this slug.
    """
    source = await get_source(session, slug, for_update=True)
    before = audited(source)
    await session.delete(source)
    await session.flush()
    await record(session, source, "tool_source.delete", actor, before=before)


async def save(session: AsyncSession, source: ToolSource) -> None:
    """Count and store a change."""
    source.revision += 1
    await session.flush()
    await session.refresh(source)


def chosen(
    operations: Sequence[SourceOperation], choices: Mapping[str, OperationChoice], *, at: str = "operations"
) -> list[SourceOperation]:
    """The operations with what the tenant says of them.

    Raises:
        InvalidInputError: A choice names none of them.
    """
    known = [one.name for one in operations]
    faults = [
        FieldProblem(pointer([at, name]), f"the source has no operation '{name}'; {what_exists(name, known)}")
        for name in choices
        if name not in known
    ]
    if faults:
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)
    return [_as_chosen(one, choices.get(one.name)) for one in operations]


def set_operations(source: ToolSource, operations: Sequence[SourceOperation]) -> None:
    """Give a source these operations, those that are switched on made ready by its kind.

    Raises:
        InvalidInputError: One cannot be used, or too many are switched on.
    """
    enabled = [one for one in operations if one.is_enabled]
    if len(enabled) > MOST_ENABLED:
        fault = FieldProblem("/operations", f"switches on {len(enabled)} operations; {MOST_ENABLED} are the most")
        raise InvalidInputError(f"A model cannot choose among so many: it {fault.detail}.", errors=[fault])
    prepare = KINDS[SourceKind(source.kind)].prepare
    ready = {one.name: one for one in (prepare(source, enabled) if prepare else enabled)}
    source.operations = [ready.get(one.name, one).as_stored() for one in operations]


def set_credential(source: ToolSource, credential: CredentialInput | None, secrets: SecretBox) -> None:
    """Give a source a new credential; None keeps what it has."""
    if credential is not None:
        kept = credential.model_dump(mode="json") | {"secret": credential.secret.get_secret_value()}
        source.credential_encrypted = secrets.encrypt(json.dumps(kept))


def connection_of(source: ToolSource, secrets: SecretBox) -> Connection:
    """A source as its kind calls it.

    Raises:
        ConfigurationError: Its credential cannot be decrypted.
    """
    return Connection(
        tool_id=source.tool_id,
        name=source.name,
        configuration=source.configuration,
        credential=_credential(source, secrets),
    )


async def granted_sources(session: AsyncSession, tool_ids: Collection[str]) -> list[ToolSource]:
    """The sources among an agent's tools that are there, by slug."""
    return [source for source in await repository.list_rows(session) if source.tool_id in tool_ids]


async def record(
    session: AsyncSession,
    source: ToolSource,
    operation: str,
    actor: str,
    *,
    before: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write a change of a source to the audit log."""
    await audit.record(
        session,
        tenant_id=source.tenant_id,
        actor=actor,
        operation=operation,
        resource_type="tool_source",
        resource_id=source.tool_id,
        before=before,
        after=None if operation.endswith(".delete") else audited(source),
        details=details,
    )


def audited(source: ToolSource) -> dict[str, Any]:
    """What the audit log keeps of a source: whatever decides what may be called, without its schemas."""
    enabled = {one["name"]: "write" if one["is_write"] else "read" for one in source.operations if one["is_enabled"]}
    return {"name": source.name, "configuration": dict(source.configuration), "operations": enabled}


def _as_chosen(operation: SourceOperation, choice: OperationChoice | None) -> SourceOperation:
    if choice is None:
        return operation
    if choice.enabled is False:
        operation = settled(operation)
    return replace(
        operation,
        is_enabled=operation.is_enabled if choice.enabled is None else choice.enabled,
        is_write=operation.is_write if choice.access is None else choice.access == "write",
        repeatable=operation.repeatable if choice.repeatable is None else choice.repeatable,
    )


def _credential(source: ToolSource, secrets: SecretBox) -> Credential | None:
    if source.credential_encrypted is None:
        return None
    kept = json.loads(secrets.decrypt(source.credential_encrypted))
    return CredentialInput.model_validate({**kept, "secret": SecretStr(kept["secret"])}).credential()

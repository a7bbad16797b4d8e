"""MCP servers as sources of a tenant: connected, asked again, suspended and accepted. Runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.connectors import repository
from deskhand.connectors.kinds import KINDS
from deskhand.connectors.mcp.changes import accepted, compared, suspended
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.schemas import McpSource
from deskhand.connectors.service import (
    add_source,
    audited,
    chosen,
    get_source,
    operations_of,
    record,
    save,
    set_operations,
)
from deskhand.connectors.values import Connection, Described
from deskhand.errors import InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory


async def read(connection: Connection, kind: SourceKind, http: HttpClientFactory) -> Described:
    """Ask a source what it can do, outside of any transaction.

    Raises:
        SourceError: It does not say.
    """
    reader = KINDS[kind].read
    if reader is None:
        raise InvalidInputError("What this source can do stands in its document: renew that.")
    return await reader(connection, http)


async def read_new(data: McpSource, http: HttpClientFactory) -> Described:
    """Ask a server that is to be kept what it can do, outside of any transaction.

    Raises:
        SourceError: It does not say.
    """
    connection = Connection(
        tool_id=f"{SourceKind.MCP}:{data.slug}",
        name=data.name,
        configuration=data.configuration,
        credential=data.credential.credential() if data.credential else None,
    )
    return await read(connection, SourceKind.MCP, http)


async def make_source(
    session: AsyncSession, data: McpSource, described: Described, *, tenant_id: str, secrets: SecretBox, actor: str
) -> ToolSource:
    """Keep a source, with what the tenant chose of what it says.

    Raises:
        InvalidInputError: It has no such operation, or one cannot be used, or there are too many.
        ConflictError: Its slug is taken, or there are too many sources.
    """
    source = ToolSource(
        tenant_id=tenant_id,
        slug=data.slug,
        kind=SourceKind.MCP,
        name=data.name,
        configuration=data.configuration,
    )
    set_operations(source, chosen(described.operations, data.operations))
    return await add_source(session, source, credential=data.credential, secrets=secrets, actor=actor)


async def refresh_source(session: AsyncSession, slug: str, described: Described, *, actor: str) -> ToolSource:
    """Take over what a source says of itself now.

    Raises:
        NotFoundError: There is no such source any more.
    """
    source = await get_source(session, slug, for_update=True)
    now = [one.as_stored() for one in compared(operations_of(source), described.operations)]
    if now == source.operations:
        return source
    before = audited(source)
    source.operations = now
    await save(session, source)
    await record(session, source, "tool_source.refresh", actor, before=before)
    return source


async def accept_changes(session: AsyncSession, slug: str, digests: Mapping[str, str], *, actor: str) -> ToolSource:
    """Switch on again what its source changed, as somebody has read it.

    Raises:
        NotFoundError: There is no such source.
        InvalidInputError: No change of such an operation waits, or it cannot be used as it is now.
        ConflictError: It has changed again since it was read.
    """
    source = await get_source(session, slug, for_update=True)
    before = audited(source)
    set_operations(source, accepted(operations_of(source), digests))
    await save(session, source)
    await record(session, source, "tool_source.accept", actor, before=before, details={"digests": dict(digests)})
    return source


async def suspend_operation(session: AsyncSession, tool_id: str, name: str, *, revision: int, actor: str) -> None:
    """Switch off what was found to be another tool than the one that was accepted.

    Args:
        session: Of the tenant.
        tool_id: Of the source.
        name: Of the operation.
        revision: Of the source as the run knows it; what somebody has changed since is left alone.
        actor: Name in the audit log.
    """
    source = await repository.find_row(session, tool_id.partition(":")[2], for_update=True)
    if source is None or source.revision != revision:
        return
    before = audited(source)
    source.operations = [one.as_stored() for one in suspended(operations_of(source), name)]
    await save(session, source)
    await record(session, source, "tool_source.suspend", actor, before=before, details={"operation": name})

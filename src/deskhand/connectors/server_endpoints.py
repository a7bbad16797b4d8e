"""MCP servers as sources, over the API: connected, asked again, and what they changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, status

from deskhand.access.guards import TenantAdmin, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.connectors import servers, service
from deskhand.connectors.endpoints import SourceSlug, shown, state_of_change
from deskhand.connectors.errors import SourceRefusedError, SourceUnavailableError
from deskhand.connectors.mcp.changes import change_of, is_waiting
from deskhand.connectors.models import SourceKind
from deskhand.connectors.schemas import Acceptance, McpSource, OperationChangeView, OperationWords, SourceView
from deskhand.connectors.values import Described, SourceOperation
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/tool-sources", tags=["tools"], route_class=IdempotentRoute)

_FAILURES = (SourceRefusedError, SourceUnavailableError)
_MADE = problem_responses(ConflictError, InvalidInputError, *_FAILURES)
_READ = problem_responses(NotFoundError, InvalidInputError, *_FAILURES)
_CHANGES = problem_responses(NotFoundError, InvalidInputError, ConflictError)
_KNOWN = problem_responses(NotFoundError, InvalidInputError)


async def _read(data: McpSource, _admin: TenantAdmin, app: App) -> Described:
    # Before the transaction begins: a slow source must not hold a database connection.
    return await servers.read_new(data, app.http)


async def _read_again(source: SourceSlug, admin: TenantAdmin, app: App) -> Described:
    assert admin.tenant_id is not None  # the guard refused it before
    async with app.db.tenant_session(admin.tenant_id) as session:
        known = await service.get_source(session, source)
        kind, connection = SourceKind(known.kind), service.connection_of(known, app.secrets)
    return await servers.read(connection, kind, app.http)


@router.post("/mcp", operation_id="create_mcp_source", status_code=status.HTTP_201_CREATED, responses=_MADE)
async def create_mcp_source(
    data: McpSource,
    admin: TenantAdmin,
    described: Annotated[Described, Depends(_read)],
    session: TenantSession,
    app: App,
) -> SourceView:
    """Let agents of the tenant call an MCP server: it is asked what it can do, and only what is chosen is on."""
    assert admin.tenant_id is not None  # the session dependency refused it before
    made = await servers.make_source(
        session, data, described, tenant_id=admin.tenant_id, secrets=app.secrets, actor=admin.actor
    )
    return shown(made)


@router.post("/{source}/refresh", operation_id="refresh_tool_source", responses=_READ)
async def refresh_source(
    source: SourceSlug,
    admin: TenantAdmin,
    described: Annotated[Described, Depends(_read_again)],
    session: TenantSession,
) -> SourceView:
    """Ask a tool source again what it can do, which shows whether it answers; changes of what is on wait."""
    return shown(await servers.refresh_source(session, source, described, actor=admin.actor))


@router.get("/{source}/changes", operation_id="list_tool_source_changes", responses=_KNOWN)
async def list_changes(_viewer: Viewer, session: TenantSession, source: SourceSlug) -> list[OperationChangeView]:
    """List operations that are off because the source says something else of them by now."""
    operations = service.operations_of(await service.get_source(session, source))
    return [_change(one) for one in operations if is_waiting(one)]


@router.post("/{source}/changes", operation_id="accept_tool_source_changes", responses=_CHANGES)
async def accept_changes(
    admin: TenantAdmin, session: TenantSession, source: SourceSlug, data: Acceptance
) -> SourceView:
    """Accept changes that somebody has read, each by its digest, and switch their operations on again."""
    return shown(await servers.accept_changes(session, source, data.operations, actor=admin.actor))


def _change(operation: SourceOperation) -> OperationChangeView:
    now = change_of(operation)
    return OperationChangeView(
        name=operation.name,
        state=state_of_change(operation),
        accepted=_words(operation),
        now=None if now is None else _words(now),
        digest=None if now is None else now.call["digest"],
        fault="" if now is None else now.call["fault"],
    )


def _words(operation: SourceOperation) -> OperationWords:
    return OperationWords(description=operation.description, hint=operation.hint, arguments=dict(operation.arguments))

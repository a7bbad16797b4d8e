"""Tool sources over the API: what is the same for every kind. How one is made is its kind's own."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response, status

from deskhand.access.guards import TenantAdmin, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.connectors import service
from deskhand.connectors.errors import SourceRefusedError, SourceUnavailableError
from deskhand.connectors.mcp.changes import change_of, is_gone, is_waiting
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.schemas import (
    SourceChange,
    SourceOperationView,
    SourceSummary,
    SourceView,
)
from deskhand.connectors.values import SourceOperation
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/tool-sources", tags=["tools"], route_class=IdempotentRoute)

SourceSlug = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,19}$", description="The tool source.", examples=["shop"])]
_FAILURES = (SourceRefusedError, SourceUnavailableError)
_MADE = problem_responses(ConflictError, InvalidInputError, *_FAILURES)
_READ = problem_responses(NotFoundError, InvalidInputError, *_FAILURES)
_CHANGES = problem_responses(NotFoundError, InvalidInputError, ConflictError)
_KNOWN = problem_responses(NotFoundError, InvalidInputError)


@router.get("", operation_id="list_tool_sources", responses=problem_responses(InvalidInputError))
async def list_sources(_viewer: Viewer, session: TenantSession) -> list[SourceSummary]:
    """List the programs that agents of the tenant may be let call, by slug."""
    return [summary(source) for source in await service.list_sources(session)]


@router.get("/{source}", operation_id="get_tool_source", responses=_KNOWN)
async def get_source(_viewer: Viewer, session: TenantSession, source: SourceSlug) -> SourceView:
    """Get one tool source with everything it can do, switched on or not."""
    return shown(await service.get_source(session, source))


@router.patch("/{source}", operation_id="change_tool_source", responses=_KNOWN)
async def change_source(
    admin: TenantAdmin, session: TenantSession, app: App, source: SourceSlug, data: SourceChange
) -> SourceView:
    """Rename a tool source, give it another credential, choose and classify its operations."""
    changed = await service.change_source(session, source, data, secrets=app.secrets, actor=admin.actor)
    return shown(changed)


@router.delete(
    "/{source}",
    operation_id="delete_tool_source",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_KNOWN,
)
async def delete_source(admin: TenantAdmin, session: TenantSession, source: SourceSlug) -> Response:
    """Remove a tool source; agents that were granted it go on without."""
    await service.remove_source(session, source, actor=admin.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def shown(source: ToolSource) -> SourceView:
    """A source as it is shown."""
    operations = [
        SourceOperationView(
            name=one.name,
            description=one.description,
            enabled=one.is_enabled,
            access="write" if one.is_write else "read",
            repeatable=one.repeatable,
            hint=one.hint,
            state=_state(one),
            fault=one.call.get("fault", ""),
        )
        for one in service.operations_of(source)
    ]
    return SourceView(**summary(source).model_dump(), operations=operations)


def summary(source: ToolSource) -> SourceSummary:
    """A source in a list."""
    return SourceSummary(
        slug=source.slug,
        kind=SourceKind(source.kind),
        tool_id=source.tool_id,
        name=source.name,
        configuration=source.configuration,
        has_credential=source.credential_encrypted is not None,
        enabled_operations=sum(one["is_enabled"] for one in source.operations),
        revision=source.revision,
        created_at=source.created_at,
        updated_at=source.updated_at,
    )


def _state(operation: SourceOperation) -> Literal["", "changed", "gone", "unread", "unusable"]:
    if is_waiting(operation):
        return state_of_change(operation)
    return "unusable" if operation.call.get("fault") else ""


def state_of_change(operation: SourceOperation) -> Literal["changed", "gone", "unread"]:
    """What became of an operation that its source changed."""
    if is_gone(operation):
        return "gone"
    return "unread" if change_of(operation) is None else "changed"

"""Sources that an OpenAPI document describes, over the API."""

from __future__ import annotations

from fastapi import APIRouter, status

from deskhand.access.guards import TenantAdmin, TenantSession
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.connectors import documents
from deskhand.connectors.endpoints import SourceSlug, shown
from deskhand.connectors.schemas import DocumentChanges, DocumentUpdate, OpenApiSource, SourceView
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/tool-sources", tags=["tools"], route_class=IdempotentRoute)


@router.post(
    "/openapi",
    operation_id="create_openapi_source",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(ConflictError, InvalidInputError),
)
async def create_openapi_source(
    admin: TenantAdmin, session: TenantSession, app: App, data: OpenApiSource
) -> SourceView:
    """Let agents of the tenant call what an OpenAPI document describes: what of it, is chosen here or later."""
    assert admin.tenant_id is not None  # the session dependency refused it before
    made = await documents.create_source(
        session, admin.tenant_id, data, http=app.http, secrets=app.secrets, actor=admin.actor
    )
    return shown(made)


@router.post(
    "/{source}/document",
    operation_id="renew_tool_source_document",
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def renew_document(
    admin: TenantAdmin, session: TenantSession, app: App, source: SourceSlug, data: DocumentUpdate
) -> DocumentChanges:
    """Read a source's document again, or send a newer one; the answer says what it changed."""
    renewed, changes = await documents.renew_document(session, source, data.document, http=app.http, actor=admin.actor)
    return DocumentChanges(
        source=shown(renewed),
        added=changes.added,
        removed=changes.removed,
        changed=changes.changed,
        switched_off=changes.switched_off,
    )

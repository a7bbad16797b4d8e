"""Reading an audit log, a tenant's or the installation's own: page by page, or the whole of it as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from deskhand.access.guards import PlatformAdmin, PlatformSession, TenantAdmin, TenantSession
from deskhand.appstate import App, AppState
from deskhand.audit import service as audit
from deskhand.audit.export import MEDIA_TYPES, Format
from deskhand.audit.filters import AuditFilters
from deskhand.audit.service import PLATFORM
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import Instant, StorableText

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])
platform_router = APIRouter(prefix="/api/v1/platform-audit", tags=["audit"])


class AuditEntry(BaseModel):
    """One change, sign-in or write to a desk."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    sequence: int = Field(description="Its place in the log; a gap is another tenant's entry.")
    created_at: datetime
    actor: str = Field(description="Who did it, such as `user:ann@example.com` or `api-key:dhk_ab12cd34`.")
    operation: str = Field(description="What was done, such as `agent.activate`.")
    resource_type: str
    resource_id: str | None
    status: str = Field(description="success, failure or denied.")
    details: dict[str, Any] = Field(
        description="What else there is to say; of a change `before` and `after`, as far as they differ. No secrets."
    )
    address: str | None = Field(description="Where the request came from; none for what a worker did by itself.")
    user_agent: str | None = Field(description="What the client said it was, cut short.")
    request_id: str | None = Field(description="The request's id, as in its answer and in the log.")


Word = StorableText | None


async def read_filters(
    *,
    actor: Annotated[Word, Query(max_length=255, description="Who acted, exactly.")] = None,
    operation: Annotated[Word, Query(max_length=255, description="What was done, e.g. `agent.update`.")] = None,
    resource_type: Annotated[Word, Query(max_length=255, description="To what kind of thing.")] = None,
    resource_id: Annotated[Word, Query(max_length=255, description="To which one.")] = None,
    outcome: Annotated[Word, Query(alias="status", max_length=20, description="success, failure or denied.")] = None,
    since: Annotated[Instant | None, Query(description="At or after this time.")] = None,
    until: Annotated[Instant | None, Query(description="Before this time.")] = None,
) -> AuditFilters:
    """Which entries, by the query of the address."""
    return AuditFilters(
        actor=actor,
        operation=operation,
        resource_type=resource_type,
        resource_id=resource_id,
        status=outcome,
        since=since,
        until=until,
    )


Filters = Annotated[AuditFilters, Depends(read_filters)]
FileFormat = Annotated[Format, Query(alias="format", description="JSON Lines, or CSV for spreadsheets.")]
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}},
    **problem_responses(InvalidInputError),
}


@router.get("", operation_id="list_audit_entries", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_entries(
    admin: TenantAdmin,
    session: TenantSession,
    filters: Filters,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[AuditEntry]:
    """List what was done in the tenant, newest first."""
    page = await audit.list_entries(
        session, tenant_id=admin.tenant_id or "", filters=filters, limit=limit, cursor=cursor
    )
    return Page(items=[AuditEntry.model_validate(entry) for entry in page.items], next_cursor=page.next_cursor)


@router.get(
    "/export",
    operation_id="export_audit_log",
    response_class=StreamingResponse,
    responses=_FILES,
)
async def export_log(
    app: App,
    admin: TenantAdmin,
    filters: Filters,
    form: FileFormat = "jsonl",
) -> StreamingResponse:
    """Read the whole log as a file, oldest first, each entry with its hash and the one before it."""
    return _as_file(app, admin.tenant_id or "", filters, form)


@platform_router.get(
    "", operation_id="list_platform_audit_entries", responses=problem_responses(NotFoundError, InvalidInputError)
)
async def list_platform_entries(
    _caller: PlatformAdmin,
    session: PlatformSession,
    filters: Filters,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[AuditEntry]:
    """List what was done in no tenant, newest first: accounts of nobody's tenant, platform keys, keys nobody knows."""
    page = await audit.list_entries(session, tenant_id=PLATFORM, filters=filters, limit=limit, cursor=cursor)
    return Page(items=[AuditEntry.model_validate(entry) for entry in page.items], next_cursor=page.next_cursor)


@platform_router.get(
    "/export", operation_id="export_platform_audit_log", response_class=StreamingResponse, responses=_FILES
)
async def export_platform_log(
    app: App, _caller: PlatformAdmin, filters: Filters, form: FileFormat = "jsonl"
) -> StreamingResponse:
    """Read the installation's own log as a file, oldest first, each entry with its hash and the one before it."""
    return _as_file(app, PLATFORM, filters, form)


def _as_file(app: AppState, tenant_id: str, filters: AuditFilters, form: Format) -> StreamingResponse:
    async def text() -> AsyncIterator[str]:
        # A session of its own: the request's one is committed before the answer's body begins.
        async with app.db.tenant_session(tenant_id) if tenant_id else app.db.platform_session() as session:
            async for part in audit.export(session, tenant_id=tenant_id, filters=filters, form=form):
                yield part

    name = f"audit-{tenant_id or 'platform'}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(text(), media_type=MEDIA_TYPES[form], headers=headers)

"""Imports of a desk's past in the console: start one, watch it, let it rest."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.appstate import App, AppState
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError
from deskhand.kit.schema import StorableText
from deskhand.knowledge.upkeep import jobs
from deskhand.knowledge.upkeep.models import OPEN_STATES, JobKind
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/knowledge/imports", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)

PAGE_SIZE = 25
KINDS = {
    "history": "History of solved tickets",
    "reconcile": "What changed at the desk",
    "embeddings": "Vectors of the search",
    "exclusions": "What rules leave out",
}
WANTED = {
    "history": "Import the solved tickets, going on where the last import ended.",
    "reconcile": "Look for what changed or was deleted at the desk since. Happens by itself every night.",
    "embeddings": "Make anew the vectors that another model made.",
}
Cursor = Annotated[StorableText | None, Query(max_length=500)]


@router.get("")
async def imports_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, cursor: Cursor = None
) -> Response:
    return await _show(request, app, viewer, session, cursor=cursor)


@router.post("")
async def start(
    request: Request,
    app: App,
    operator: Operator,
    session: TenantSession,
    *,
    _safe: SafeForm,
    kind: Annotated[Literal["history", "reconcile", "embeddings"], Form()],
) -> Response:
    assert operator.tenant_id is not None  # the session is of one
    tool_type = None
    try:
        # A savepoint: the page that shows why not still reads from this transaction.
        async with session.begin_nested():
            if kind != "embeddings":
                tool_type = await jobs.desk_of(session, None, secrets=app.secrets, plugins=app.plugins)
            await jobs.start(session, operator.tenant_id, JobKind(kind), tool_type=tool_type, actor=operator.actor)
    except (ConflictError, InvalidInputError) as error:
        return await _show(request, app, operator, session, error=error)
    return _back()


@router.post("/{job_id}/pause")
async def pause(operator: Operator, session: TenantSession, job_id: UUID, _safe: SafeForm) -> Response:
    await jobs.pause(session, job_id, actor=operator.actor)
    return _back()


@router.post("/{job_id}/resume")
async def resume(operator: Operator, session: TenantSession, job_id: UUID, _safe: SafeForm) -> Response:
    await jobs.resume(session, job_id, actor=operator.actor)
    return _back()


async def _show(
    request: Request,
    app: AppState,
    viewer: Viewer,
    session: TenantSession,
    *,
    cursor: str | None = None,
    error: DeskhandError | None = None,
) -> Response:
    page = await jobs.list_jobs(session, limit=PAGE_SIZE, cursor=cursor)
    part = request.headers.get("hx-request") and request.method == "GET"
    return render(
        request,
        f"knowledge/console/{'_jobs' if part else 'imports'}.html",
        status_code=error.status if error else 200,
        viewer=viewer,
        page=page,
        shown=[jobs.view(job) for job in page.items],
        # Only what is at work changes; a page of ended jobs asks nothing more.
        live=cursor is None and any(job.state in OPEN_STATES for job in page.items),
        may_operate=viewer.may("operator"),
        kinds=KINDS,
        wanted=WANTED,
        desks=app.plugins.names,
        error=error,
        now=app.clock(),
    )


def _back() -> Response:
    return RedirectResponse("/knowledge/imports", status_code=303)

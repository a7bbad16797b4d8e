"""Undoing in the console: the preview is a page, and its button undoes exactly what the page shows."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import ConflictError, DeskhandError
from deskhand.kit.schema import Instant, StorableText
from deskhand.plugins.errors import DeskError
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute
from deskhand.work.undo.endpoints import Undo, VersionNumber
from deskhand.work.undo.schemas import UndoPreview
from deskhand.work.undo.service import OfRun, OfVersion, Undoing, Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

Digest = Annotated[str, Form(pattern="^[0-9a-f]{64}$")]


class StepForm(BaseModel):
    """Which write alone; empty means all."""

    step_key: StorableText = Field("", max_length=200)


class SinceForm(BaseModel):
    """Since when."""

    since: Instant


@router.get("/executions/{execution_id}/undo")
async def preview_run(
    request: Request,
    app: App,
    operator: Operator,
    undo: Undo,
    *,
    execution_id: UUID,
    form: Annotated[StepForm, Query()],
) -> Response:
    return await _page(request, app, operator, undo, _of_run(execution_id, form.step_key))


@router.post("/executions/{execution_id}/undo")
async def undo_run(
    request: Request,
    app: App,
    operator: Operator,
    undo: Undo,
    *,
    execution_id: UUID,
    digest: Digest,
    step_key: Annotated[StorableText, Form(max_length=200)] = "",
    _safe: SafeForm,
) -> Response:
    return await _act(request, app, operator, undo, wanted=_of_run(execution_id, step_key), digest=digest)


@router.get("/agents/{agent_id}/versions/{number}/undo")
async def preview_version(
    request: Request,
    app: App,
    operator: Operator,
    undo: Undo,
    *,
    agent_id: UUID,
    number: VersionNumber,
    form: Annotated[SinceForm, Query()],
) -> Response:
    return await _page(request, app, operator, undo, OfVersion(agent_id=agent_id, number=number, since=form.since))


@router.post("/agents/{agent_id}/versions/{number}/undo")
async def undo_version(
    request: Request,
    app: App,
    operator: Operator,
    undo: Undo,
    *,
    agent_id: UUID,
    number: VersionNumber,
    since: Annotated[Instant, Form()],
    digest: Digest,
    _safe: SafeForm,
) -> Response:
    wanted = OfVersion(agent_id=agent_id, number=number, since=since)
    return await _act(request, app, operator, undo, wanted=wanted, digest=digest)


def _of_run(execution_id: UUID, step_key: str) -> OfRun:
    return OfRun(execution_id=execution_id, step_key=step_key or None)


async def _act(
    request: Request, app: AppState, operator: Principal, undo: Undoing, *, wanted: Wanted, digest: str
) -> Response:
    try:
        started = await undo.start(wanted, digest)
    except (ConflictError, DeskError) as error:
        # The page is made anew, and with it the digest: whoever clicks again has seen what is there now.
        return await _page(request, app, operator, undo, wanted, error=error)
    return RedirectResponse(f"/executions/{started}", status_code=303)


async def _page(
    request: Request,
    app: AppState,
    operator: Principal,
    undo: Undoing,
    wanted: Wanted,
    *,
    error: DeskhandError | None = None,
) -> Response:
    preview: UndoPreview | None = None
    try:
        preview = await undo.preview(wanted)
    except (ConflictError, DeskError) as refusal:
        error = error or refusal
    return render(
        request,
        "work/undo/undo.html",
        status_code=error.status if error else 200,
        viewer=operator,
        preview=preview,
        error=error,
        desks=app.plugins.names,
        **_words(wanted),
    )


def _words(wanted: Wanted) -> dict[str, Any]:
    """What the page calls what is undone, and where its form goes."""
    if isinstance(wanted, OfRun):
        back = f"/executions/{wanted.execution_id}"
        hidden = {"step_key": wanted.step_key or ""}
        return {"action": f"{back}/undo", "back": back, "hidden": hidden, "since": None, "step_key": wanted.step_key}
    return {
        "action": f"/agents/{wanted.agent_id}/versions/{wanted.number}/undo",
        "back": f"/executions?{urlencode({'agent': str(wanted.agent_id)})}",
        "hidden": {"since": wanted.since.isoformat()},
        "since": wanted.since,
        "number": wanted.number,
    }

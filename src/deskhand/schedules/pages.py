"""Schedules in the console: what fires when, what became of it, and a place to try an expression.

The preview is a plain GET form; with JavaScript it answers while one types.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.appstate import App
from deskhand.kit.pointer import fault_sentence
from deskhand.schedules import service
from deskhand.schedules.schemas import PreviewRequest, SchedulePreview
from deskhand.ui.format import duration
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50
MISFIRE_WORDS = {
    "skip": "A missed time is skipped",
    "latest": "Of missed times the latest runs",
    "all": "Every missed time runs",
}


class PreviewForm(BaseModel):
    """What was typed, possibly nothing."""

    cron: str = Field("", max_length=200)
    zone: str = Field("", max_length=100)
    cursor: str | None = Field(None, max_length=500)


@router.get("/schedules")
async def list_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[PreviewForm, Query()]
) -> Response:
    return render(
        request,
        "schedules/schedules.html",
        viewer=viewer,
        page=await service.list_schedules(session, limit=PAGE_SIZE, cursor=form.cursor or None),
        form=form,
        may_operate=viewer.may("operator"),
        misfire=misfire_words,
        api=app.public_url,
        **await _preview(session, form),
    )


@router.get("/schedules/preview")
async def preview_part(
    request: Request, _viewer: Viewer, session: TenantSession, form: Annotated[PreviewForm, Query()]
) -> Response:
    return render(request, "schedules/_preview.html", form=form, **await _preview(session, form))


@router.post("/schedules/{agent_id}/{trigger_id}/run")
async def run(
    operator: Operator,
    session: TenantSession,
    agent_id: UUID,
    trigger_id: UUID,
    *,
    _safe: SafeForm,
) -> Response:
    started = await service.run_now(session, agent_id, trigger_id, principal=operator)
    return RedirectResponse(f"/executions/{started.execution_id}", status_code=303)


@router.post("/schedules/{agent_id}/{trigger_id}/pause")
async def pause(
    operator: Operator, session: TenantSession, agent_id: UUID, trigger_id: UUID, _safe: SafeForm
) -> Response:
    await service.pause(session, agent_id, trigger_id, principal=operator)
    return _back_to(trigger_id)


@router.post("/schedules/{agent_id}/{trigger_id}/resume")
async def resume(
    operator: Operator, session: TenantSession, agent_id: UUID, trigger_id: UUID, _safe: SafeForm
) -> Response:
    await service.resume(session, agent_id, trigger_id, principal=operator)
    return _back_to(trigger_id)


def misfire_words(policy: str, max_age_seconds: int) -> str:
    """What happens after an outage, in words."""
    limit = "" if policy == "skip" else f", if it is at most {duration(max_age_seconds * 1000)} late"
    return f"{MISFIRE_WORDS[policy]}{limit}."


async def _preview(session: AsyncSession, form: PreviewForm) -> dict[str, Any]:
    """What the typed expression means, or why it means nothing."""
    if not form.cron.strip():
        return {"preview": None, "faults": []}
    try:
        wanted = PreviewRequest(schedule_cron=form.cron.strip(), schedule_timezone=form.zone.strip() or "UTC")
    except ValidationError as error:
        texts = [fault_sentence(fault) for fault in error.errors(include_url=False)]
        return {"preview": None, "faults": texts}
    preview: SchedulePreview = await service.preview(session, wanted.schedule_cron, wanted.schedule_timezone)
    return {"preview": preview, "faults": []}


def _back_to(trigger_id: UUID) -> Response:
    return RedirectResponse(f"/schedules#schedule-{trigger_id}", status_code=303)

"""Executions in the console: the live list and one run's timeline.

Every page works without JavaScript (filters and buttons are forms, the page reloads itself); with it, the part
that changes is fetched again every second or two, and answered with 204 while nothing changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, cast
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, field_validator

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.access.principal import Principal
from deskhand.executions import service
from deskhand.executions.queue import notify_workers
from deskhand.executions.schemas import ExecutionDetail, ExecutionFilters, ExecutionStatus, StatusCounts
from deskhand.executions.timeline import lay_out
from deskhand.kit.appstate import App
from deskhand.plugins.registry import PluginManager
from deskhand.ui.csrf import SafeForm
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PERIODS = {"1h": ("last hour", timedelta(hours=1)), "24h": ("last 24 hours", timedelta(days=1))} | {
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}
PAGE_SIZE = 50


class ListForm(BaseModel):
    """The list's address: what the filter form sends, every field possibly empty."""

    status: str = ""
    agent: UUID | None = None
    ticket: str = Field("", max_length=100)
    period: str = ""
    cursor: str | None = Field(None, max_length=500)
    seen: str = Field("", max_length=64)

    @field_validator("agent", "cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    def filters(self, app: App) -> ExecutionFilters:
        """What to ask for; a state or period nobody knows counts as not given."""
        period = PERIODS.get(self.period)
        return ExecutionFilters(
            status=[ExecutionStatus(self.status)] if self.status in set(ExecutionStatus) else [],
            needs_attention=self.status == "attention",
            agent_id=self.agent,
            ticket_ref=self.ticket.strip() or None,
            since=app.clock() - period[1] if period else None,
        )

    def address(self, **changes: str | None) -> str:
        """This list with some fields changed, starting on its first page."""
        values: dict[str, Any] = {
            "status": self.status,
            "agent": self.agent,
            "ticket": self.ticket,
            "period": self.period,
            **changes,
        }
        query = urlencode({key: value for key, value in values.items() if value})
        return f"/executions?{query}" if query else "/executions"


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("/executions", status_code=303)


@router.get("/executions")
async def list_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[ListForm, Query()]
) -> Response:
    filters = form.filters(app)
    page = await service.list_executions(session, filters, limit=PAGE_SIZE, cursor=form.cursor)
    counts = await service.count_by_status(session, filters)
    seen = _digest(page.model_dump_json(exclude={"items": {"__all__": {"duration_ms"}}}), counts.model_dump_json())
    if form.seen == seen:
        return _unchanged()
    partial = "hx-request" in request.headers
    return render(
        request,
        "executions/_list.html" if partial else "executions/list.html",
        viewer=viewer,
        form=form,
        page=page,
        tabs=_tabs(form, counts),
        counts=counts,
        agents=[] if partial and page.items else await service.list_agent_choices(session),
        periods=PERIODS,
        seen=seen,
        now=app.clock(),
        webhook_base=app.public_url,
        desks=_desk_names(app),
    )


@router.get("/executions/{execution_id}")
async def detail_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, *, execution_id: UUID, seen: str = ""
) -> Response:
    execution = await service.get_execution(session, execution_id)
    mark = _digest(execution.model_dump_json(exclude={"duration_ms", "heartbeat_at"}))
    if seen == mark:
        return _unchanged()
    partial = "hx-request" in request.headers
    template = "executions/_detail.html" if partial else "executions/detail.html"
    return render(request, template, **_detail(app, viewer, execution), seen=mark)


@router.post("/executions/{execution_id}/cancel")
async def cancel(operator: Operator, session: TenantSession, execution_id: UUID, _safe: SafeForm) -> Response:
    await service.cancel_execution(session, execution_id, principal=operator)
    return _back_to(execution_id)


@router.post("/executions/{execution_id}/retry")
async def retry(
    app: App, operator: Operator, session: TenantSession, *, execution_id: UUID, _safe: SafeForm, after: BackgroundTasks
) -> Response:
    await service.retry_execution(session, execution_id, principal=operator)
    after.add_task(notify_workers, app.pool)
    return _back_to(execution_id)


@router.post("/executions/{execution_id}/dismiss")
async def dismiss(operator: Operator, session: TenantSession, execution_id: UUID, _safe: SafeForm) -> Response:
    await service.dismiss_execution(session, execution_id, principal=operator)
    return _back_to(execution_id)


def _detail(app: App, viewer: Principal, execution: ExecutionDetail) -> Mapping[str, Any]:
    return {
        "viewer": viewer,
        "execution": execution,
        "steps": lay_out(execution, now=app.clock()),
        "live": not execution.status.is_final,
        "may_operate": viewer.may("operator"),
        "now": app.clock(),
        "desks": _desk_names(app),
    }


def _desk_names(app: App) -> dict[str, str]:
    """The products' own names by tool type."""
    plugins = cast(PluginManager, app.plugins).list_registered_plugins()
    return {plugin["tool_type"]: plugin["name"] for plugin in plugins}


def _tabs(form: ListForm, counts: StatusCounts) -> list[tuple[str, str, int | None, str, bool]]:
    """Value, label, number, address and whether it is the current one, for each tab above the list."""
    numbers = counts.model_dump()
    named = [("", "All", counts.total), ("attention", "Needs attention", None)]
    named += [(status.value, status.value.capitalize(), numbers[status.value]) for status in ExecutionStatus]
    return [(value, label, number, form.address(status=value), form.status == value) for value, label, number in named]


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _unchanged() -> Response:
    return Response(status_code=204, headers=SECURITY_HEADERS)


def _back_to(execution_id: UUID) -> Response:
    return RedirectResponse(f"/executions/{execution_id}", status_code=303)

"""Executions in the console: the live list and one run's timeline.

Every page works without JavaScript (filters and buttons are forms, the page reloads itself); with it, the part
that changes is fetched again every second or two, and answered with 204 while nothing changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.access.limits import open_to_limited
from deskhand.access.principal import Principal
from deskhand.appstate import App
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import NotFoundError
from deskhand.executions import service
from deskhand.executions.console import bulk, decisions, home
from deskhand.executions.console.filters import PERIODS, ListForm
from deskhand.executions.console.timeline import done_before, lay_out
from deskhand.executions.schemas import ExecutionDetail, StatusCounts
from deskhand.knowledge.verdicts.service import if_judged
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)
router.include_router(bulk.router)  # before the pages here: /executions/bulk is not an execution's id
router.include_router(decisions.router)
router.include_router(home.router)

PAGE_SIZE = 50


@router.get("/executions")
@open_to_limited
async def list_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[ListForm, Query()]
) -> Response:
    filters = form.filters(app.clock())
    page = await service.list_executions(session, filters, limit=PAGE_SIZE, cursor=form.cursor)
    counts = await service.count_by_status(session, filters)
    # Without what changes by itself: the length of a running step would make each look a change, and no answer a 204.
    seen = _digest(page.model_dump_json(exclude={"items": {"__all__": {"duration_ms"}}}), counts.model_dump_json())
    if form.seen == seen:
        return _unchanged()
    partial = "hx-request" in request.headers
    return render(
        request,
        "executions/console/_list.html" if partial else "executions/console/list.html",
        viewer=viewer,
        form=form,
        page=page,
        tabs=_tabs(form, counts),
        counts=counts,
        # Only the whole page has the filter; a poll each second should not read the agents for nothing.
        agents=[] if partial and page.items else await service.list_agent_choices(session),
        periods=PERIODS,
        seen=seen,
        now=app.clock(),
        webhook_base=app.public_url,
        desks=app.plugins.names,
        may_operate=viewer.may("operator"),
    )


@router.get("/executions/{execution_id}")
@open_to_limited
async def detail_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, *, execution_id: UUID, seen: str = ""
) -> Response:
    execution = await service.get_execution(session, execution_id)
    mark = _digest(execution.model_dump_json(exclude={"duration_ms", "heartbeat_at"}))
    if seen == mark:
        return _unchanged()
    partial = "hx-request" in request.headers
    template = "executions/console/_detail.html" if partial else "executions/console/detail.html"
    original = await _original(session, execution)
    verdicts = await if_judged(session, execution_id) if execution.note else None
    shown = _detail(app, viewer, execution)
    return render(request, template, **shown, original=original, verdicts=verdicts, seen=mark)


@router.post("/executions/{execution_id}/cancel")
async def cancel(operator: Operator, session: TenantSession, execution_id: UUID, _safe: SafeForm) -> Response:
    await service.cancel_execution(session, execution_id, principal=operator)
    return _back_to(execution_id)


@router.post("/executions/{execution_id}/retry")
async def retry(operator: Operator, session: TenantSession, *, execution_id: UUID, _safe: SafeForm) -> Response:
    await service.retry_execution(session, execution_id, principal=operator)
    return _back_to(execution_id)


@router.post("/executions/{execution_id}/dismiss")
async def dismiss(operator: Operator, session: TenantSession, execution_id: UUID, _safe: SafeForm) -> Response:
    await service.dismiss_execution(session, execution_id, principal=operator)
    return _back_to(execution_id)


async def _original(session: AsyncSession, execution: ExecutionDetail) -> ExecutionDetail | None:
    """The run that this one replays, for the comparison; it may have been pruned since."""
    if execution.replay_of is None:
        return None
    try:
        return await service.get_execution(session, execution.replay_of)
    except NotFoundError:
        return None


def _detail(app: App, viewer: Principal, execution: ExecutionDetail) -> Mapping[str, Any]:
    return {
        "viewer": viewer,
        "execution": execution,
        "steps": lay_out(execution, now=app.clock()),
        "done_before": done_before(execution.steps),
        "live": not execution.status.is_final,
        "may_operate": viewer.may("operator"),
        "now": app.clock(),
        "desks": app.plugins.names,
    }


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

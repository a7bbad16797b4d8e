"""The first page: what needs a person now, how the last day went, and what is left to set up."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.guards import Authenticated, TenantSession, Viewer
from deskhand.access.limits import open_to_limited
from deskhand.access.principal import Principal
from deskhand.approvals import service as approvals
from deskhand.approvals.schemas import ApprovalQuery
from deskhand.appstate import App
from deskhand.budgets import service as budgets
from deskhand.budgets.schemas import BudgetView
from deskhand.engine.status import ExecutionStatus
from deskhand.executions import service
from deskhand.executions.schemas import Day, ExecutionFilters
from deskhand.knowledge.shelves import service as shelves
from deskhand.knowledge.shelves.schemas import HistoryQuery
from deskhand.tenants.connections import seems_connected
from deskhand.tenants.models import TenantConfig
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

LATEST = 6
MOST_APPROVALS = 100
"""Counted up to here; more are more than anybody looks at one by one."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What somebody should look at."""

    attention: int
    approvals: int
    more_approvals: bool
    budgets: list[BudgetView]

    @property
    def nothing(self) -> bool:
        """Whether nobody has anything to do."""
        return not (self.attention or self.approvals or self.budgets)


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done of the way to the first note."""

    desk: bool
    history: bool
    agent: bool
    note: bool

    @property
    def all_done(self) -> bool:
        """Whether there is nothing left to lead to."""
        return self.desk and self.history and self.agent and self.note


@router.get("/")
@open_to_limited
async def root(viewer: Authenticated) -> RedirectResponse:
    # Home counts what all of the tenant does.
    first = "/home" if viewer.limited_to is None else "/tickets"
    return RedirectResponse(first if viewer.tenant_id else "/tenants", status_code=303)


@router.get("/home")
async def home_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, *, seen: str = Query("", max_length=64)
) -> Response:
    day, needs = await service.last_day(session), await _needs(session, viewer)
    latest = await service.list_executions(session, ExecutionFilters(), limit=LATEST)
    steps = await _steps(session, day)
    # Without what changes by itself: the length of a running step would make each look a change.
    shown = latest.model_dump_json(exclude={"items": {"__all__": {"duration_ms"}}})
    mark = hashlib.sha256(f"{day}{needs}{steps}{shown}".encode()).hexdigest()[:16]
    if seen == mark:
        return Response(status_code=204, headers=SECURITY_HEADERS)
    partial = "hx-request" in request.headers
    return render(
        request,
        f"executions/console/{'_home' if partial else 'home'}.html",
        viewer=viewer,
        day=day,
        needs=needs,
        latest=latest.items,
        steps=steps,
        may_administer=viewer.may("tenant_admin"),
        may_edit=viewer.may("editor"),
        seen=mark,
        now=app.clock(),
    )


async def _needs(session: AsyncSession, viewer: Principal) -> Needs:
    waiting = await approvals.list_approvals(session, ApprovalQuery(limit=MOST_APPROVALS))
    answers = viewer.may("operator")
    return Needs(
        attention=await service.count_matching(session, ExecutionFilters(needs_attention=True)),
        approvals=len(waiting.items) if answers else 0,
        more_approvals=answers and waiting.next_cursor is not None,
        budgets=[budget for budget in await budgets.list_budgets(session) if budget.use.state != "ok"],
    )


async def _steps(session: AsyncSession, day: Day) -> Steps:
    tenant = await session.scalar(select(TenantConfig))
    # A note that a try would have written is no first note.
    completed = ExecutionFilters(status=[ExecutionStatus.COMPLETED], mode="live")
    return Steps(
        desk=tenant is not None and seems_connected(tenant),
        history=bool((await shelves.list_history(session, HistoryQuery(limit=1))).items),
        agent=day.active_agents > 0,
        note=bool(day.completed or (await service.list_executions(session, completed, limit=1)).items),
    )

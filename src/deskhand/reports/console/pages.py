"""Costs and performance in the console: what was spent on models, and how runs went, over a range of days."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from deskhand.access.guards import PlatformAdmin, PlatformSession, TenantSession, Viewer
from deskhand.appstate import App
from deskhand.kit.problem import invalid_input
from deskhand.reports import service
from deskhand.reports.console.form import ReportForm, file_address
from deskhand.reports.models import CostGroup, PerformanceGroup
from deskhand.reports.schemas import CostQuery, DayCosts, DayOutcomes, PerformanceQuery, SpanQuery
from deskhand.ui.charts import Chart, Point, bar_chart
from deskhand.ui.format import count, exact_money, money
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

ROWS = 50
OUTCOMES = {"completed": "Completed", "failed": "Failed", "cancelled": "Cancelled", "open": "Not ended"}
Form = Annotated[ReportForm, Query()]


@router.get("/costs")
async def costs_page(request: Request, app: App, viewer: Viewer, session: TenantSession, form: Form) -> Response:
    shown: dict[str, Any] = {
        "viewer": viewer,
        "form": form,
        "groups": list(CostGroup),
        "agents": await service.agent_choices(session),
    }
    try:
        query = form.query(CostQuery)
    except ValidationError as error:
        return _refused(request, "costs", error, **shown)
    report = await service.cost_report(session, query, limit=ROWS, now=app.clock())
    return render(
        request,
        "reports/console/costs.html",
        **shown,
        report=report,
        faults={},
        chart=_money_chart(report.days) if report.total.runs else None,
        ranges=form.ranges("/costs", report),
        file=file_address("/api/v1/reports/costs/export", query, report),
    )


@router.get("/performance")
async def performance_page(request: Request, app: App, viewer: Viewer, session: TenantSession, form: Form) -> Response:
    agents = await service.agent_choices(session)
    shown: dict[str, Any] = {"viewer": viewer, "form": form, "groups": list(PerformanceGroup), "agents": agents}
    try:
        query = form.query(PerformanceQuery)
    except ValidationError as error:
        return _refused(request, "performance", error, **shown)
    report = await service.performance_report(session, query, limit=ROWS, now=app.clock())
    return render(
        request,
        "reports/console/performance.html",
        **shown,
        report=report,
        faults={},
        kinds=OUTCOMES,
        chart=_outcome_chart(report.days) if report.total.runs else None,
        ranges=form.ranges("/performance", report),
        file=file_address("/api/v1/reports/performance/export", query, report),
    )


@router.get("/platform-costs")
async def platform_costs_page(
    request: Request, app: App, viewer: PlatformAdmin, session: PlatformSession, form: Form
) -> Response:
    try:
        query = form.query(SpanQuery)
    except ValidationError as error:
        return _refused(request, "platform", error, viewer=viewer, form=form)
    report = await service.platform_cost_report(session, query, limit=ROWS, now=app.clock())
    return render(
        request,
        "reports/console/platform.html",
        viewer=viewer,
        form=form,
        report=report,
        faults={},
        ranges=form.ranges("/platform-costs", report),
        file=file_address("/api/v1/platform-reports/costs/export", query, report),
    )


def _refused(request: Request, name: str, error: ValidationError, **shown: Any) -> Response:
    """The page with what is wrong beside each field, and no figures."""
    # A run's agent is the page's `agent` and the API's `agent_id`.
    faults = {fault.pointer.strip("/").removesuffix("_id"): fault.detail for fault in invalid_input(error).errors}
    template = f"reports/console/{name}.html"
    return render(request, template, status_code=422, **shown, report=None, faults=faults, ranges=[], chart=None)


def _money_chart(days: Sequence[DayCosts]) -> Chart:
    points = [
        Point(str(one.day), _money_words(one), {"money": one.spent_usd}, unknown=bool(one.unpriced_runs))
        for one in days
    ]
    return bar_chart(points, label=money)


def _money_words(one: DayCosts) -> str:
    if not one.unpriced_runs:
        return exact_money(one.spent_usd)
    runs = "run" if one.unpriced_runs == 1 else "runs"
    known = f"{exact_money(one.spent_usd)}, and " if one.spent_usd else ""
    return f"{known}{count(one.unpriced_runs)} {runs} whose price nobody knows"


def _outcome_chart(days: Sequence[DayOutcomes]) -> Chart:
    points = []
    for one in days:
        parts = {"completed": one.completed, "failed": one.failed, "cancelled": one.cancelled, "open": one.open_runs}
        words = ", ".join(f"{count(part)} {OUTCOMES[kind].lower()}" for kind, part in parts.items() if part)
        points.append(Point(str(one.day), words or "no runs", parts))
    return bar_chart(points, label=_runs)


def _runs(figure: Decimal) -> str:
    # Half of an odd scale is no number of runs.
    return count(int(figure)) if figure == int(figure) else ""

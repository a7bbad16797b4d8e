"""Costs and performance over the API, as documents and as files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from deskhand.access.guards import PlatformAdmin, PlatformSession, TenantSession, Viewer
from deskhand.appstate import App
from deskhand.reports import service
from deskhand.reports.answers import FILES, KNOWN, csv_answer
from deskhand.reports.files import ROWS, costs_file, performance_file
from deskhand.reports.schemas import (
    CostPage,
    CostQuery,
    CostReport,
    PerformancePage,
    PerformanceQuery,
    PerformanceReport,
    PlatformCostReport,
    PlatformPage,
    SpanQuery,
    SpanView,
)

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])
platform_router = APIRouter(prefix="/api/v1/platform-reports", tags=["reports"])


@router.get("/costs", operation_id="get_costs", responses=KNOWN)
async def get_costs(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[CostPage, Query()]
) -> CostReport:
    """What the tenant's runs cost, by day, agent, model or ticket."""
    return await service.cost_report(session, query, limit=query.limit, now=app.clock())


@router.get("/costs/export", operation_id="export_costs", response_class=Response, responses=FILES)
async def export_costs(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[CostQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets; the rows add up to the total, to the last digit."""
    report = await service.cost_report(session, query, limit=ROWS, now=app.clock())
    return _file(costs_file(report), f"costs-by-{report.group}", report)


@router.get("/performance", operation_id="get_performance", responses=KNOWN)
async def get_performance(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[PerformancePage, Query()]
) -> PerformanceReport:
    """How the tenant's runs went: outcomes, percentiles of their times, kinds of errors; by agent or day."""
    return await service.performance_report(session, query, limit=query.limit, now=app.clock())


@router.get("/performance/export", operation_id="export_performance", response_class=Response, responses=FILES)
async def export_performance(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[PerformanceQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets."""
    report = await service.performance_report(session, query, limit=ROWS, now=app.clock())
    return _file(performance_file(report), f"performance-by-{report.group}", report)


@platform_router.get("/costs", operation_id="get_platform_costs", responses=KNOWN)
async def get_platform_costs(
    app: App, _caller: PlatformAdmin, session: PlatformSession, query: Annotated[PlatformPage, Query()]
) -> PlatformCostReport:
    """What the runs of each tenant cost."""
    return await service.platform_cost_report(session, query, limit=query.limit, now=app.clock())


@platform_router.get("/costs/export", operation_id="export_platform_costs", response_class=Response, responses=FILES)
async def export_platform_costs(
    app: App, _caller: PlatformAdmin, session: PlatformSession, query: Annotated[SpanQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets; the rows add up to the total, to the last digit."""
    report = await service.platform_cost_report(session, query, limit=ROWS, now=app.clock())
    return _file(costs_file(report), "costs-by-tenant", report)


def _file(text: str, name: str, span: SpanView) -> Response:
    return csv_answer(text, f"{name}-{span.since}-{span.until}")

"""The monthly report over the API, as a document and as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.reports.answers import FILES, KNOWN, csv_answer
from deskhand.reports.worth import service
from deskhand.reports.worth.files import worth_file
from deskhand.reports.worth.schemas import WorthQuery, WorthReport

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])


@router.get("/worth", operation_id="get_worth", responses=KNOWN)
async def get_worth(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[WorthQuery, Query()]
) -> WorthReport:
    """What a month was worth, by client company: what became of tickets, suggestions and votes, and what it cost."""
    return await service.worth_report(session, query, now=app.clock())


@router.get("/worth/export", operation_id="export_worth", response_class=Response, responses=FILES)
async def export_worth(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[WorthQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets."""
    report = await service.worth_report(session, query, now=app.clock())
    return csv_answer(worth_file(report), f"worth-{report.month}")

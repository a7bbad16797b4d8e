"""The monthly report over the API, as a document and as a file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.errors import InvalidInputError
from deskhand.kit.problem import problem_responses
from deskhand.reports.worth import service
from deskhand.reports.worth.files import worth_file
from deskhand.reports.worth.schemas import WorthQuery, WorthReport

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])

_KNOWN = problem_responses(InvalidInputError)
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    **_KNOWN,
}


@router.get("/worth", operation_id="get_worth", responses=_KNOWN)
async def get_worth(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[WorthQuery, Query()]
) -> WorthReport:
    """What a month was worth, by client company: what became of tickets, suggestions and votes, and what it cost."""
    return await service.worth_report(session, query, now=app.clock())


@router.get("/worth/export", operation_id="export_worth", response_class=Response, responses=_FILES)
async def export_worth(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[WorthQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets."""
    report = await service.worth_report(session, query, now=app.clock())
    headers = {
        "Content-Disposition": f'attachment; filename="worth-{report.month}.csv"',
        "Cache-Control": "no-store",
    }
    return Response(worth_file(report), media_type="text/csv", headers=headers)

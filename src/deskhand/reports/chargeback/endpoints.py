"""The chargeback over the API, as a document and as a file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.errors import InvalidInputError
from deskhand.kit.problem import problem_responses
from deskhand.reports.chargeback import service
from deskhand.reports.chargeback.files import chargeback_file
from deskhand.reports.chargeback.schemas import Chargeback, ChargebackQuery

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])

_KNOWN = problem_responses(InvalidInputError)
_FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    **_KNOWN,
}


@router.get("/chargeback", operation_id="get_chargeback", responses=_KNOWN)
async def get_chargeback(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[ChargebackQuery, Query()]
) -> Chargeback:
    """A month of the ledger by contract and client company, with what gateways corrected in it."""
    return await service.chargeback(session, query, now=app.clock())


@router.get("/chargeback/export", operation_id="export_chargeback", response_class=Response, responses=_FILES)
async def export_chargeback(
    app: App, viewer: Viewer, session: TenantSession, query: Annotated[ChargebackQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets; the rows add up to the total, to the last digit."""
    assert viewer.tenant_id is not None  # the session dependency refused it before
    report = await service.chargeback(session, query, now=app.clock())
    headers = {
        "Content-Disposition": f'attachment; filename="chargeback-{report.month}.csv"',
        "Cache-Control": "no-store",
    }
    return Response(chargeback_file(report, viewer.tenant_id), media_type="text/csv", headers=headers)

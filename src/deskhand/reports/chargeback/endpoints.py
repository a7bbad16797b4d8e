"""The chargeback over the API, as a document and as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.reports.answers import FILES, KNOWN, csv_answer
from deskhand.reports.chargeback import service
from deskhand.reports.chargeback.files import chargeback_file
from deskhand.reports.chargeback.schemas import Chargeback, ChargebackQuery

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])


@router.get("/chargeback", operation_id="get_chargeback", responses=KNOWN)
async def get_chargeback(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[ChargebackQuery, Query()]
) -> Chargeback:
    """A month of the ledger by contract and client company, with what gateways corrected in it."""
    return await service.chargeback(session, query, now=app.clock())


@router.get("/chargeback/export", operation_id="export_chargeback", response_class=Response, responses=FILES)
async def export_chargeback(
    app: App, viewer: Viewer, session: TenantSession, query: Annotated[ChargebackQuery, Query()]
) -> Response:
    """The same as CSV for spreadsheets; the rows add up to the total, to the last digit."""
    assert viewer.tenant_id is not None  # the session dependency refused it before
    report = await service.chargeback(session, query, now=app.clock())
    return csv_answer(chargeback_file(report, viewer.tenant_id), f"chargeback-{report.month}")

"""The chargeback in the console: a month of the ledger by contract and client company."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.kit.problem import invalid_input
from deskhand.reports.chargeback import service
from deskhand.reports.chargeback.schemas import ChargebackQuery
from deskhand.reports.console.form import MonthForm
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE = "/chargeback"
ENTRIES = {"runs": "Runs", "trials": "Trials (dry runs)", "corrections": "Corrected by gateways"}


class ChargebackForm(MonthForm):
    """What the filter form sends."""

    page: ClassVar[str] = PAGE

    def query(self) -> ChargebackQuery:
        """What the API would be asked.

        Raises:
            ValidationError: A value that it would refuse.
        """
        return ChargebackQuery.model_validate(self.said())


@router.get(PAGE)
async def chargeback_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[ChargebackForm, Query()]
) -> Response:
    shown: dict[str, Any] = {"viewer": viewer, "form": form, "entries": ENTRIES}
    template = "reports/chargeback/chargeback.html"
    try:
        query = form.query()
    except ValidationError as error:
        faults = {fault.pointer.strip("/"): fault.detail for fault in invalid_input(error).errors}
        return render(request, template, status_code=422, **shown, report=None, faults=faults, months=[])
    report = await service.chargeback(session, query, now=app.clock())
    # With its month named: tomorrow it is the same file.
    file = f"/api/v1/reports/chargeback/export?{urlencode({'month': report.month, 'zone': report.zone})}"
    return render(
        request,
        template,
        **shown,
        report=report,
        faults={},
        months=form.months(report, is_over=report.is_over),
        file=file,
    )

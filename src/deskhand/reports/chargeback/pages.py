"""The chargeback in the console: a month of the ledger by contract and client company."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, ValidationError

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.reports.chargeback import service
from deskhand.reports.chargeback.schemas import Chargeback, ChargebackQuery
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE = "/chargeback"
ENTRIES = {"runs": "Runs", "trials": "Trials (dry runs)", "corrections": "Corrected by gateways"}


class ChargebackForm(BaseModel):
    """What the filter form sends, every field possibly empty; the API's schema judges it."""

    month: StorableText = Field("", max_length=20)
    zone: StorableText = Field("", max_length=100)

    def query(self) -> ChargebackQuery:
        """What the API would be asked.

        Raises:
            ValidationError: A value that it would refuse.
        """
        return ChargebackQuery.model_validate(
            {name: text.strip() for name, text in self.model_dump().items() if text.strip()}
        )

    def address(self, path: str, **changes: str) -> str:
        """This page with some fields changed; of another page of figures what both of them know."""
        values = {**self.model_dump(), **changes} if path == PAGE else {"zone": self.zone}
        query = urlencode({name: text for name, text in values.items() if text})
        return f"{path}?{query}" if query else path


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
    return render(request, template, **shown, report=report, faults={}, months=_months(form, report), file=file)


def _months(form: ChargebackForm, report: Chargeback) -> list[tuple[str, str]]:
    """The month before and, unless the shown one still runs, the one after: words and address."""
    before = report.since - timedelta(days=1)
    found = [(f"Earlier: {before:%Y-%m}", form.address(PAGE, month=f"{before:%Y-%m}"))]
    if report.is_over:
        after = report.until + timedelta(days=1)
        found.append((f"Later: {after:%Y-%m}", form.address(PAGE, month=f"{after:%Y-%m}")))
    return found

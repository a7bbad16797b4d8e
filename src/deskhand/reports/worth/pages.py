"""The monthly report in the console: what a month was worth, by client company."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field, ValidationError

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.reports.console.form import MonthForm
from deskhand.reports.worth import service
from deskhand.reports.worth.schemas import LEAST, WorthQuery, WorthReport
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE = "/worth"
UNNAMED = "-"
"""Stands in the page's address for tickets that name no company; empty is all of them."""
GROUPS = {
    "noted": "With a note",
    "not_noted": "Without a note",
    "with_notes": "With notes",
    "held_out": "Held out",
}


class WorthForm(MonthForm):
    """What the filter form sends."""

    page: ClassVar[str] = PAGE
    company: StorableText = Field("", max_length=400)

    def query(self) -> WorthQuery:
        """What the API would be asked.

        Raises:
            ValidationError: A value that it would refuse.
        """
        values = self.said()
        if values.get("company") == UNNAMED:
            values["company"] = ""
        return WorthQuery.model_validate(values)


@router.get(PAGE)
async def worth_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[WorthForm, Query()]
) -> Response:
    shown: dict[str, Any] = {"viewer": viewer, "form": form, "least": LEAST, "group_words": GROUPS, "unnamed": UNNAMED}
    try:
        query = form.query()
    except ValidationError as error:
        faults = {fault.pointer.strip("/"): fault.detail for fault in invalid_input(error).errors}
        return render(
            request, "reports/worth/worth.html", status_code=422, **shown, report=None, faults=faults, months=[]
        )
    report = await service.worth_report(session, query, now=app.clock())
    return render(
        request,
        "reports/worth/worth.html",
        **shown,
        report=report,
        faults={},
        months=form.months(report, is_over=report.is_over),
        file=_file(query, report),
    )


def _file(query: WorthQuery, report: WorthReport) -> str:
    # With its month named: tomorrow it is the same file.
    values = {"month": report.month, "zone": report.zone}
    if query.company is not None:
        values["company"] = query.company
    return f"/api/v1/reports/worth/export?{urlencode(values)}"

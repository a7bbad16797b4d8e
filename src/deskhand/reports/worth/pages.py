"""The monthly report in the console: what a month was worth, by client company."""

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


class WorthForm(BaseModel):
    """What the filter form sends, every field possibly empty; the API's schema judges it."""

    month: StorableText = Field("", max_length=20)
    zone: StorableText = Field("", max_length=100)
    company: StorableText = Field("", max_length=400)

    def query(self) -> WorthQuery:
        """What the API would be asked.

        Raises:
            ValidationError: A value that it would refuse.
        """
        values = {name: text.strip() for name, text in self.model_dump().items() if text.strip()}
        if values.get("company") == UNNAMED:
            values["company"] = ""
        return WorthQuery.model_validate(values)

    def address(self, path: str, **changes: str) -> str:
        """This page with some fields changed; of another page of figures what both of them know."""
        values = {**self.model_dump(), **changes} if path == PAGE else {"zone": self.zone}
        query = urlencode({name: text for name, text in values.items() if text})
        return f"{path}?{query}" if query else path


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
        months=_months(form, report),
        file=_file(query, report),
    )


def _months(form: WorthForm, report: WorthReport) -> list[tuple[str, str]]:
    """The month before and, unless the shown one still runs, the one after: words and address."""
    before = report.since - timedelta(days=1)
    found = [(f"Earlier: {before:%Y-%m}", form.address(PAGE, month=f"{before:%Y-%m}"))]
    if report.is_over:
        after = report.until + timedelta(days=1)
        found.append((f"Later: {after:%Y-%m}", form.address(PAGE, month=f"{after:%Y-%m}")))
    return found


def _file(query: WorthQuery, report: WorthReport) -> str:
    # With its month named: tomorrow it is the same file.
    values = {"month": report.month, "zone": report.zone}
    if query.company is not None:
        values["company"] = query.company
    return f"/api/v1/reports/worth/export?{urlencode(values)}"

"""The webhook deliveries of a tenant in the console: what came in, and what became of each, in words."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, field_validator

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.intake import repository
from deskhand.intake.console.explanations import explain
from deskhand.intake.schemas import DeliveryFilters, Outcome
from deskhand.kit.schema import StorableText
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50
OUTCOMES = {
    None: "All",
    Outcome.REJECTED: "Refused",
    Outcome.IGNORED: "Started nothing",
    Outcome.ACCEPTED: "Started a run",
    Outcome.COALESCED: "Joined a run",
}


class ListForm(BaseModel):
    """The list's address: what the filter form sends, every field possibly empty."""

    outcome: Outcome | None = None
    desk: StorableText = Field("", max_length=50)
    cursor: StorableText | None = Field(None, max_length=500)

    @field_validator("outcome", "cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    def address(self, **changes: str | None) -> str:
        """This list with some fields changed, starting on its first page."""
        values = {"outcome": self.outcome.value if self.outcome else "", "desk": self.desk, **changes}
        query = urlencode({key: value for key, value in values.items() if value})
        return f"/deliveries?{query}" if query else "/deliveries"


@router.get("/deliveries")
async def list_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[ListForm, Query()]
) -> Response:
    filters = DeliveryFilters(outcome=form.outcome, tool_type=form.desk or None)
    page = await repository.list_deliveries(session, filters, limit=PAGE_SIZE, cursor=form.cursor)
    return render(
        request,
        "intake/console/deliveries.html",
        viewer=viewer,
        form=form,
        page=page,
        explained={one.id: explain(one.outcome, one.reason, one.http_status) for one in page.items},
        agents=await repository.agent_names(session, {one.agent_id for one in page.items}),
        tabs=[(words, form.address(outcome=one and one.value), one == form.outcome) for one, words in OUTCOMES.items()],
        desks=app.plugins.names,
        now=app.clock(),
    )

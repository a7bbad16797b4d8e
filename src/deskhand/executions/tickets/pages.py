"""Tickets in the console: which ones were worked on, and one with everything that was done to it."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, field_validator

from deskhand.access.guards import TenantSession, Viewer
from deskhand.access.limits import open_to_limited
from deskhand.appstate import App
from deskhand.executions.console.filters import PERIODS, with_query
from deskhand.executions.tickets import service
from deskhand.executions.tickets.endpoints import TicketRef
from deskhand.executions.tickets.schemas import TicketFilters, TicketOutcome
from deskhand.executions.tickets.story import needs_somebody, tell
from deskhand.kit.schema import StorableText
from deskhand.tenants.companies import known_companies
from deskhand.tenants.endpoints import ToolPath
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50
MOST_COMPANIES = 200
OUTCOMES = {
    TicketOutcome.WAITING: "Waits for a person",
    TicketOutcome.FAILED: "Failed",
    TicketOutcome.AT_WORK: "At work",
    TicketOutcome.NOTED: "Note written",
    TicketOutcome.DONE: "Ended without a note",
    TicketOutcome.CANCELLED: "Cancelled",
}
BADGES = {
    TicketOutcome.WAITING: "waiting",
    TicketOutcome.FAILED: "failed",
    TicketOutcome.AT_WORK: "running",
    TicketOutcome.NOTED: "completed",
    TicketOutcome.DONE: "queued",
    TicketOutcome.CANCELLED: "cancelled",
}


class ListForm(BaseModel):
    """The list's address: what the filter form sends, every field possibly empty."""

    q: StorableText = Field("", max_length=200)
    desk: StorableText = Field("", max_length=50)
    company: StorableText = Field("", max_length=255)
    outcome: TicketOutcome | None = None
    period: StorableText = Field("", max_length=10)
    cursor: StorableText | None = Field(None, max_length=500)

    @field_validator("outcome", "cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.q.strip() or self.desk or self.company or self.outcome or self.period in PERIODS)

    def address(self, **changes: str | None) -> str:
        """This list with some fields changed, starting on its first page."""
        names = ("q", "desk", "company", "outcome", "period")
        return with_query("/tickets", {**{name: getattr(self, name) for name in names}, **changes})


class TicketForm(BaseModel):
    """The address of one ticket's page."""

    cursor: StorableText | None = Field(None, max_length=500)


def ticket_address(tool_type: str, ref: str) -> str:
    """Where a ticket's page is."""
    return f"/tickets/{quote(tool_type, safe='')}/{quote(ref, safe='')}"


@router.get("/tickets")
@open_to_limited
async def list_page(
    request: Request, app: App, viewer: Viewer, session: TenantSession, form: Annotated[ListForm, Query()]
) -> Response:
    period = PERIODS.get(form.period)
    filters = TicketFilters(
        q=form.q or None,
        tool_type=form.desk or None,
        company=form.company or None,
        outcome=form.outcome,
        since=app.clock() - period[1] if period else None,
    )
    page = await service.list_tickets(session, filters, limit=PAGE_SIZE, cursor=form.cursor)
    return render(
        request,
        "executions/tickets/list.html",
        viewer=viewer,
        form=form,
        page=page,
        companies=(await known_companies(session))[:MOST_COMPANIES],
        outcomes=OUTCOMES,
        badges=BADGES,
        periods=PERIODS,
        desks=app.plugins.names,
        address=ticket_address,
        now=app.clock(),
    )


@router.get("/tickets/{tool_type}/{ticket_ref:path}")
@open_to_limited
async def ticket_page(
    request: Request,
    app: App,
    viewer: Viewer,
    session: TenantSession,
    *,
    tool_type: ToolPath,
    ticket_ref: TicketRef,
    form: Annotated[TicketForm, Query()],
) -> Response:
    ticket = await service.get_ticket(session, tool_type, ticket_ref, cursor=form.cursor)
    here = ticket_address(tool_type, ticket_ref)
    return render(
        request,
        "executions/tickets/ticket.html",
        viewer=viewer,
        ticket=ticket,
        story=tell(ticket),
        waiting=[one for one in ticket.approvals if one.state == "waiting"],
        stuck=[run for run in ticket.runs if needs_somebody(run, ticket)],
        here=here,
        earlier=f"{here}?cursor={quote(ticket.next_cursor)}" if ticket.next_cursor else None,
        is_first=form.cursor is None,
        address=ticket_address,
        may_operate=viewer.may("operator"),
        desks=app.plugins.names,
        now=app.clock(),
    )

"""Retrying or dismissing everything a list shows: first a question with the number, then the deed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AwareDatetime, BaseModel, Field, field_validator

from deskhand.access.forms import SafeForm
from deskhand.access.guards import Operator, TenantSession
from deskhand.appstate import App
from deskhand.engine.status import ExecutionStatus
from deskhand.executions import service
from deskhand.executions.console.filters import PERIODS, with_query
from deskhand.executions.schemas import BULK_LIMIT, BulkDismiss, BulkRetry, ExecutionFilters
from deskhand.kit.schema import StorableText
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

Verb = Literal["retry", "dismiss"]


class _Wanted(BaseModel):
    """Failed runs that nobody dismissed, as far as the list was narrowed."""

    verb: Verb
    agent: UUID | None = None
    ticket: str = Field("", max_length=100)
    period: str = ""
    error: StorableText = Field("", max_length=50)

    @field_validator("agent", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    def filters(self, since: datetime | None) -> ExecutionFilters:
        return ExecutionFilters(
            status=[ExecutionStatus.FAILED],
            needs_attention=True,
            agent_id=self.agent,
            ticket_ref=self.ticket.strip() or None,
            since=since,
            error_code=self.error or None,
        )


class _Confirmed(_Wanted):
    """The same with what the question said: since when, and how many at most."""

    since: AwareDatetime | None = None
    # The number that was shown is what is done: runs that failed meanwhile were not asked about.
    number: int = Field(ge=1, le=BULK_LIMIT)

    @field_validator("since", mode="before")
    @classmethod
    def _no_time(cls, value: Any) -> Any:
        return value or None


@router.get("/executions/bulk")
async def ask(
    request: Request, app: App, operator: Operator, session: TenantSession, wanted: Annotated[_Wanted, Query()]
) -> Response:
    period = PERIODS.get(wanted.period)
    # Fixed with the question: between question and deed "the last hour" would move, and match other runs.
    since = app.clock() - period[1] if period else None
    total = await service.count_matching(session, wanted.filters(since))
    agents = {agent.id: agent.name for agent in await service.list_agent_choices(session)}
    return render(
        request,
        "executions/console/bulk.html",
        viewer=operator,
        wanted=wanted,
        since=since,
        total=total,
        number=min(total, BULK_LIMIT),
        agent_name=agents.get(wanted.agent) if wanted.agent else None,
        period=period[0] if period else None,
        back=_list_address(wanted),
    )


@router.post("/executions/bulk")
async def act(
    operator: Operator,
    session: TenantSession,
    confirmed: Annotated[_Confirmed, Form()],
    *,
    _safe: SafeForm,
) -> Response:
    filters = {
        "agent_id": confirmed.agent,
        "ticket_ref": confirmed.ticket.strip() or None,
        "since": confirmed.since,
        "error_code": confirmed.error or None,
        "limit": confirmed.number,
    }
    if confirmed.verb == "dismiss":
        gone = await service.dismiss_matching(session, BulkDismiss(**filters), principal=operator)
        return _back(confirmed, dismissed=len(gone.dismissed))
    result = await service.retry_matching(session, BulkRetry(**filters, dismissed=False), principal=operator)
    return _back(confirmed, retried=len(result.retried), left=len(result.skipped))


def _back(wanted: _Wanted, **told: int) -> Response:
    return RedirectResponse(_list_address(wanted, **told), status_code=303)


def _list_address(wanted: _Wanted, **told: int) -> str:
    narrowed = {"agent": wanted.agent, "ticket": wanted.ticket, "period": wanted.period, "error": wanted.error}
    values = {"status": "attention", **narrowed, **told}
    return with_query("/executions", values)

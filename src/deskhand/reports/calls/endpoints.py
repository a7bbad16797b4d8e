"""Calls over the API, as pages and as a file."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from deskhand.access.guards import TenantSession, Viewer
from deskhand.appstate import App
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.reports.answers import FILES, csv_answer
from deskhand.reports.calls import service
from deskhand.reports.calls.schemas import CallPage, CallQuery, CallView

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])


@router.get("/calls", operation_id="list_calls", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_calls(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[CallPage, Query()]
) -> Page[CallView]:
    """What each call of a model cost, of the runs whose event came on these days, newest first."""
    return await service.list_calls(session, query, now=app.clock())


@router.get("/calls/export", operation_id="export_calls", response_class=Response, responses=FILES)
async def export_calls(
    app: App, _viewer: Viewer, session: TenantSession, query: Annotated[CallQuery, Query()]
) -> Response:
    """All of them as CSV for spreadsheets."""
    text, span = await service.calls_file(session, query, now=app.clock())
    return csv_answer(text, f"calls-{span.since}-{span.until}")

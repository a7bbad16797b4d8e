"""Corrections over the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from deskhand.access.guards import TenantAdmin, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.budgets.corrections import service
from deskhand.budgets.corrections.schemas import CorrectionQuery, CorrectionView, FiguresTaken, NewFigures
from deskhand.errors import InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/cost-corrections", tags=["budgets"], route_class=IdempotentRoute)


@router.get("", operation_id="list_cost_corrections", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_cost_corrections(
    _viewer: Viewer, session: TenantSession, query: Annotated[CorrectionQuery, Query()]
) -> Page[CorrectionView]:
    """List what gateways said of calls after they were counted, newest first."""
    return await service.list_corrections(session, query)


@router.post("", operation_id="correct_costs", responses=problem_responses(InvalidInputError))
async def correct_costs(app: App, admin: TenantAdmin, session: TenantSession, data: NewFigures) -> FiguresTaken:
    """Take later figures of a gateway: each is booked as a row of its own, and budgets see it.

    What was counted is not changed. The same figure once more books nothing.
    """
    assert admin.tenant_id is not None  # the session dependency refused it before
    booking = service.Booking(session, app.db, admin.tenant_id, admin.actor)
    return await service.take_figures(booking, data)

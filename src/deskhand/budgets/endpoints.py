"""Budgets over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response, status

from deskhand.access.guards import TenantAdmin, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.budgets import service
from deskhand.budgets.schemas import BudgetChange, BudgetView, NewBudget, SpendingQuery, SpendingView
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/budgets", tags=["budgets"], route_class=IdempotentRoute)

BudgetId = Annotated[UUID, Path(description="The budget.")]
_KNOWN = problem_responses(NotFoundError, InvalidInputError)


@router.get("", operation_id="list_budgets", responses=problem_responses(InvalidInputError))
async def list_budgets(_viewer: Viewer, session: TenantSession) -> list[BudgetView]:
    """List the tenant's budgets for models, and what is used of each."""
    return await service.list_budgets(session)


@router.post(
    "",
    operation_id="create_budget",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def create_budget(admin: TenantAdmin, session: TenantSession, data: NewBudget) -> BudgetView:
    """Set a budget: money is reserved in it before each call of a model, and calls are refused where it ends."""
    assert admin.tenant_id is not None  # the session dependency refused it before
    return await service.add_budget(session, data, tenant_id=admin.tenant_id, actor=admin.actor)


@router.get("/spending", operation_id="list_spending", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_spending(
    _viewer: Viewer, session: TenantSession, query: Annotated[SpendingQuery, Query()]
) -> Page[SpendingView]:
    """List the calls of models that budgets paid for, newest first."""
    return await service.list_spending(session, query)


@router.get("/{budget_id}", operation_id="get_budget", responses=_KNOWN)
async def get_budget(_viewer: Viewer, session: TenantSession, budget_id: BudgetId) -> BudgetView:
    """Get one budget and what is used of it."""
    return await service.get_budget(session, budget_id)


@router.patch("/{budget_id}", operation_id="change_budget", responses=_KNOWN)
async def change_budget(
    admin: TenantAdmin, session: TenantSession, budget_id: BudgetId, data: BudgetChange
) -> BudgetView:
    """Change a budget, or give it more money for a while."""
    return await service.change_budget(session, budget_id, data, actor=admin.actor)


@router.delete(
    "/{budget_id}",
    operation_id="delete_budget",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_KNOWN,
)
async def delete_budget(admin: TenantAdmin, session: TenantSession, budget_id: BudgetId) -> Response:
    """Keep a budget no longer."""
    await service.remove_budget(session, budget_id, actor=admin.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)

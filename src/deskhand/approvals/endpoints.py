"""Approvals over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.approvals import service
from deskhand.approvals.schemas import (
    ApprovalQuery,
    ApprovalView,
    Approve,
    Batch,
    BatchResult,
    Change,
    Decline,
)
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/approvals", tags=["approvals"])

ApprovalId = Annotated[UUID, Path(description="The approval.")]

_ON_CHANGE = problem_responses(NotFoundError, ConflictError, InvalidInputError)


@router.get("", operation_id="list_approvals", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_approvals(
    _viewer: Viewer, session: TenantSession, query: Annotated[ApprovalQuery, Query()]
) -> Page[ApprovalView]:
    """List calls that agents ask people to approve, newest first: those that wait, unless another state is named."""
    return await service.list_approvals(session, query)


@router.post("/approve", operation_id="approve_all", responses=_ON_CHANGE)
async def approve_all(operator: Operator, session: TenantSession, batch: Batch) -> BatchResult:
    """Approve equal calls of low risk at once; each is answered by itself."""
    return await service.approve_all(session, batch.items, principal=operator)


@router.get(
    "/{approval_id}", operation_id="get_approval", responses=problem_responses(NotFoundError, InvalidInputError)
)
async def get_approval(_viewer: Viewer, session: TenantSession, approval_id: ApprovalId) -> ApprovalView:
    """Get one call with what it would change."""
    return await service.get_approval(session, approval_id)


@router.post("/{approval_id}/approve", operation_id="approve", responses=_ON_CHANGE)
async def approve(operator: Operator, session: TenantSession, approval_id: ApprovalId, answer: Approve) -> ApprovalView:
    """Approve a call: the run makes it, if the ticket is still as it was shown."""
    return await service.approve(session, approval_id, answer.digest, principal=operator)


@router.post("/{approval_id}/decline", operation_id="decline", responses=_ON_CHANGE)
async def decline(operator: Operator, session: TenantSession, approval_id: ApprovalId, answer: Decline) -> ApprovalView:
    """Decline a call: the run goes on without it, and its model reads why."""
    return await service.decline(session, approval_id, answer.digest, reason=answer.reason, principal=operator)


@router.post("/{approval_id}/change", operation_id="change_approval", responses=_ON_CHANGE)
async def change(
    app: App, operator: Operator, session: TenantSession, approval_id: ApprovalId, wanted: Change
) -> ApprovalView:
    """Change a call's arguments; it still has to be approved, under its new digest."""
    return await service.change(
        session,
        approval_id,
        wanted.digest,
        arguments=wanted.arguments,
        principal=operator,
        plugins=app.plugins,
    )

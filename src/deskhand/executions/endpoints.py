"""Executions over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse

from deskhand.access.guards import Operator, Viewer
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError, RateLimitedError
from deskhand.executions import service
from deskhand.executions.events import StreamSlot, stream_changes
from deskhand.executions.queue import notify_workers
from deskhand.executions.schemas import (
    BulkRetry,
    BulkRetryResult,
    ExecutionDetail,
    ExecutionFilters,
    ExecutionQuery,
    ExecutionSummary,
    StatusCounts,
    StepView,
)
from deskhand.kit.appstate import App
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/executions", tags=["executions"])

_ON_ONE = problem_responses(NotFoundError, InvalidInputError)
_ON_CHANGE = problem_responses(NotFoundError, ConflictError, InvalidInputError)


@router.get("", summary="List executions, newest first", responses=problem_responses(InvalidInputError))
async def list_executions(
    app: App, viewer: Viewer, query: Annotated[ExecutionQuery, Query()]
) -> Page[ExecutionSummary]:
    async with app.db.tenant_session(viewer.tenant_id) as session:
        return await service.list_executions(session, query, limit=query.limit, cursor=query.cursor)


@router.get("/counts", summary="Count executions by status", responses=problem_responses(InvalidInputError))
async def count_executions(app: App, viewer: Viewer, filters: Annotated[ExecutionFilters, Query()]) -> StatusCounts:
    async with app.db.tenant_session(viewer.tenant_id) as session:
        return await service.count_by_status(session, filters)


@router.get(
    "/events",
    summary="Follow executions as server-sent events",
    response_class=EventSourceResponse,
    responses={
        200: {"description": "Events named `execution`, each with an ExecutionSummary as its data."},
        **problem_responses(InvalidInputError, RateLimitedError),
    },
)
async def follow_executions(
    app: App, viewer: Viewer, filters: Annotated[ExecutionFilters, Query()], slot: StreamSlot
) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(stream_changes(app, viewer.tenant_id, filters, slot), headers=headers)


@router.post(
    "/retry", summary="Retry every ended execution that matches", responses=problem_responses(InvalidInputError)
)
async def retry_executions(app: App, operator: Operator, wanted: BulkRetry) -> BulkRetryResult:
    async with app.db.tenant_session(operator.tenant_id) as session:
        result = await service.retry_matching(session, wanted, principal=operator)
    await notify_workers(app.pool)
    return result


@router.get("/{execution_id}", summary="One execution with its steps", responses=_ON_ONE)
async def get_execution(app: App, viewer: Viewer, execution_id: UUID) -> ExecutionDetail:
    async with app.db.tenant_session(viewer.tenant_id) as session:
        return await service.get_execution(session, execution_id)


@router.get("/{execution_id}/steps", summary="The steps of an execution", responses=_ON_ONE)
async def list_steps(app: App, viewer: Viewer, execution_id: UUID) -> list[StepView]:
    async with app.db.tenant_session(viewer.tenant_id) as session:
        return await service.list_steps(session, execution_id)


@router.post("/{execution_id}/cancel", summary="Cancel an execution", responses=_ON_CHANGE)
async def cancel_execution(app: App, operator: Operator, execution_id: UUID) -> ExecutionSummary:
    async with app.db.tenant_session(operator.tenant_id) as session:
        return await service.cancel_execution(session, execution_id, principal=operator)


@router.post("/{execution_id}/retry", summary="Retry a failed or cancelled execution", responses=_ON_CHANGE)
async def retry_execution(app: App, operator: Operator, execution_id: UUID) -> ExecutionSummary:
    async with app.db.tenant_session(operator.tenant_id) as session:
        summary = await service.retry_execution(session, execution_id, principal=operator)
    await notify_workers(app.pool)
    return summary


@router.post("/{execution_id}/dismiss", summary="Dismiss a failed execution", responses=_ON_CHANGE)
async def dismiss_execution(app: App, operator: Operator, execution_id: UUID) -> ExecutionSummary:
    async with app.db.tenant_session(operator.tenant_id) as session:
        return await service.dismiss_execution(session, execution_id, principal=operator)

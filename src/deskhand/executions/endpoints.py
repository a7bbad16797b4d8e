"""Executions over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response, status
from fastapi.sse import EventSourceResponse, ServerSentEvent

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.limits import open_to_limited
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError, RateLimitedError
from deskhand.executions import doubts, repeats, service
from deskhand.executions.decision_schemas import DoubtAnswer, ReplayRequest, RetryWith
from deskhand.executions.events import StreamSlot, stream_changes
from deskhand.executions.schemas import (
    BulkDismiss,
    BulkDismissResult,
    BulkRetry,
    BulkRetryResult,
    ExecutionDetail,
    ExecutionFilters,
    ExecutionQuery,
    ExecutionSummary,
    FailureKind,
    StatusCounts,
    StepView,
)
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses

router = APIRouter(prefix="/api/v1/executions", tags=["executions"], route_class=IdempotentRoute)

ExecutionId = Annotated[UUID, Path(description="The execution.")]

_ON_ONE = problem_responses(NotFoundError, InvalidInputError)
_ON_CHANGE = problem_responses(NotFoundError, ConflictError, InvalidInputError)


@router.get("", operation_id="list_executions", responses=problem_responses(InvalidInputError))
@open_to_limited
async def list_executions(
    _viewer: Viewer, session: TenantSession, query: Annotated[ExecutionQuery, Query()]
) -> Page[ExecutionSummary]:
    """List executions, newest first."""
    return await service.list_executions(session, query, limit=query.limit, cursor=query.cursor)


@router.get("/counts", operation_id="count_executions", responses=problem_responses(InvalidInputError))
@open_to_limited
async def count_executions(
    _viewer: Viewer, session: TenantSession, filters: Annotated[ExecutionFilters, Query()]
) -> StatusCounts:
    """Count executions by status; the filters' own states are left aside."""
    return await service.count_by_status(session, filters)


@router.get("/failures", operation_id="list_failure_kinds", responses=problem_responses(InvalidInputError))
async def list_failure_kinds(_viewer: Viewer, session: TenantSession) -> list[FailureKind]:
    """List what failed runs that nobody dismissed failed with. `error_code` then retries or dismisses all of a kind."""
    return await service.failure_kinds(session)


@router.get(
    "/events",
    operation_id="follow_executions",
    response_class=EventSourceResponse,
    responses={
        200: {"description": "Server-sent events named `execution`, each with an ExecutionSummary as its data."},
        **problem_responses(InvalidInputError, RateLimitedError),
    },
)
async def follow_executions(
    app: App, viewer: Viewer, filters: Annotated[ExecutionFilters, Query()], slots: StreamSlot
) -> AsyncIterator[ServerSentEvent]:
    """Follow executions as server-sent events: the newest ones as they are, then each change."""
    # Without a session of the request: a stream lasts for minutes, and must not hold a connection of the pool as long.
    async for event in stream_changes(app, viewer, filters, slots):
        yield event


# Above the addresses with an id, or "retry" would be taken for one.
@router.post("/retry", operation_id="retry_executions", responses=problem_responses(InvalidInputError))
async def retry_executions(operator: Operator, session: TenantSession, wanted: BulkRetry) -> BulkRetryResult:
    """Retry every ended execution that matches, oldest first."""
    return await service.retry_matching(session, wanted, principal=operator)


@router.post("/dismiss", operation_id="dismiss_executions", responses=problem_responses(InvalidInputError))
async def dismiss_executions(operator: Operator, session: TenantSession, wanted: BulkDismiss) -> BulkDismissResult:
    """Dismiss every failed execution that matches, oldest first."""
    return await service.dismiss_matching(session, wanted, principal=operator)


# The convertor keeps /retry and /dismiss, which are no ids, from being looked up as such.
@router.get("/{execution_id:uuid}", operation_id="get_execution", responses=_ON_ONE)
@open_to_limited
async def get_execution(_viewer: Viewer, session: TenantSession, execution_id: ExecutionId) -> ExecutionDetail:
    """Get one execution with its input, its result and its steps."""
    return await service.get_execution(session, execution_id)


@router.get("/{execution_id}/steps", operation_id="list_execution_steps", responses=_ON_ONE)
@open_to_limited
async def list_steps(_viewer: Viewer, session: TenantSession, execution_id: ExecutionId) -> list[StepView]:
    """List the steps of an execution in order."""
    return await service.list_steps(session, execution_id)


@router.post("/{execution_id}/cancel", operation_id="cancel_execution", responses=_ON_CHANGE)
async def cancel_execution(operator: Operator, session: TenantSession, execution_id: ExecutionId) -> ExecutionSummary:
    """Cancel an execution: at once while no worker runs it, else before its next step."""
    return await service.cancel_execution(session, execution_id, principal=operator)


@router.post("/{execution_id}/retry", operation_id="retry_execution", responses=_ON_CHANGE)
async def retry_execution(operator: Operator, session: TenantSession, execution_id: ExecutionId) -> ExecutionSummary:
    """Retry a failed or cancelled execution; finished steps are replayed, not repeated."""
    return await service.retry_execution(session, execution_id, principal=operator)


@router.post("/{execution_id}/dismiss", operation_id="dismiss_execution", responses=_ON_CHANGE)
async def dismiss_execution(operator: Operator, session: TenantSession, execution_id: ExecutionId) -> ExecutionSummary:
    """Dismiss a failed execution: it needs nobody's attention any more."""
    return await service.dismiss_execution(session, execution_id, principal=operator)


@router.post(
    "/{execution_id}/replay",
    operation_id="replay_execution",
    status_code=status.HTTP_202_ACCEPTED,
    responses=_ON_CHANGE,
)
async def replay_execution(
    operator: Operator,
    session: TenantSession,
    execution_id: ExecutionId,
    wanted: ReplayRequest,
    *,
    response: Response,
) -> ExecutionSummary:
    """Run an ended execution again as a new one, with any version of its agent: dry (nothing is written) or live."""
    summary = await repeats.replay_execution(session, execution_id, wanted, principal=operator)
    response.headers["Location"] = f"{router.prefix}/{summary.id}"
    return summary


@router.post(
    "/{execution_id}/retry-with",
    operation_id="retry_execution_with",
    status_code=status.HTTP_202_ACCEPTED,
    responses=_ON_CHANGE,
)
async def retry_execution_with(
    operator: Operator,
    session: TenantSession,
    execution_id: ExecutionId,
    change: RetryWith,
    *,
    response: Response,
) -> ExecutionSummary:
    """Run a failed execution again as a new one with another input, ticket or tool, and dismiss the failed one."""
    summary = await repeats.retry_with(session, execution_id, change, principal=operator)
    response.headers["Location"] = f"{router.prefix}/{summary.id}"
    return summary


@router.post("/{execution_id}/answer", operation_id="answer_execution", responses=_ON_CHANGE)
async def answer_execution(
    operator: Operator,
    session: TenantSession,
    execution_id: ExecutionId,
    answer: DoubtAnswer,
) -> ExecutionSummary:
    """Say whether a write that is in doubt was done; an execution that waits for it then goes on."""
    return await doubts.answer_doubt(session, execution_id, answer, principal=operator)

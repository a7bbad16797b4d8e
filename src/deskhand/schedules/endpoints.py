"""Schedules over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response, status

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses
from deskhand.schedules import service
from deskhand.schedules.schemas import (
    FireView,
    PreviewRequest,
    SchedulePreview,
    ScheduleSummary,
    ScheduleView,
    StartedRun,
)

router = APIRouter(prefix="/api/v1", tags=["schedules"], route_class=IdempotentRoute)

_TRIGGER = "/agents/{agent_id}/triggers/{trigger_id}"
AgentId = Annotated[UUID, Path(description="The agent.")]
TriggerId = Annotated[UUID, Path(description="Its schedule.")]
_ON_ONE = problem_responses(NotFoundError, ConflictError, InvalidInputError)


@router.post("/schedules/preview", operation_id="preview_schedule", responses=problem_responses(InvalidInputError))
async def preview_schedule(_viewer: Viewer, session: TenantSession, wanted: PreviewRequest) -> SchedulePreview:
    """Show what an expression means before it is saved: in words, and its next five times."""
    return await service.preview(session, wanted.schedule_cron, wanted.schedule_timezone)


@router.get("/schedules", operation_id="list_schedules", responses=problem_responses(InvalidInputError))
async def list_schedules(
    _viewer: Viewer, session: TenantSession, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[ScheduleSummary]:
    """List every schedule of the tenant with its next and its latest times, by its agent's name."""
    return await service.list_schedules(session, limit=limit, cursor=cursor)


@router.get(f"{_TRIGGER}/next", operation_id="get_schedule", responses=_ON_ONE)
async def get_schedule(
    _viewer: Viewer, session: TenantSession, agent_id: AgentId, trigger_id: TriggerId
) -> ScheduleView:
    """Show a schedule's next five times, in UTC and in its own zone, and whether it fires at present."""
    return await service.get_schedule(session, agent_id, trigger_id)


@router.get(f"{_TRIGGER}/fires", operation_id="list_schedule_fires", responses=_ON_ONE)
async def list_fires(
    _viewer: Viewer,
    session: TenantSession,
    agent_id: AgentId,
    trigger_id: TriggerId,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[FireView]:
    """List what became of a schedule's times, newest first."""
    return await service.list_fires(session, agent_id, trigger_id, limit=limit, cursor=cursor)


@router.post(
    f"{_TRIGGER}/run", operation_id="run_schedule_now", status_code=status.HTTP_202_ACCEPTED, responses=_ON_ONE
)
async def run_now(
    operator: Operator,
    session: TenantSession,
    agent_id: AgentId,
    trigger_id: TriggerId,
    *,
    response: Response,
) -> StartedRun:
    """Start what the schedule starts, now, even while it is paused."""
    started = await service.run_now(session, agent_id, trigger_id, principal=operator)
    response.headers["Location"] = f"{router.prefix}/executions/{started.execution_id}"
    return started


@router.post(f"{_TRIGGER}/pause", operation_id="pause_schedule", responses=_ON_ONE)
async def pause_schedule(
    operator: Operator, session: TenantSession, agent_id: AgentId, trigger_id: TriggerId
) -> ScheduleView:
    """Pause a schedule. What comes meanwhile is not made up for."""
    return await service.pause(session, agent_id, trigger_id, principal=operator)


@router.post(f"{_TRIGGER}/resume", operation_id="resume_schedule", responses=_ON_ONE)
async def resume_schedule(
    operator: Operator, session: TenantSession, agent_id: AgentId, trigger_id: TriggerId
) -> ScheduleView:
    """Resume a paused schedule, from its next time on."""
    return await service.resume(session, agent_id, trigger_id, principal=operator)

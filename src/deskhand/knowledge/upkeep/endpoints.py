"""Jobs of the upkeep over the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, status

from deskhand.access.guards import Operator, TenantSession, Viewer
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page
from deskhand.kit.problem import problem_responses
from deskhand.knowledge.upkeep import jobs
from deskhand.knowledge.upkeep.models import JobKind
from deskhand.knowledge.upkeep.schemas import JobQuery, JobStart, JobView

router = APIRouter(prefix="/api/v1/knowledge/jobs", tags=["knowledge"], route_class=IdempotentRoute)

JobId = Annotated[UUID, Path(description="The job.")]
_READ = problem_responses(NotFoundError, InvalidInputError)
_CHANGE = problem_responses(NotFoundError, ConflictError, InvalidInputError)


@router.get("", operation_id="list_knowledge_jobs", responses=_READ)
async def list_knowledge_jobs(
    _viewer: Viewer, session: TenantSession, query: Annotated[JobQuery, Query()]
) -> Page[JobView]:
    """List imports and makings of vectors, newest first."""
    page = await jobs.list_jobs(session, kind=query.kind, state=query.state, limit=query.limit, cursor=query.cursor)
    return Page(items=[jobs.view(job) for job in page.items], next_cursor=page.next_cursor)


@router.post("", operation_id="start_knowledge_job", status_code=status.HTTP_201_CREATED, responses=_CHANGE)
async def start_knowledge_job(operator: Operator, session: TenantSession, app: App, data: JobStart) -> JobView:
    """Start a job; a worker takes it at once, and makes way for live runs."""
    assert operator.tenant_id is not None  # the session is of one
    tool_type, kind = None, JobKind(data.kind)
    if kind is not JobKind.EMBEDDINGS:
        tool_type = await jobs.desk_of(session, data.tool_type, secrets=app.secrets, plugins=app.plugins)
    job = await jobs.start(
        session, operator.tenant_id, kind, tool_type=tool_type, since=data.since, actor=operator.actor
    )
    return jobs.view(job)


@router.get("/{job_id}", operation_id="get_knowledge_job", responses=_READ)
async def get_knowledge_job(_viewer: Viewer, session: TenantSession, job_id: JobId) -> JobView:
    """Get one job with its progress."""
    return jobs.view(await jobs.get(session, job_id))


@router.post("/{job_id}/pause", operation_id="pause_knowledge_job", responses=_CHANGE)
async def pause_knowledge_job(operator: Operator, session: TenantSession, job_id: JobId) -> JobView:
    """Let a job rest; it goes on where it was."""
    return jobs.view(await jobs.pause(session, job_id, actor=operator.actor))


@router.post("/{job_id}/resume", operation_id="resume_knowledge_job", responses=_CHANGE)
async def resume_knowledge_job(operator: Operator, session: TenantSession, job_id: JobId) -> JobView:
    """Let a job go on that was paused, or that failed and whose cause is mended."""
    return jobs.view(await jobs.resume(session, job_id, actor=operator.actor))

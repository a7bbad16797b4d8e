"""Jobs of the upkeep as people see and steer them: start, pause, resume, look."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.page import Page
from deskhand.knowledge.upkeep import repository
from deskhand.knowledge.upkeep.models import JobKind, JobState, KnowledgeJob
from deskhand.knowledge.upkeep.schemas import JobView
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import connected_tools

SYSTEM = "upkeep"
"""Who asked for a job that nobody asked for: a desk was connected, or a night came."""
_NIGHT_HOUR, _NIGHT_SECONDS = 1, 4 * 3600


async def start(
    session: AsyncSession,
    tenant_id: str,
    kind: JobKind,
    *,
    tool_type: str | None = None,
    since: datetime | None = None,
    actor: str = SYSTEM,
) -> KnowledgeJob:
    """Queue a job; a worker takes it at once.

    Args:
        session: A session of the tenant.
        tenant_id: The tenant.
        kind: What it does.
        tool_type: Which desk's history; None for vectors.
        since: Where to begin on the desk's clock; None: where the last import ended, else with the first ticket.
        actor: Who asks, for the audit log.

    Raises:
        ConflictError: One of its kind is open for the desk.
    """
    job = await repository.add_job(
        session, tenant_id=tenant_id, kind=kind, tool_type=tool_type, since=since, asked_by=actor
    )
    if job is None:
        raise ConflictError(f"A job of this kind ({kind}) is open already; pause or resume that one.")
    # When there is a first job, the nights follow by themselves.
    await repository.set_history_due(session, next_night(tenant_id, utc_now()))
    await _record(session, job, "start", actor)
    return job


async def embed_soon(session: AsyncSession, tenant_id: str) -> None:
    """Let a worker make the vectors of what this transaction wrote."""
    # An open job is held until the commit: its last look then sees what was written, or it has ended and a new one is
    # queued.
    if await repository.hold_open(session, JobKind.EMBEDDINGS):
        return
    await repository.add_job(session, tenant_id=tenant_id, kind=JobKind.EMBEDDINGS, asked_by=SYSTEM)


async def pause(session: AsyncSession, job_id: UUID, *, actor: str) -> KnowledgeJob:
    """Let a job rest; what the worker is about to store of the page at hand is read again after.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It has ended, or rests already.
    """
    return await _move(session, job_id, (JobState.QUEUED, JobState.RUNNING), JobState.PAUSED, "pause", actor)


async def resume(session: AsyncSession, job_id: UUID, *, actor: str) -> KnowledgeJob:
    """Let a job go on from where it was: one that was paused, or that failed once its cause is mended.

    Raises:
        NotFoundError: There is no such job.
        ConflictError: It is at work or done, or another of its kind is open.
    """
    return await _move(session, job_id, (JobState.PAUSED, JobState.FAILED), JobState.QUEUED, "resume", actor)


async def _move(  # noqa: PLR0917 - one transition, said in full
    session: AsyncSession, job_id: UUID, possible: tuple[JobState, ...], to: JobState, verb: str, actor: str
) -> KnowledgeJob:
    job = await repository.job(session, job_id, lock=True)
    if job is None:
        raise NotFoundError(f"There is no job '{job_id}'.")
    if job.state not in possible:
        raise ConflictError(f"The job is {job.state}; {verb} is for one that is {' or '.join(possible)}.")
    # A failed one is no longer open, so another may have been started meanwhile.
    if job.state == JobState.FAILED and await repository.is_open(session, job):
        raise ConflictError("Another job of this kind is open for the desk; it does what is left.")
    before = job.state
    job.state, job.lease_until, job.ended_at = to, None, None
    if to is JobState.QUEUED:
        job.not_before, job.tries, job.error = utc_now(), 0, None
    await session.flush()
    await session.refresh(job)
    await _record(session, job, verb, actor, before=before)
    return job


async def get(session: AsyncSession, job_id: UUID) -> KnowledgeJob:
    """One job with its progress.

    Raises:
        NotFoundError: There is no such job.
    """
    job = await repository.job(session, job_id)
    if job is None:
        raise NotFoundError(f"There is no job '{job_id}'.")
    return job


async def list_jobs(
    session: AsyncSession,
    *,
    kind: JobKind | None = None,
    state: JobState | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[KnowledgeJob]:
    """Jobs, newest first."""
    return await repository.list_jobs(session, kind=kind, state=state, limit=limit, cursor=cursor)


async def desk_of(session: AsyncSession, tool_type: str | None, *, secrets: SecretBox, plugins: PluginManager) -> str:
    """The desk that is meant, if the tenant is connected to it.

    Raises:
        InvalidInputError: There is no such desk, or its connection is not complete.
    """
    tenant = await repository.tenant_of(session)
    if tenant is None:
        raise NotFoundError("There is no such tenant.")
    connected = connected_tools(tenant, secrets=secrets, plugins=plugins)
    chosen = tool_type or tenant.tool_type
    if chosen not in connected:
        names = ", ".join(sorted(connected)) or "none yet"
        detail = f"'{chosen}' is no desk that this tenant is connected to ({names})"
        raise InvalidInputError(f"{detail}.", errors=[FieldProblem("/tool_type", detail)])
    return chosen


def next_night(tenant_id: str, now: datetime) -> datetime:
    """When a tenant's desks are asked next: in the small hours, each tenant at a time of its own."""
    night = now.astimezone(UTC).replace(hour=_NIGHT_HOUR, minute=0, second=0, microsecond=0)
    at = night + timedelta(seconds=zlib.crc32(tenant_id.encode()) % _NIGHT_SECONDS)
    return at if at > now else at + timedelta(days=1)


def finding(job: KnowledgeJob) -> str | None:
    """What an import says about the tickets that were solved last; None before it has looked."""
    if job.judged is None or job.answerable is None:
        return None
    return f"Of your last {job.judged} tickets I would have found a solution for {job.answerable}."


def view(job: KnowledgeJob) -> JobView:
    """A job as it is shown."""
    shown = {name: getattr(job, name) for name in JobView.model_fields if name != "finding"}
    return JobView(**shown, finding=finding(job))


async def _record(session: AsyncSession, job: KnowledgeJob, verb: str, actor: str, before: str | None = None) -> None:
    await audit.record(
        session,
        tenant_id=job.tenant_id,
        actor=actor,
        operation=f"knowledge_job.{verb}",
        resource_type="knowledge_job",
        resource_id=job.id,
        before=None if before is None else {"state": before},
        after={"kind": job.kind, "tool_type": job.tool_type, "state": job.state},
    )

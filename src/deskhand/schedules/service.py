"""What people do with schedules: look ahead, look back, run now, pause, resume. In the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.agents.models import Agent, AgentTrigger
from deskhand.agents.schemas import AgentStatus, TriggerType
from deskhand.agents.service import current_version_id
from deskhand.audit import service as audit
from deskhand.engine.births import NewRun, find_why_not_startable, start_run, why_not_startable
from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.cron import describe, next_fire, occurrences, zone
from deskhand.kit.db.session import database_now
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.schedules import repository
from deskhand.schedules.schemas import FireView, SchedulePreview, ScheduleSummary, ScheduleView, StartedRun, Upcoming

SHOWN = 5


async def preview(session: AsyncSession, cron: str, timezone: str) -> SchedulePreview:
    """What an expression means, from the database's present time on.

    Args:
        session: Any session.
        cron: A valid expression.
        timezone: A valid IANA zone.
    """
    return _preview(cron, timezone, await database_now(session))


async def get_schedule(session: AsyncSession, agent_id: UUID, trigger_id: UUID) -> ScheduleView:
    """A schedule and its next five times.

    Raises:
        NotFoundError: The tenant has no such agent or trigger.
        ConflictError: The trigger is a webhook.
    """
    agent, trigger = await _schedule(session, agent_id, trigger_id)
    return await _view(session, agent, trigger)


async def list_schedules(session: AsyncSession, *, limit: int, cursor: str | None = None) -> Page[ScheduleSummary]:
    """Every schedule of the tenant, by its agent's name, with its next and its latest times.

    Args:
        session: A tenant session.
        limit: Rows on a page.
        cursor: ``next_cursor`` of the page before.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(cursor, str, UUID)
    rows = await repository.list_schedules(
        session, after=None if after is None else (after[0], after[1]), limit=limit + 1
    )
    fires = await repository.last_fires(session, [trigger.id for _, trigger in rows], each=SHOWN)
    now = await database_now(session)
    # Row level security shows the session one tenant, so one look answers for every row of the page.
    live = bool(rows) and await repository.tenant_is_active(session, rows[0][0].tenant_id)
    shown = [
        ScheduleSummary(
            **_describe(agent, trigger, now=now, tenant_is_active=live).model_dump(),
            agent_name=agent.name,
            last_fires=[FireView.model_validate(dict(row)) for row in fires[trigger.id]],
        )
        for agent, trigger in rows
    ]
    return cut_page(shown, limit, lambda row: (row.agent_name, row.trigger_id))


async def list_fires(
    session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, limit: int, cursor: str | None
) -> Page[FireView]:
    """What became of a schedule's instants, newest first.

    Raises:
        NotFoundError: The tenant has no such agent or trigger.
        ConflictError: The trigger is a webhook.
    """
    await _schedule(session, agent_id, trigger_id)
    position = decode_cursor(cursor, datetime)
    before = None if position is None else position[0]
    rows = await repository.list_fires(session, trigger_id, before=before, limit=limit + 1)
    return cut_page([FireView.model_validate(dict(row)) for row in rows], limit, lambda row: (row.fire_at,))


async def pause(session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, principal: Principal) -> ScheduleView:
    """Let a schedule fire no more until it is resumed; what comes meanwhile is not made up for.

    Raises:
        NotFoundError: The tenant has no such agent or trigger.
        ConflictError: The trigger is a webhook.
    """
    return await set_paused(session, agent_id, trigger_id, actor=principal.actor, paused=True)


async def resume(session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, principal: Principal) -> ScheduleView:
    """Let a paused schedule fire again, from its next instant on.

    Raises:
        NotFoundError: The tenant has no such agent or trigger.
        ConflictError: The trigger is a webhook.
    """
    return await set_paused(session, agent_id, trigger_id, actor=principal.actor, paused=False)


async def run_now(session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, principal: Principal) -> StartedRun:
    """Start what the schedule starts, now, paused or not; its own instants stay as they are.

    Raises:
        NotFoundError: The tenant has no such agent or trigger.
        ConflictError: The trigger is a webhook, or the agent or its tenant is not active.
    """
    agent, trigger = await _schedule(session, agent_id, trigger_id)
    if reason := await find_why_not_startable(session, agent.id):
        raise ConflictError(f"{reason} Nothing was started.")
    now = await database_now(session)
    about = {
        "trigger_id": str(trigger.id),
        "cron": trigger.schedule_cron,
        "timezone": trigger.schedule_timezone,
        # The form in which fire_schedules writes it, so that a prompt reads the same whoever starts the run.
        "fire_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "requested_by": principal.actor,
    }
    run = NewRun(
        tenant_id=agent.tenant_id,
        agent_id=agent.id,
        trigger_id=trigger.id,
        agent_version_id=await current_version_id(session, agent.id),
        input_payload={"schedule": about},
    )
    execution = await start_run(session, run)
    await _audit(session, trigger, principal.actor, "schedule.run", after={"execution_id": str(execution.id)})
    return StartedRun(execution_id=execution.id, status=execution.status, queued_at=execution.queued_at)


async def set_paused(
    session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, actor: str, paused: bool
) -> ScheduleView:
    """Pause or resume a schedule for whoever acts; one that is so already stays untouched.

    Raises:
        NotFoundError: The tenant has no such agent or trigger.
        ConflictError: The trigger is a webhook.
    """
    agent, trigger = await _schedule(session, agent_id, trigger_id, for_update=True)
    if trigger.is_paused != paused:
        before = {"is_paused": trigger.is_paused, "next_fire_at": trigger.next_fire_at}
        trigger.is_paused = paused
        # A paused schedule has no next time, which also takes it out of the index that schedulers look through.
        trigger.next_fire_at = None
        if not paused and agent.status == AgentStatus.ACTIVE:
            now = await database_now(session)
            trigger.next_fire_at = _next(trigger, now)
        agent.revision += 1  # the agent as it is shown has changed: its ETag must too
        await session.flush()
        operation = "schedule.pause" if paused else "schedule.resume"
        after = {"is_paused": paused, "next_fire_at": trigger.next_fire_at}
        await _audit(session, trigger, actor, operation, before=before, after=after)
    return await _view(session, agent, trigger)


async def _schedule(
    session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, for_update: bool = False
) -> tuple[Agent, AgentTrigger]:
    schedule = await repository.get_trigger(session, agent_id, trigger_id, for_update=for_update)
    if schedule is None:
        raise NotFoundError(f"There is no trigger {trigger_id} of an agent {agent_id}.")
    if schedule[1].trigger_type != TriggerType.SCHEDULE:
        raise ConflictError(f"Trigger {trigger_id} is a {schedule[1].trigger_type}; it has no schedule.")
    return schedule


async def _view(session: AsyncSession, agent: Agent, trigger: AgentTrigger) -> ScheduleView:
    live = await repository.tenant_is_active(session, agent.tenant_id)
    return _describe(agent, trigger, now=await database_now(session), tenant_is_active=live)


def _describe(agent: Agent, trigger: AgentTrigger, *, now: datetime, tenant_is_active: bool) -> ScheduleView:
    reason = why_not_startable(agent.status, tenant_is_active=tenant_is_active)
    if trigger.is_paused:
        reason = "The schedule is paused."
    try:
        meaning = _preview(_cron(trigger), trigger.schedule_timezone, now)
    except ValueError as error:  # a zone that tzdata no longer has; this schedule stands still, the others go on
        reason = f"The schedule cannot be read: {error}. Change it, and it fires again."
        meaning = SchedulePreview(
            schedule_cron=_cron(trigger), schedule_timezone=trigger.schedule_timezone, description=reason, upcoming=[]
        )
    return ScheduleView(
        **meaning.model_dump(),
        agent_id=agent.id,
        trigger_id=trigger.id,
        misfire_policy=trigger.misfire_policy,
        misfire_max_age_seconds=trigger.misfire_max_age_seconds,
        is_paused=trigger.is_paused,
        next_fire_at=None if reason else trigger.next_fire_at,
        not_firing=reason,
    )


def _preview(cron: str, timezone: str, now: datetime) -> SchedulePreview:
    clock = zone(timezone)
    upcoming: list[Upcoming] = []
    before = now.astimezone(clock)
    for instant in islice(occurrences(cron, timezone, after=now), SHOWN):
        local = instant.astimezone(clock)
        # People read the preview to find out what the change of the clock does to their schedule, so it is marked.
        changed = local.utcoffset() != before.utcoffset()
        upcoming.append(Upcoming(utc=instant, local=local, abbreviation=local.tzname(), clock_changes=changed))
        before = local
    return SchedulePreview(
        schedule_cron=cron, schedule_timezone=timezone, description=describe(cron), upcoming=upcoming
    )


def _next(trigger: AgentTrigger, now: datetime) -> datetime:
    try:
        return next_fire(_cron(trigger), trigger.schedule_timezone, after=now)
    except ValueError as error:
        raise ConflictError(f"The schedule cannot be read: {error}. Change it first.") from error


def _cron(trigger: AgentTrigger) -> str:
    assert trigger.schedule_cron is not None  # a check constraint says so for every schedule
    return trigger.schedule_cron


async def _audit(
    session: AsyncSession,
    trigger: AgentTrigger,
    actor: str,
    operation: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any],
) -> None:
    await audit.record(
        session,
        tenant_id=trigger.tenant_id,
        actor=actor,
        operation=operation,
        resource_type="trigger",
        resource_id=trigger.id,
        before=before,
        after=after,
        details={"agent_id": str(trigger.agent_id)},
    )

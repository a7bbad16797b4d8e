"""Queries of schedules: the schedulers' statements across tenants, and a tenant's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import RowMapping, Select, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentTrigger
from deskhand.engine.models import AgentExecution
from deskhand.schedules.models import ScheduleFire
from deskhand.tenants.models import TenantConfig

Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy


# -- schedulers ------------------------------------------------------------------------------


async def seconds_to_next(pool: asyncpg.Pool[asyncpg.Record]) -> float | None:
    """Seconds until the next instant of any schedule, negative if it is due; None if there is none."""
    delay = await pool.fetchval("SELECT schedule_delay()")
    return None if delay is None else float(delay)


async def lock_due(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Take due triggers for the length of the open transaction."""
    rows = await connection.fetch(
        "SELECT trigger_id, cron, zone, policy, make_interval(secs => max_age_seconds) AS max_age, next_fire_at, live,"
        " at AS now FROM due_schedules($1)",
        limit,
    )
    return [dict(row) for row in rows]


async def fire(
    connection: Connection,
    *,
    instants: Sequence[tuple[UUID, datetime, str]],
    moved: Sequence[tuple[UUID, datetime | None]],
) -> tuple[int, int]:
    """Record instants, start executions, move triggers on.

    Returns:
        How many fired and how many were recorded as skipped.
    """
    row = await connection.fetchrow(
        "SELECT fired, skipped FROM fire_schedules($1, $2, $3, $4, $5)",
        [trigger_id for trigger_id, _, _ in instants],
        [instant for _, instant, _ in instants],
        [outcome for _, _, outcome in instants],
        [trigger_id for trigger_id, _ in moved],
        [following for _, following in moved],
    )
    assert row is not None
    return int(row["fired"]), int(row["skipped"])


# -- one tenant ------------------------------------------------------------------------------


async def get_trigger(
    session: AsyncSession, agent_id: UUID, trigger_id: UUID, *, for_update: bool = False
) -> tuple[Agent, AgentTrigger] | None:
    """A trigger with its agent. To change it the agent is locked first, as everywhere."""
    agents = select(Agent).where(Agent.id == agent_id).execution_options(populate_existing=True)
    triggers = (
        select(AgentTrigger)
        .where(AgentTrigger.id == trigger_id, AgentTrigger.agent_id == agent_id)
        .execution_options(populate_existing=True)
    )
    if for_update:
        # key_share: runs that point at the trigger may be inserted while a person changes it.
        agents, triggers = agents.with_for_update(), triggers.with_for_update(key_share=True)
    agent = (await session.execute(agents)).scalar_one_or_none()
    trigger = (await session.execute(triggers)).scalar_one_or_none()
    return None if agent is None or trigger is None else (agent, trigger)


async def tenant_is_active(session: AsyncSession, tenant_id: str) -> bool:
    """Whether a tenant exists and is active."""
    query = select(TenantConfig.is_active).where(TenantConfig.tenant_id == tenant_id)
    return bool((await session.execute(query)).scalar_one_or_none())


async def list_schedules(
    session: AsyncSession, *, after: tuple[str, UUID] | None, limit: int
) -> Sequence[tuple[Agent, AgentTrigger]]:
    """Schedules with their agents, by the agent's name."""
    query = select(Agent, AgentTrigger).join(AgentTrigger, AgentTrigger.agent_id == Agent.id)
    query = query.where(AgentTrigger.trigger_type == "schedule")
    if after is not None:
        query = query.where(tuple_(Agent.name, AgentTrigger.id) > after)
    rows = await session.execute(query.order_by(Agent.name, AgentTrigger.id).limit(limit))
    return [(agent, trigger) for agent, trigger in rows]


async def list_fires(
    session: AsyncSession, trigger_id: UUID, *, before: datetime | None, limit: int
) -> Sequence[RowMapping]:
    """What became of a trigger's instants, newest first."""
    query = _fires().where(ScheduleFire.trigger_id == trigger_id)
    if before is not None:
        query = query.where(ScheduleFire.fire_at < before)
    return (await session.execute(query.order_by(ScheduleFire.fire_at.desc()).limit(limit))).mappings().all()


async def last_fires(session: AsyncSession, trigger_ids: Sequence[UUID], *, each: int) -> dict[UUID, list[RowMapping]]:
    """The latest instants of many triggers, newest first; each trigger costs one look into the index."""
    fires: dict[UUID, list[RowMapping]] = {trigger_id: [] for trigger_id in trigger_ids}
    latest = (
        _fires()
        .where(ScheduleFire.trigger_id == AgentTrigger.id)
        .order_by(ScheduleFire.fire_at.desc())
        .limit(each)
        .correlate(AgentTrigger)
        .lateral("latest")
    )
    query = select(AgentTrigger.id.label("of"), latest).join(latest, true()).where(AgentTrigger.id.in_(trigger_ids))
    for row in (await session.execute(query.order_by(AgentTrigger.id, latest.c.fire_at.desc()))).mappings():
        fires[row["of"]].append(row)
    return fires


def _fires() -> Select[*tuple[Any, ...]]:
    fire, run = ScheduleFire, AgentExecution
    return select(
        *(fire.fire_at, fire.outcome, fire.execution_id, fire.fired_at), run.status.label("execution_status")
    ).outerjoin(run, run.id == fire.execution_id)

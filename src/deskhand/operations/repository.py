"""Queries of how things stand. The same for a tenant and for the platform: the session decides what they count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping, func, literal, null, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentTrigger
from deskhand.engine.models import Worker
from deskhand.engine.presence import SILENT_SECONDS
from deskhand.schedules.models import ScheduleFire

SHOWN_WORKERS = 200

# As the engine decides it (engine.sql): a pause holds what else could start; what is not parked waits for a worker.
_WAITING = text("""
    SELECT e.tenant_id, count(*) AS runs, min(e.queued_at) AS oldest_at,
           CASE WHEN run_is_paused(e.tenant_id, e.agent_id, e.mode) THEN 'paused'
                WHEN NOT e.parked THEN 'ready'
                WHEN e.not_before > now() THEN 'later'
                WHEN e.lane IS NOT NULL AND EXISTS (
                       SELECT 1 FROM agent_executions r
                        WHERE r.tenant_id = e.tenant_id AND r.lane = e.lane AND r.status = 'running') THEN 'ticket'
                ELSE 'limit' END AS reason
      FROM agent_executions e WHERE e.status = 'queued' GROUP BY e.tenant_id, reason
""")
_RUNNING = text("SELECT tenant_id, count(*) AS runs FROM agent_executions WHERE status = 'running' GROUP BY tenant_id")
# A run whose model fails ends in a note without it and not in a failure; both say that the model does not answer.
_FAILING = text("""
    SELECT CASE WHEN e.error_code LIKE 'desk-%' THEN 'desk' ELSE 'model' END AS kind,
           CASE WHEN e.error_code LIKE 'desk-%' THEN e.tool_type ELSE v.llm_config ->> 'model' END AS name,
           e.error_code, count(*) AS runs, count(DISTINCT e.tenant_id) AS tenants,
           max(coalesce(e.completed_at, e.started_at)) AS last_at
      FROM agent_executions e JOIN agent_versions v ON v.tenant_id = e.tenant_id AND v.id = e.agent_version_id
     WHERE e.started_at > now() - interval '15 minutes' AND e.status IN ('queued', 'waiting', 'failed', 'completed')
       AND (e.error_code LIKE 'desk-%' OR e.error_code LIKE 'model-%'
            OR e.error_code IS NULL AND e.output_result @> '{"degraded": true}')
     GROUP BY 1, 2, 3 ORDER BY runs DESC, 1, 2, 3 LIMIT 20
""")


async def waiting_by_reason(session: AsyncSession) -> Sequence[RowMapping]:
    """Runs that wait, by tenant and reason."""
    return (await session.execute(_WAITING)).mappings().all()


async def running_by_tenant(session: AsyncSession) -> dict[str, int]:
    """Runs at work."""
    return {row.tenant_id: row.runs for row in await session.execute(_RUNNING)}


async def failing_now(session: AsyncSession) -> Sequence[RowMapping]:
    """Desks and models that runs met an error at lately."""
    return (await session.execute(_FAILING)).mappings().all()


async def list_workers(session: AsyncSession, *, names: bool) -> Sequence[RowMapping]:
    """Every worker that was seen within a day, the living first; their names only to who may read them."""
    w = Worker
    alive = (w.seen_at > func.now() - timedelta(seconds=SILENT_SECONDS)).label("is_alive")
    name = w.worker_id if names else null()
    query = (
        select(name.label("worker_id"), w.slots, w.running, w.started_at, w.seen_at, alive)
        .order_by(alive.desc(), w.started_at)
        .limit(SHOWN_WORKERS)
    )
    return (await session.execute(query)).mappings().all()


async def schedule_times(session: AsyncSession) -> RowMapping:
    """The next time of any schedule that is to fire, and the latest one of the last day."""
    t, f = AgentTrigger, ScheduleFire
    coming = (
        select(t.next_fire_at)
        .join(Agent, Agent.id == t.agent_id)
        .where(
            t.next_fire_at.is_not(None),
            t.is_paused.is_(False),
            Agent.status == "active",
            func.run_is_paused(t.tenant_id, t.agent_id, literal("live")).is_(False),
        )
        .order_by(t.next_fire_at)  # and not min(), which would ask of every schedule whether it is paused
        .limit(1)
    )
    latest = select(func.max(f.fire_at)).where(f.outcome == "fired", f.fire_at > func.now() - timedelta(days=1))
    query = select(coming.scalar_subquery().label("next_at"), latest.scalar_subquery().label("last_at"))
    return (await session.execute(query)).mappings().one()


async def find_agent_name(session: AsyncSession, agent_id: UUID) -> str | None:
    """What an agent of the tenant is called."""
    return await session.scalar(select(Agent.name).where(Agent.id == agent_id))

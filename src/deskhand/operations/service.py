"""How things stand now: queue, workers, pauses, what fails. For one tenant, or for the platform across all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.executions.service import failure_kinds
from deskhand.operations import repository
from deskhand.operations.schemas import Clock, Failing, Operations, Parked, TenantQueue, WorkerView
from deskhand.pauses import service as pauses

SHOWN_TENANTS = 50


async def how_it_stands(session: AsyncSession, *, tenant_id: str | None) -> Operations:
    """Everything an operator looks at.

    Args:
        session: A tenant session, which counts the tenant's own; or the platform's, which counts all.
        tenant_id: Who looks; None: the platform, which is told no tenant's content.
    """
    queues = _queues(await repository.waiting_by_reason(session), await repository.running_by_tenant(session))
    failures = await failure_kinds(session) if tenant_id is not None else []
    return Operations(
        pauses=await pauses.list_pauses(session, tenant_id=tenant_id),
        queues=queues[:SHOWN_TENANTS],
        more_tenants=max(0, len(queues) - SHOWN_TENANTS),
        waiting=sum(one.waiting for one in queues),
        running=sum(one.running for one in queues),
        oldest_at=_oldest([one.oldest_at for one in queues]),
        workers=[
            WorkerView.model_validate(dict(row))
            for row in await repository.list_workers(session, names=tenant_id is None)
        ],
        failing=[Failing.model_validate(dict(row)) for row in await repository.failing_now(session)],
        clock=Clock.model_validate(dict(await repository.schedule_times(session))),
        failures=failures,
    )


def _queues(waiting: Sequence[RowMapping], running: dict[str, int]) -> list[TenantQueue]:
    """One of each tenant with something to do, the most waiting first."""
    queues = {tenant: TenantQueue(tenant_id=tenant, running=runs) for tenant, runs in running.items()}
    for row in waiting:
        queue = queues.setdefault(row["tenant_id"], TenantQueue(tenant_id=row["tenant_id"]))
        queue.oldest_at = _oldest([queue.oldest_at, row["oldest_at"]])
        if row["reason"] == "ready":
            queue.ready = row["runs"]
        else:
            queue.parked.append(Parked(reason=row["reason"], runs=row["runs"], oldest_at=row["oldest_at"]))
    for queue in queues.values():
        queue.parked.sort(key=lambda one: (-one.runs, one.reason))
    return sorted(queues.values(), key=lambda one: (-one.waiting, one.tenant_id))


def _oldest(times: Sequence[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)

"""Every query of approvals. Private to this feature; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentVersion
from deskhand.approvals.models import Approval, ApprovalState
from deskhand.approvals.schemas import ApprovalQuery
from deskhand.engine.models import AgentExecution
from deskhand.engine.status import ExecutionStatus

Key = tuple[datetime, UUID]


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Approval,
            Agent.id.label("agent_id"),
            Agent.name.label("agent_name"),
            AgentVersion.version_number.label("agent_version"),
        )
        .join(AgentExecution, AgentExecution.id == Approval.execution_id)
        .join(Agent, Agent.id == AgentExecution.agent_id)
        .join(AgentVersion, AgentVersion.id == AgentExecution.agent_version_id)
    )


async def list_rows(
    session: AsyncSession, query: ApprovalQuery, *, after: Key | None, limit: int
) -> Sequence[RowMapping]:
    """Newest first; those that wait only while their run does, so that nobody is asked about one that was cancelled."""
    statement = _rows().order_by(Approval.created_at.desc(), Approval.id.desc()).limit(limit)
    statement = statement.where(Approval.state.in_(query.state), _stands())
    if query.execution_id is not None:
        statement = statement.where(Approval.execution_id == query.execution_id)
    if after is not None:
        statement = statement.where(
            tuple_(Approval.created_at, Approval.id) < tuple_(literal(after[0]), literal(after[1]))
        )
    return (await session.execute(statement)).mappings().all()


async def list_of_runs(session: AsyncSession, runs: Sequence[UUID]) -> Sequence[RowMapping]:
    """Those of some runs, newest first."""
    statement = _rows().where(Approval.execution_id.in_(runs), _stands())
    return (await session.execute(statement.order_by(Approval.created_at.desc(), Approval.id.desc()))).mappings().all()


def _stands() -> ColumnElement[bool]:
    """Not of one that waits for an answer which its run does not wait for any more."""
    waits = and_(AgentExecution.status == ExecutionStatus.WAITING, Approval.expires_at > func.clock_timestamp())
    return or_(Approval.state != ApprovalState.WAITING, waits)


async def find_row(session: AsyncSession, approval_id: UUID) -> RowMapping | None:
    """One with its agent's name and version."""
    statement = _rows().where(Approval.id == approval_id).execution_options(populate_existing=True)
    return (await session.execute(statement)).mappings().one_or_none()


async def find_by_step(session: AsyncSession, execution_id: UUID, step_key: str) -> Approval | None:
    """What was asked about one write of one run."""
    statement = select(Approval).where(Approval.execution_id == execution_id, Approval.step_key == step_key)
    return (await session.execute(statement)).scalar_one_or_none()


async def add(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Ask, unless an earlier attempt of the run has asked already."""
    statement = insert(Approval).values(**values).on_conflict_do_nothing().returning(Approval.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def lock(session: AsyncSession, approval_id: UUID) -> tuple[Approval, AgentExecution] | None:
    """An approval and its run, kept from workers and other people until the end of the transaction."""
    ids = await session.execute(select(Approval.execution_id).where(Approval.id == approval_id))
    execution_id = ids.scalar_one_or_none()
    if execution_id is None:
        return None
    # The run first, as its worker and everybody else locks it.
    run = await session.execute(
        select(AgentExecution)
        .where(AgentExecution.id == execution_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    approval = await session.execute(
        select(Approval).where(Approval.id == approval_id).with_for_update().execution_options(populate_existing=True)
    )
    return approval.scalar_one(), run.scalar_one()


async def settle(session: AsyncSession, approval_id: UUID, *, was: ApprovalState, now: ApprovalState, why: str) -> bool:
    """Note what a run found: that nobody answered in time, or that the ticket had changed. Once."""
    statement = (
        update(Approval)
        .where(Approval.id == approval_id, Approval.state == was)
        .values(state=now, answer=why)
        .returning(Approval.id)
    )
    if now is ApprovalState.EXPIRED:
        statement = statement.where(Approval.expires_at <= func.clock_timestamp())
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def time_waited(session: AsyncSession, execution_id: UUID) -> timedelta:
    """How long a run has waited for people."""
    until = func.least(func.coalesce(Approval.answered_at, Approval.expires_at), func.clock_timestamp())
    statement = select(func.sum(until - Approval.created_at)).where(Approval.execution_id == execution_id)
    return (await session.execute(statement)).scalar_one() or timedelta()


async def author_of(session: AsyncSession, execution: AgentExecution) -> str | None:
    """Who wrote the version that a run is pinned to."""
    statement = select(AgentVersion.created_by).where(AgentVersion.id == execution.agent_version_id)
    return (await session.execute(statement)).scalar_one()

"""Every query of the executions' pages and API. Private to this feature; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    RowMapping,
    Select,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONPATH, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentTrigger, AgentVersion
from deskhand.engine.births import DRY_RUN
from deskhand.engine.models import AgentExecution, CostCorrection, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.errors import RequesterAskedError
from deskhand.executions.schemas import BulkDismiss, BulkRetry, ExecutionFilters

# What desks call the headline of a ticket; looked for near the top of the event only.
_SUBJECT_NAMES = ("subject", "summary", "short_description")
_AGENT_CHOICES = 200
_RELATED = 20

Key = tuple[datetime, UUID]
Condition = ColumnElement[bool]


def _milliseconds(start: Any, end: Any) -> ColumnElement[int | None]:
    return cast(func.round(extract("epoch", end - start) * 1000), Integer)


def event_subject() -> ColumnElement[str | None]:
    """The ticket's headline in the event that started a run."""
    # Three levels deep, where every desk has its headline; a search through a whole event would cost a list its speed.
    paths = [f'$.**{{0 to 3}}.{name} ? (@.type() == "string")' for name in _SUBJECT_NAMES]
    subjects = [
        func.jsonb_path_query_first(AgentExecution.input_payload, cast(literal(path), JSONPATH)).op("#>>")(
            literal_column("'{}'")
        )
        for path in paths
    ]
    return func.left(func.coalesce(*subjects), 300)


def _spent() -> Any:
    """Per execution: steps, tokens, and cost as far as every finished model call has a price."""
    step = ExecutionStep
    # A sum that leaves out a call without a price would show part of the cost as the whole.
    unpriced = func.bool_or(and_(step.kind == "model", step.state == StepState.FINISHED, step.cost_usd.is_(None)))
    return (
        select(
            func.count().label("step_count"),
            func.sum(step.tokens_in).label("tokens_in"),
            func.sum(step.tokens_out).label("tokens_out"),
            case((unpriced, None), else_=func.sum(step.cost_usd)).label("cost_usd"),
        )
        .where(step.execution_id == AgentExecution.id)
        .lateral("spent")
    )


@cache
def _summaries() -> Select[*tuple[Any, ...]]:
    # Made once: it takes a sixth of the time of a list, and whoever narrows it gets a copy.
    e = AgentExecution
    spent = _spent()
    started = case((e.attempt > 0, e.started_at), else_=None)
    # A run that is back in the queue, or waits for a person, keeps its last start; its wait is not work.
    until = case(
        (e.status.in_((ExecutionStatus.QUEUED, ExecutionStatus.WAITING)), None),
        else_=func.coalesce(e.completed_at, func.now()),
    )
    return (
        select(
            *(e.id, e.status, e.agent_id, e.trigger_id, e.tool_type, e.ticket_ref, e.mode, e.attempt, e.max_attempts),
            *(e.parked, e.not_before, e.queued_at, e.completed_at, e.error_code, e.error_message),
            *(e.cancel_requested_at, e.dismissed_at, e.retry_of, e.replay_of),
            Agent.name.label("agent_name"),
            AgentVersion.version_number.label("agent_version"),
            AgentTrigger.trigger_type,
            event_subject().label("subject"),
            started.label("started_at"),
            _milliseconds(started, until).label("duration_ms"),
            *(spent.c.step_count, spent.c.tokens_in, spent.c.tokens_out),
            # A run that ended keeps its own sum; only of one at work are the steps added up.
            func.coalesce(e.cost_usd, spent.c.cost_usd).label("cost_usd"),
            func.coalesce(e.output_result.contains({"degraded": True}), False).label("degraded"),
        )
        .join(Agent, Agent.id == e.agent_id)
        .join(AgentVersion, AgentVersion.id == e.agent_version_id)
        # The trigger may be gone from the agent since; its runs stay.
        .outerjoin(AgentTrigger, AgentTrigger.id == e.trigger_id)
        .join(spent, literal(True))
    )


def _conditions(filters: ExecutionFilters) -> list[Condition]:
    e = AgentExecution
    conditions: list[Condition] = []
    if filters.status:
        conditions.append(e.status.in_([status.value for status in filters.status]))
    if filters.agent_id:
        conditions.append(e.agent_id == filters.agent_id)
    if filters.ticket_ref:
        conditions.append(e.ticket_ref == filters.ticket_ref)
    if filters.since:
        conditions.append(e.queued_at >= filters.since)
    if filters.mode:
        conditions.append(e.mode == filters.mode)
    if filters.error_code:
        conditions.append(e.error_code == filters.error_code)
    if filters.degraded is not None:
        conditions.append(func.coalesce(e.output_result.contains({"degraded": True}), False) == filters.degraded)
    if filters.needs_attention:
        conditions.append(
            or_(
                # Who is asked there is the requester, and nobody here has anything to do.
                and_(e.status == ExecutionStatus.WAITING, e.error_code.is_distinct_from(RequesterAskedError.code)),
                and_(e.status == ExecutionStatus.FAILED, e.dismissed_at.is_(None)),
            )
        )
    return conditions


async def list_summaries(
    session: AsyncSession, filters: ExecutionFilters, *, after: Key | None, limit: int
) -> Sequence[RowMapping]:
    """Newest first, at most ``limit`` rows after the given sort key."""
    e = AgentExecution
    statement = _summaries().where(*_conditions(filters)).order_by(e.queued_at.desc(), e.id.desc()).limit(limit)
    if after is not None:
        # Runs of one burst share a time; the id behind it keeps a page from losing or repeating some of them.
        statement = statement.where(tuple_(e.queued_at, e.id) < tuple_(literal(after[0]), literal(after[1])))
    return (await session.execute(statement)).mappings().all()


async def find_summary(session: AsyncSession, execution_id: UUID) -> RowMapping | None:
    """One row of the list."""
    return (await session.execute(_summaries().where(AgentExecution.id == execution_id))).mappings().one_or_none()


async def list_by_id(session: AsyncSession, ids: Collection[UUID]) -> Sequence[RowMapping]:
    """Rows of the list for these runs, newest first."""
    e = AgentExecution
    statement = _summaries().where(e.id.in_(ids)).order_by(e.queued_at.desc(), e.id.desc())
    return (await session.execute(statement)).mappings().all()


async def find_detail(session: AsyncSession, execution_id: UUID) -> RowMapping | None:
    """One row of the list with what only the run's own page shows."""
    e = AgentExecution
    started = case((e.attempt > 0, e.started_at), else_=None)
    statement = (
        _summaries()
        .add_columns(
            case((e.attempt == 1, _milliseconds(e.queued_at, started)), else_=None).label("waited_ms"),
            _milliseconds(e.queued_at, e.completed_at).label("total_ms"),
            select(func.coalesce(func.sum(CostCorrection.amount_usd), 0))
            .where(CostCorrection.tenant_id == e.tenant_id, CostCorrection.execution_id == e.id)
            .scalar_subquery()
            .label("corrections_usd"),
            *(e.worker_id, e.heartbeat_at, e.input_payload, e.output_result),
        )
        .where(e.id == execution_id)
    )
    return (await session.execute(statement)).mappings().one_or_none()


async def list_steps(session: AsyncSession, execution_id: UUID) -> Sequence[RowMapping]:
    """The journal of a run in the order in which its steps began."""
    s = ExecutionStep
    statement = (
        select(
            *(s.position, s.step_key, s.attempt, s.kind, s.name, s.state, s.idempotent, s.mark, s.input, s.output),
            *(s.error, s.tokens_in, s.tokens_out, s.cost_usd, s.started_at, s.finished_at),
            _milliseconds(s.started_at, s.finished_at).label("duration_ms"),
        )
        .where(s.execution_id == execution_id)
        .order_by(s.position)
    )
    return (await session.execute(statement)).mappings().all()


async def count_by_status(session: AsyncSession, filters: ExecutionFilters) -> dict[str, int]:
    """Executions per state, whatever states the filters name."""
    # The counts stand on the tabs that choose a state, so each must count without the present choice.
    everywhere = filters.model_copy(update={"status": [], "needs_attention": False})
    statement = (
        select(AgentExecution.status, func.count()).where(*_conditions(everywhere)).group_by(AgentExecution.status)
    )
    return {row[0]: row[1] for row in await session.execute(statement)}


async def last_day(session: AsyncSession) -> RowMapping:
    """Figures of the runs of the last 24 hours; what waits or is in the queue counts however old it is."""
    e = AgentExecution
    s = ExecutionStatus
    recent = e.queued_at >= func.now() - timedelta(days=1)
    # What was tried is no work that was done; it was paid for all the same.
    real = e.mode != DRY_RUN
    ended = and_(recent, e.status == s.COMPLETED)
    done = and_(ended, real)
    took = _milliseconds(e.queued_at, e.completed_at)
    open_states = (s.QUEUED, s.RUNNING, s.WAITING)
    statement = select(
        func.count().filter(done).label("completed"),
        func.count().filter(recent, real, e.status == s.FAILED).label("failed"),
        func.count().filter(recent, ~real).label("tried"),
        *(func.count().filter(e.status == state).label(state.value) for state in open_states),
        cast(func.percentile_cont(0.5).within_group(took).filter(done), Integer).label("median_ms"),
        cast(func.percentile_cont(0.95).within_group(took).filter(done), Integer).label("p95_ms"),
        func.sum(e.cost_usd).filter(recent).label("cost_usd"),
        func.count().filter(ended, e.cost_usd.is_(None)).label("unpriced"),
        func.min(e.queued_at).filter(e.status == s.QUEUED).label("oldest_queued_at"),
        select(func.count()).where(Agent.status == "active").scalar_subquery().label("active_agents"),
    ).where(or_(recent, e.status.in_(open_states)))
    return (await session.execute(statement)).mappings().one()


async def list_agents(session: AsyncSession) -> Sequence[RowMapping]:
    """Agents to choose from in a filter."""
    statement = select(Agent.id, Agent.name).order_by(func.lower(Agent.name)).limit(_AGENT_CHOICES)
    return (await session.execute(statement)).mappings().all()


async def lock_execution(session: AsyncSession, execution_id: UUID) -> AgentExecution | None:
    """The row, kept from workers until the end of the transaction; used for short changes only."""
    statement = select(AgentExecution).where(AgentExecution.id == execution_id).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def get_execution(session: AsyncSession, execution_id: UUID) -> AgentExecution | None:
    """The bare row."""
    return await session.get(AgentExecution, execution_id)


async def lock_ended(session: AsyncSession, wanted: BulkRetry) -> Sequence[AgentExecution]:
    """Ended runs that match, oldest first, one more than the limit; rows in use elsewhere are passed over."""
    e = AgentExecution
    conditions = [e.status.in_(wanted.status)]
    if not wanted.dismissed:
        conditions.append(e.dismissed_at.is_(None))
    return await _lock_matching(session, wanted, conditions)


async def lock_undismissed(session: AsyncSession, wanted: BulkDismiss) -> Sequence[AgentExecution]:
    """Failed runs that match and nobody dismissed, oldest first, one more than the limit."""
    return await _lock_matching(
        session, wanted, [AgentExecution.status == ExecutionStatus.FAILED, AgentExecution.dismissed_at.is_(None)]
    )


async def _lock_matching(
    session: AsyncSession, wanted: BulkRetry | BulkDismiss, conditions: Sequence[Condition]
) -> Sequence[AgentExecution]:
    e = AgentExecution
    filters = ExecutionFilters(**wanted.model_dump(include={"agent_id", "ticket_ref", "since", "error_code"}))
    statement = (
        select(e)
        .where(*conditions, *_conditions(filters))
        .order_by(e.queued_at, e.id)
        # One more than asked for tells whether there are more, without counting them all.
        .limit(wanted.limit + 1)
        # A row that a worker or another request holds is about to change: to wait for it would hold up all the others.
        .with_for_update(skip_locked=True)
    )
    return (await session.execute(statement)).scalars().all()


async def count_matching(session: AsyncSession, filters: ExecutionFilters) -> int:
    """How many executions match, states included."""
    statement = select(func.count()).select_from(AgentExecution).where(*_conditions(filters))
    return (await session.execute(statement)).scalar_one()


async def failure_kinds(session: AsyncSession, *, limit: int) -> Sequence[RowMapping]:
    """Failed runs that nobody dismissed, by what they failed with, the most first."""
    e = AgentExecution
    runs = func.count().label("runs")
    # The newest message stands for its kind: what was wrong last is what is to be mended.
    newest = func.array_agg(aggregate_order_by(e.error_message, e.completed_at.desc()))[1]
    statement = (
        select(
            e.error_code,
            runs,
            func.count(e.agent_id.distinct()).label("agents"),
            func.min(e.completed_at).label("first_at"),
            func.max(e.completed_at).label("last_at"),
            func.left(newest, 300).label("example"),
        )
        .where(e.status == ExecutionStatus.FAILED, e.dismissed_at.is_(None))
        .group_by(e.error_code)
        .order_by(runs.desc(), e.error_code)
        .limit(limit)
    )
    return (await session.execute(statement)).mappings().all()


async def list_replays(session: AsyncSession, execution_id: UUID) -> Sequence[RowMapping]:
    """Runs that replay one, newest first."""
    e = AgentExecution
    statement = _related().where(e.replay_of == execution_id).order_by(e.queued_at.desc(), e.id).limit(_RELATED)
    return (await session.execute(statement)).mappings().all()


async def find_successor(session: AsyncSession, execution_id: UUID, dismissed_at: datetime | None) -> RowMapping | None:
    """The run that repeats a failed one with other input. Both were written in one transaction, so the time of the
    dismissal is that of the successor's arrival, for which there is an index.
    """
    e = AgentExecution
    statement = _related().where(e.retry_of == execution_id, e.queued_at == dismissed_at)
    return (await session.execute(statement)).mappings().first()


def _related() -> Select[*tuple[Any, ...]]:
    e = AgentExecution
    return select(e.id, e.status, e.mode, e.queued_at, AgentVersion.version_number.label("agent_version")).join(
        AgentVersion, AgentVersion.id == e.agent_version_id
    )


async def list_writes(session: AsyncSession, execution_id: UUID) -> Sequence[ExecutionStep]:
    """Writes of a run that happened or may have happened."""
    s = ExecutionStep
    statement = select(s).where(s.execution_id == execution_id, s.kind == "write", s.state != StepState.FAILED)
    return (await session.execute(statement.order_by(s.position))).scalars().all()


async def get_step(session: AsyncSession, execution_id: UUID, step_key: str) -> ExecutionStep | None:
    """One step of a run whose row the caller holds."""
    # Read anew: the caller has just waited for the run's lock, and the step may have changed meanwhile.
    return await session.get(ExecutionStep, (execution_id, step_key), populate_existing=True)


async def get_agent(session: AsyncSession, agent_id: UUID) -> Agent:
    """The agent of a run; there is one as long as the run exists."""
    return await session.get_one(Agent, agent_id, populate_existing=True)


async def get_trigger(session: AsyncSession, trigger_id: UUID | None) -> AgentTrigger | None:
    """The trigger of a run, if it still exists."""
    return None if trigger_id is None else await session.get(AgentTrigger, trigger_id)


async def list_versions(session: AsyncSession, agent_id: UUID) -> Sequence[AgentVersion]:
    """All versions of an agent, newest first."""
    statement = select(AgentVersion).where(AgentVersion.agent_id == agent_id)
    return (await session.execute(statement.order_by(AgentVersion.version_number.desc()))).scalars().all()

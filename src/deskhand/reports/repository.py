"""Every query of the figures. Private to this feature; each reads the runs of a range of days, by the index of their
arrival (``idx_agent_executions_tenant_queued_at``), inside a tenant's session or the platform's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Numeric,
    RowMapping,
    Select,
    Subquery,
    and_,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentVersion
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.reports.corrected import corrected_rows, place_of, with_corrections
from deskhand.reports.wanted import CACHED, REASONING, Wanted, count_in, day_of, key_of, of_kind
from deskhand.tenants.models import TenantConfig

_OPEN = (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING, ExecutionStatus.WAITING)
_CHOICES = 200
_PERCENTILES = (0.5, 0.95, 0.99)


async def cost_rows(
    session: AsyncSession, wanted: Wanted, group: str | None, limit: int | None
) -> list[Mapping[Any, Any]]:
    """Sums of days (``day`` from 1) for real runs and trials, and the ``limit`` dearest rows of the wanted kind.

    A row of a group has ``keys``, the number of all of them. Of models the key is the agent's version (``models_of``).
    """
    found = await counted_rows(session, wanted, group, limit)
    told = {place_of(row): row for row in await corrected_rows(session, wanted, group)}
    return [with_corrections(row, told.get(place_of(row))) for row in found]


async def counted_rows(
    session: AsyncSession, wanted: Wanted, group: str | None, limit: int | None
) -> Sequence[RowMapping]:
    """The same as it was counted, whatever gateways said later."""
    runs = _costs(wanted, group)
    # One reading of the runs for both: the total is the sum of the days, so rows can be cut and still add up to it.
    sets = (
        select(runs.c.trial, runs.c.day, runs.c.key, func.grouping(runs.c.key).label("of_day"), *_sums(runs))
        .group_by(func.grouping_sets(tuple_(runs.c.trial, runs.c.day), tuple_(runs.c.trial, runs.c.key)))
        .subquery("sets")
    )
    group_of = (sets.c.trial, sets.c.of_day)
    order = (sets.c.cost_usd.desc(), sets.c.unpriced_tokens.desc(), sets.c.runs.desc(), sets.c.key)
    ranked = select(
        sets,
        func.row_number().over(partition_by=group_of, order_by=order).label("rank"),
        func.count().over(partition_by=group_of).label("keys"),
    ).subquery("ranked")
    statement = (
        select(ranked)
        .where(
            or_(
                ranked.c.of_day == 1,
                and_(ranked.c.trial == wanted.trials, true() if limit is None else ranked.c.rank <= limit),
            )
        )
        .order_by(ranked.c.rank)
    )
    return (await session.execute(statement)).mappings().all()


async def tenant_costs(session: AsyncSession, wanted: Wanted) -> list[Mapping[Any, Any]]:
    """Sums of each tenant that had a run, the dearest first."""
    # Named one by one, so that each is read by the index, which begins with the tenant.
    tenants = list(await session.scalars(select(TenantConfig.tenant_id)))
    runs = _costs(wanted, "tenant", AgentExecution.tenant_id.in_(tenants), of_kind(wanted))
    sums = select(runs.c.key, *_sums(runs)).group_by(runs.c.key).subquery("sums")
    statement = (
        select(sums, TenantConfig.name)
        .join(TenantConfig, TenantConfig.tenant_id == sums.c.key)
        .order_by(sums.c.cost_usd.desc(), sums.c.unpriced_tokens.desc(), sums.c.key)
    )
    found = (await session.execute(statement)).mappings().all()
    told = await corrected_rows(session, wanted, "tenant", of_kind(wanted))
    of_key = {row["key"]: row for row in told if not row["of_day"]}
    return [with_corrections(row, of_key.get(row["key"])) for row in found]


async def outcome_rows(session: AsyncSession, wanted: Wanted, group: str) -> Sequence[RowMapping]:
    """How runs ended: by day, by the group's key, and those that failed by their code, told apart by ``part``."""
    e = AgentExecution
    runs = _keyed(
        wanted,
        group,
        of_kind(wanted),
        e.status.label("status"),
        case((e.status == ExecutionStatus.FAILED, func.coalesce(e.error_code, "")), else_=None).label("code"),
    )
    statement = select(
        func.grouping(runs.c.day, runs.c.key, runs.c.code).label("part"),
        *(runs.c.day, runs.c.key, runs.c.code),
        func.count().label("runs"),
        *(
            func.count().filter(runs.c.status == state).label(state.value)
            for state in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)
        ),
        func.count().filter(runs.c.status.in_(_OPEN)).label("open_runs"),
    ).group_by(func.grouping_sets(tuple_(runs.c.day), tuple_(runs.c.key), tuple_(runs.c.code)))
    return (await session.execute(statement)).mappings().all()


async def spreads(session: AsyncSession, wanted: Wanted, group: str) -> Sequence[RowMapping]:
    """Percentiles of the completed runs, in milliseconds: of all of them (``all`` is 1), and by the group's key."""
    e = AgentExecution
    # The time of a start is rewritten by each: of a run that tried again it is the last one's.
    runs = _keyed(
        wanted,
        group,
        and_(of_kind(wanted), e.status == ExecutionStatus.COMPLETED, e.completed_at.is_not(None)),
        _milliseconds(e.queued_at, e.completed_at).label("whole"),
        _milliseconds(e.started_at, e.completed_at).label("work"),
    )
    statement = select(
        func.grouping(runs.c.key).label("all"),
        runs.c.key,
        _percentiles(runs.c.whole).label("whole"),
        _percentiles(runs.c.work).label("work"),
    ).group_by(func.grouping_sets(tuple_(runs.c.key), literal_column("()")))
    return (await session.execute(statement)).mappings().all()


async def agent_choices(session: AsyncSession) -> Sequence[RowMapping]:
    """Agents to choose from in a filter."""
    statement = select(Agent.id, Agent.name).order_by(func.lower(Agent.name), Agent.id).limit(_CHOICES)
    return (await session.execute(statement)).mappings().all()


async def agent_names(session: AsyncSession, ids: Iterable[UUID]) -> dict[str, str]:
    """Names by the id as text."""
    rows = await session.execute(select(Agent.id, Agent.name).where(Agent.id.in_(list(ids))))
    return {str(row.id): row.name for row in rows}


async def models_of(session: AsyncSession, versions: Iterable[UUID]) -> dict[str, str]:
    """The model that each version of an agent is set to, by the version's id as text; empty where it names none."""
    # Asked by itself: joined to the runs, the planner reads the index of their arrival anew for each version.
    model = func.coalesce(AgentVersion.llm_config["model"].astext, "").label("model")
    rows = await session.execute(select(AgentVersion.id, model).where(AgentVersion.id.in_(list(versions))))
    return {str(row.id): row.model for row in rows}


def _keyed(wanted: Wanted, group: str | None, condition: ColumnElement[bool], *columns: ColumnElement[Any]) -> Subquery:
    """The runs with their day and key, each computed once."""
    statement: Select[Any] = select(day_of(wanted).label("day"), key_of(wanted, group).label("key"), *columns)
    statement = statement.select_from(AgentExecution).where(*wanted.conditions, condition)
    # A fence: flattened into what adds up, an expression would be computed for each place that names it.
    return statement.offset(0).subquery("runs")


def _costs(wanted: Wanted, group: str | None, *conditions: ColumnElement[bool]) -> Subquery:
    """The runs with what they used and cost."""
    e = AgentExecution
    unsettled = _unsettled()
    used = _keyed(
        wanted,
        group,
        and_(true(), *conditions),
        (e.mode == "dry_run").label("trial"),
        e.status.in_(_OPEN).label("open"),
        # Read from the journal only where the run does not have it yet: its steps are many times as many as the runs.
        case((unsettled, _from_journal()), else_=e.token_usage).label("usage"),
        case((unsettled, None), else_=e.cost_usd).label("kept"),
    )
    usage = used.c.usage
    return (
        select(
            *(used.c.trial, used.c.open, used.c.day, used.c.key),
            func.coalesce(usage["model_calls"].astext.cast(Integer), 0).label("calls"),
            func.coalesce(usage["input_tokens"].astext.cast(BigInteger), 0).label("tokens_in"),
            func.coalesce(usage["output_tokens"].astext.cast(BigInteger), 0).label("tokens_out"),
            # Runs from before these were counted have none.
            func.coalesce(usage["cached_tokens"].astext.cast(BigInteger), 0).label("tokens_cached"),
            func.coalesce(usage["reasoning_tokens"].astext.cast(BigInteger), 0).label("tokens_reasoning"),
            func.coalesce(used.c.kept, usage["cost"].astext.cast(Numeric)).label("cost"),
        )
        .offset(0)
        .subquery("costs")
    )


def _unsettled() -> ColumnElement[bool]:
    """Whether a run's own sums lack what it did since: it is at work, or its worker died."""
    e = AgentExecution
    return and_(
        e.attempt > 0,
        or_(
            e.status.in_(_OPEN),
            and_(e.token_usage.is_(None), e.cost_usd.is_(None)),
            and_(e.crashes > 0, e.status != ExecutionStatus.COMPLETED),
        ),
    )


def _from_journal() -> Any:
    """What ``finish_execution`` would write of the run now; by the same rule, one unknown price makes all unknown."""
    s = ExecutionStep
    asked = s.kind == "model"
    unpriced = func.count().filter(asked, s.cost_usd.is_(None), s.state == StepState.FINISHED)
    known = case((and_(func.count().filter(asked) > 0, unpriced == 0), func.coalesce(func.sum(s.cost_usd), 0)))
    return (
        select(
            func.jsonb_build_object(
                *("model_calls", func.count().filter(asked)),
                *("input_tokens", func.coalesce(func.sum(s.tokens_in), 0)),
                *("output_tokens", func.coalesce(func.sum(s.tokens_out), 0)),
                *("cached_tokens", func.coalesce(func.sum(count_in(CACHED)).filter(asked), 0)),
                *("reasoning_tokens", func.coalesce(func.sum(count_in(REASONING)).filter(asked), 0)),
                *("cost", known),
            )
        )
        .where(s.execution_id == AgentExecution.id)
        .scalar_subquery()
    )


def _sums(runs: Subquery) -> list[ColumnElement[Any]]:
    c = runs.c
    unpriced = and_(c.calls > 0, c.cost.is_(None))
    return [
        func.count().label("runs"),
        func.count().filter(c.open).label("open_runs"),
        func.coalesce(func.sum(c.calls), 0).label("model_calls"),
        func.coalesce(func.sum(c.tokens_in), 0).label("tokens_in"),
        func.coalesce(func.sum(c.tokens_out), 0).label("tokens_out"),
        func.coalesce(func.sum(c.tokens_cached), 0).label("tokens_cached"),
        func.coalesce(func.sum(c.tokens_reasoning), 0).label("tokens_reasoning"),
        func.coalesce(func.sum(c.cost), 0).label("cost_usd"),
        func.count().filter(unpriced).label("unpriced_runs"),
        func.coalesce(func.sum(c.tokens_in + c.tokens_out).filter(unpriced), 0).label("unpriced_tokens"),
    ]


def _milliseconds(start: Any, end: Any) -> ColumnElement[Any]:
    # As a float: sorting a hundred thousand exact numbers would take twice as long.
    return cast(extract("epoch", end - start), Double) * 1000.0


def _percentiles(column: Any) -> Any:
    return func.percentile_cont(literal(list(_PERCENTILES), ARRAY(Double))).within_group(column)

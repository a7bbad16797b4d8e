"""What gateways said later of the runs of a range, beside what was counted. Private to this feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    Subquery,
    and_,
    case,
    exists,
    func,
    not_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution, CostCorrection, ExecutionStep
from deskhand.engine.status import StepState
from deskhand.reports.wanted import Wanted, day_of, key_of


async def corrected_rows(
    session: AsyncSession, wanted: Wanted, group: str | None, *conditions: ColumnElement[bool]
) -> Sequence[RowMapping]:
    """By day and by key, what gateways said later of these runs, whenever that was.

    ``known_runs`` are those whose price nobody knew and whose every call has a figure by now.
    """
    runs = _corrected_runs(wanted, group, and_(true(), *conditions))
    known = runs.c.is_known
    statement = select(
        *(runs.c.trial, runs.c.day, runs.c.key, func.grouping(runs.c.key).label("of_day")),
        func.sum(runs.c.amount_usd).label("amount_usd"),
        func.coalesce(func.sum(runs.c.late_usd).filter(known), 0).label("late_usd"),
        func.count().filter(known).label("known_runs"),
        func.coalesce(func.sum(runs.c.tokens).filter(known), 0).label("known_tokens"),
    ).group_by(func.grouping_sets(tuple_(runs.c.trial, runs.c.day), tuple_(runs.c.trial, runs.c.key)))
    return (await session.execute(statement)).mappings().all()


def _corrected_runs(wanted: Wanted, group: str | None, condition: ColumnElement[bool]) -> Subquery:
    c, e, s = CostCorrection, AgentExecution, ExecutionStep
    last = aggregate_order_by(c.makes_known, c.noted_at.desc(), c.id.desc())
    told = (
        select(
            c.execution_id,
            func.sum(c.amount_usd).label("amount_usd"),
            func.array_agg(last)[1].label("is_known"),
            func.max(c.noted_at).label("at"),
        )
        .group_by(c.execution_id)
        .subquery("told")
    )
    # A run that was retried after all of it was known: its later calls count as they were.
    later = (s.execution_id == e.id, s.kind == "model", s.state == StepState.FINISHED, s.finished_at > told.c.at)
    late = case((told.c.is_known, select(func.coalesce(func.sum(s.cost_usd), 0)).where(*later).scalar_subquery()))
    unknown = exists().where(*later, s.cost_usd.is_(None))
    usage = e.token_usage
    return (
        select(
            *((e.mode == "dry_run").label("trial"), day_of(wanted).label("day"), key_of(wanted, group).label("key")),
            *(told.c.amount_usd, and_(told.c.is_known, not_(unknown)).label("is_known"), late.label("late_usd")),
            (
                func.coalesce(usage["input_tokens"].astext.cast(BigInteger), 0)
                + func.coalesce(usage["output_tokens"].astext.cast(BigInteger), 0)
            ).label("tokens"),
        )
        .select_from(e)
        .join(told, told.c.execution_id == e.id)
        .where(*wanted.conditions, condition)
        .offset(0)
        .subquery("corrected")
    )


def with_corrections(row: Mapping[Any, Any], told: Mapping[Any, Any] | None) -> Mapping[Any, Any]:
    """A row of sums with what gateways said later of its runs; those whose price they told are no unknown ones."""
    if told is None:
        return row
    return {
        **row,
        "cost_usd": row["cost_usd"] + told["late_usd"],
        "corrections_usd": told["amount_usd"],
        "unpriced_runs": row["unpriced_runs"] - told["known_runs"],
        "unpriced_tokens": row["unpriced_tokens"] - told["known_tokens"],
    }


def place_of(row: Mapping[Any, Any]) -> tuple[Any, ...]:
    return row["trial"], row["of_day"], row["day"], row["key"]

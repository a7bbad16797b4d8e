"""Every query of budgets but those of a call, which are functions (``budgets.sql``). Runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, and_, func, literal_column, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent
from deskhand.budgets.models import Budget, BudgetUse, ModelSpending
from deskhand.errors import ConflictError


async def list_with_use(session: AsyncSession, budget_id: UUID | None = None) -> Sequence[Row[tuple[object, ...]]]:
    """Budgets in the order of their making; each with its present period, its stop, and the row that is used most."""
    since = func.budget_period_start(Budget.period, Budget.timezone)
    stop = func.budget_stop(Budget.amount_usd, Budget.stop_percent, Budget.extra_usd, Budget.extra_until)
    most = (
        select(BudgetUse)
        .where(BudgetUse.budget_id == Budget.id, BudgetUse.period_start == since)
        .order_by((BudgetUse.used_usd + BudgetUse.reserved_usd).desc(), BudgetUse.ticket)
        .limit(1)
        .lateral("most")
    )
    query = (
        select(
            Budget,
            since.label("period_start"),
            stop.label("stop_usd"),
            most.c.used_usd,
            most.c.reserved_usd,
            most.c.ticket,
            most.c.warned_at,
            most.c.reached_at,
        )
        .outerjoin(most, literal_column("true"))
        .order_by(Budget.created_at, Budget.id)
    )
    if budget_id is not None:
        query = query.where(Budget.id == budget_id)
    return (await session.execute(query)).all()


async def find_row(session: AsyncSession, budget_id: UUID) -> Budget | None:
    """The budget of that id, locked."""
    return (await session.scalars(select(Budget).where(Budget.id == budget_id).with_for_update())).one_or_none()


async def add_row(session: AsyncSession, budget: Budget) -> None:
    """Insert one.

    Raises:
        ConflictError: There is one of the same scope and period.
    """
    session.add(budget)
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_budgets_of" not in str(error.orig):
            raise
        raise ConflictError(
            f"There is a budget of this scope for each {budget.period} already; change that one."
        ) from error
    await session.refresh(budget)


async def has_agent(session: AsyncSession, agent_id: UUID) -> bool:
    """Whether the tenant has an agent of that id."""
    return await session.scalar(select(Agent.id).where(Agent.id == agent_id)) is not None


async def list_spending(
    session: AsyncSession, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[ModelSpending]:
    """Calls that budgets paid for, newest first."""
    m = ModelSpending
    before = and_(tuple_(m.reserved_at, m.id) < tuple_(*after)) if after else None
    query = select(m).order_by(m.reserved_at.desc(), m.id.desc()).limit(limit)
    return (await session.scalars(query if before is None else query.where(before))).all()

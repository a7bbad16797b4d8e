"""What people do with budgets. Runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit.service import record
from deskhand.budgets import repository
from deskhand.budgets.models import Budget, ModelSpending, Period, Scope, SpendingState
from deskhand.budgets.schemas import BudgetChange, BudgetView, Extra, NewBudget, SpendingQuery, SpendingView, Use
from deskhand.errors import FieldProblem, InvalidInputError, NotFoundError
from deskhand.kit.db.session import database_now
from deskhand.kit.page import Page, cut_page, decode_cursor


async def list_budgets(session: AsyncSession) -> list[BudgetView]:
    """Every budget of the tenant, with what is used of it."""
    return [_view(row) for row in await repository.list_with_use(session)]


async def get_budget(session: AsyncSession, budget_id: UUID) -> BudgetView:
    """One of them.

    Raises:
        NotFoundError: There is none of this id.
    """
    rows = await repository.list_with_use(session, budget_id)
    if not rows:
        raise _not_found(budget_id)
    return _view(rows[0])


async def add_budget(session: AsyncSession, data: NewBudget, *, tenant_id: str, actor: str) -> BudgetView:
    """Keep a new budget; it counts from now on.

    Raises:
        NotFoundError: There is no such agent.
        ConflictError: There is one of the same scope and period.
    """
    if data.agent_id is not None and not await repository.has_agent(session, data.agent_id):
        raise NotFoundError(f"There is no agent {data.agent_id}; agent_id names one of the tenant's.")
    budget = Budget(tenant_id=tenant_id, **data.model_dump())
    await repository.add_row(session, budget)
    await _record(session, budget, "budget.create", actor, after=_audited(budget))
    return await get_budget(session, budget.id)


async def change_budget(session: AsyncSession, budget_id: UUID, data: BudgetChange, *, actor: str) -> BudgetView:
    """Change amounts and limits; what is used already stays used.

    Raises:
        NotFoundError: There is none of this id.
        InvalidInputError: More money for a while is to end in the past.
    """
    budget = await _locked(session, budget_id)
    before = _audited(budget)
    for name in data.model_fields_set - {"extra"}:
        setattr(budget, name, getattr(data, name))
    if "extra" in data.model_fields_set:
        _ensure_ahead(data.extra, await database_now(session))
        extra = data.extra
        budget.extra_usd, budget.extra_until, budget.extra_reason = (
            (extra.usd, extra.until.astimezone(UTC), extra.reason) if extra else (None, None, None)
        )
    await session.flush()
    await session.refresh(budget)
    await _record(session, budget, "budget.update", actor, before=before, after=_audited(budget))
    return await get_budget(session, budget_id)


async def remove_budget(session: AsyncSession, budget_id: UUID, *, actor: str) -> None:
    """Keep a budget no longer. What calls have cost stays with their runs.

    Raises:
        NotFoundError: There is none of this id.
    """
    budget = await _locked(session, budget_id)
    before = _audited(budget)
    await session.delete(budget)
    await session.flush()
    await _record(session, budget, "budget.delete", actor, before=before)


async def list_spending(session: AsyncSession, query: SpendingQuery) -> Page[SpendingView]:
    """Calls that budgets paid for, newest first.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(query.cursor, datetime, UUID)
    rows = await repository.list_spending(session, after and (after[0], after[1]), query.limit + 1)
    now = await database_now(session)
    return cut_page([_spending(row, now) for row in rows], query.limit, lambda one: (one.reserved_at, one.id))


def _spending(row: ModelSpending, now: datetime) -> SpendingView:
    view = SpendingView.model_validate(row, from_attributes=True)
    # Nobody will settle it any more: its worker died in the call.
    is_left = view.state is SpendingState.RESERVED and row.expires_at <= now
    return view.model_copy(update={"state": SpendingState.ASSUMED}) if is_left else view


def _ensure_ahead(extra: Extra | None, now: datetime) -> None:
    if extra is not None and extra.until <= now:
        raise InvalidInputError(
            "More money for a while must end later than now.",
            errors=[FieldProblem("/extra/until", "must lie ahead")],
        )


async def _locked(session: AsyncSession, budget_id: UUID) -> Budget:
    budget = await repository.find_row(session, budget_id)
    if budget is None:
        raise _not_found(budget_id)
    return budget


def _not_found(budget_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no budget {budget_id}.")


def _view(row: Any) -> BudgetView:
    budget: Budget = row.Budget
    state = "reached" if row.reached_at else "warned" if row.warned_at else "ok"
    use = Use(
        period_start=row.period_start,
        used_usd=row.used_usd or Decimal(0),
        reserved_usd=row.reserved_usd or Decimal(0),
        stop_usd=row.stop_usd,
        ticket=row.ticket or None,
        state=state,
    )
    fields = {name: getattr(budget, name) for name in BudgetView.model_fields if name != "use"}
    return BudgetView(**{**fields, "scope": Scope(budget.scope), "period": Period(budget.period)}, use=use)


def _audited(budget: Budget) -> dict[str, Any]:
    names = ("scope", "agent_id", "period", "timezone", "amount_usd", "warn_percent", "stop_percent")
    more = ("unknown_price_usd", "extra_usd", "extra_until", "extra_reason")
    values = {name: getattr(budget, name) for name in (*names, *more)}
    return {name: value if isinstance(value, int) or value is None else str(value) for name, value in values.items()}


async def _record(
    session: AsyncSession,
    budget: Budget,
    operation: str,
    actor: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    await record(
        session,
        tenant_id=budget.tenant_id,
        actor=actor,
        operation=operation,
        resource_type="budget",
        resource_id=budget.id,
        before=before,
        after=after,
    )

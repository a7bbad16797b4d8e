"""A tenant with an agent and a run that may spend, on an empty database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from tests.support.console import Console

from deskhand.budgets.models import Budget, BudgetUse, ModelSpending
from deskhand.budgets.purse import RunPurse
from deskhand.kit.db.session import Database


@dataclass
class Money:
    """A run, its purse, and the tables behind it."""

    db: Database
    agent_id: UUID
    run_id: UUID

    def purse(self, ticket: str = "servicedesk_plus:1042") -> RunPurse:
        return RunPurse(self.db, "acme", self.run_id, self.agent_id, ticket)

    async def budget(self, **columns: Any) -> UUID:
        """A tenant's monthly budget of a dollar, or what else is said."""
        values: dict[str, Any] = {"scope": "tenant", "period": "month", "amount_usd": Decimal(1), **columns}
        async with self.db.tenant_session("acme") as session:
            budget = Budget(tenant_id="acme", **values)
            session.add(budget)
            await session.flush()
            return budget.id

    async def use(self, budget_id: UUID) -> tuple[Decimal, Decimal]:
        """What is used and reserved of a budget, in all its rows."""
        async with self.db.tenant_session("acme") as session:
            sums = select(func.sum(BudgetUse.used_usd), func.sum(BudgetUse.reserved_usd))
            used, reserved = (await session.execute(sums.where(BudgetUse.budget_id == budget_id))).one()
        return used or Decimal(0), reserved or Decimal(0)

    async def calls(self) -> list[ModelSpending]:
        async with self.db.tenant_session("acme") as session:
            return list(await session.scalars(select(ModelSpending).order_by(ModelSpending.reserved_at)))


@pytest.fixture
async def money(clean_db: Database, make_tenant: Any) -> Money:
    await make_tenant("acme")
    console = Console("http://127.0.0.1:1", clean_db, FastAPI())
    agent = await console.agent("acme")
    return Money(clean_db, agent.id, await console.execution(agent, status="running"))

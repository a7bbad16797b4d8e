"""The purse of one run: its tenant's budgets, in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit.service import record
from deskhand.budgets.models import Budget
from deskhand.engine.claims import RunningExecution
from deskhand.kit.db.session import Database
from deskhand.llm.errors import ModelQuotaError, ModelRateLimitedError

BUSY_SECONDS = 3.0
"""After which money that others reserved may be free again: a call takes seconds and costs less than its bound."""
ACTOR = "deskhand"

_RESERVE = text("SELECT * FROM reserve_spending(:execution, :agent, :ticket, :model, :most, :tokens, :seconds)")
_SETTLE = text("SELECT * FROM settle_spending(:id, :cost, :tokens_in, :tokens_out, :call)")
_CORRECT = text("SELECT * FROM correct_spending(:execution, :call, :cost, :before)")
_RELEASE = text("SELECT release_spending(:id)")


@dataclass(frozen=True, slots=True)
class RunPurse:
    """Pays for the model calls of one run.

    Attributes:
        db: Sessions.
        tenant_id: Whose money.
        execution_id: The run.
        agent_id: Its agent.
        ticket: ``desk:id`` of its ticket; empty if it has none.
    """

    db: Database
    tenant_id: str
    execution_id: UUID
    agent_id: UUID
    ticket: str

    async def reserve(self, *, model: str, most_usd: Decimal | None, tokens: int, seconds: float) -> UUID | None:
        """Set aside what a call may cost, in every budget that pays for it or in none.

        Raises:
            ModelQuotaError: A budget is used up, or a model's price is unknown and no rule says what it counts.
            ModelRateLimitedError: Other calls have reserved the rest of a budget.
        """
        async with self.db.tenant_session(self.tenant_id) as session:
            values = {
                "execution": self.execution_id,
                "agent": self.agent_id,
                "ticket": self.ticket,
                "model": model,
                "most": most_usd,
                "tokens": tokens,
                "seconds": seconds,
            }
            row = (await session.execute(_RESERVE, values)).mappings().one()
            if row["refused"] is None:
                return UUID(str(row["spending"])) if row["spending"] else None
            budget = await session.get_one(Budget, row["budget"])
            if row["first_time"]:
                await self._tell(session, budget, "budget.reach", row["used_usd"])
        raise _refusal(row, budget, model)

    async def settle(
        self,
        reservation: UUID,
        *,
        cost_usd: Decimal | None,
        tokens_in: int,
        tokens_out: int,
        call_id: str | None = None,
    ) -> None:
        """Pay what a call cost."""
        values = {"id": reservation, "cost": cost_usd, "tokens_in": tokens_in, "tokens_out": tokens_out}
        async with self.db.tenant_session(self.tenant_id) as session:
            for row in (await session.execute(_SETTLE, {**values, "call": call_id})).mappings().all():
                await self._tell(session, await session.get_one(Budget, row["budget"]), "budget.warn", row["used_usd"])

    async def correct(
        self, session: AsyncSession, call_id: str, *, cost_usd: Decimal, before_usd: Decimal | None
    ) -> None:
        """Let the budgets that paid for a call see a later figure of its cost, in the caller's transaction.

        Args:
            session: The tenant's.
            call_id: What the call was settled by.
            cost_usd: The later figure.
            before_usd: The one before it, where it is not the first.
        """
        values = {"execution": self.execution_id, "call": call_id, "cost": cost_usd, "before": before_usd}
        for row in (await session.execute(_CORRECT, values)).mappings().all():
            await self._tell(session, await session.get_one(Budget, row["budget"]), "budget.warn", row["used_usd"])

    async def release(self, reservation: UUID) -> None:
        """Put back what was set aside for a call that cost nothing."""
        async with self.db.tenant_session(self.tenant_id) as session:
            await session.execute(_RELEASE, {"id": reservation})

    async def _tell(self, session: AsyncSession, budget: Budget, operation: str, used: Decimal | None) -> None:
        await record(
            session,
            tenant_id=self.tenant_id,
            actor=ACTOR,
            operation=operation,
            resource_type="budget",
            resource_id=budget.id,
            details={
                "scope": budget.scope,
                "period": budget.period,
                "amount_usd": str(budget.amount_usd),
                "used_usd": str(used or 0),
                "execution_id": str(self.execution_id),
                **({"ticket": self.ticket} if budget.scope == "ticket" else {}),
            },
        )


def purse_of(db: Database, execution: RunningExecution) -> RunPurse:
    """The purse of a run."""
    ticket = f"{execution.tool_type}:{execution.ticket_ref}" if execution.ticket_ref else ""
    return RunPurse(db, execution.tenant_id, execution.id, execution.agent_id, ticket)


def _refusal(row: RowMapping, budget: Budget, model: str) -> ModelQuotaError | ModelRateLimitedError:
    name = f"The budget of {dollars(budget.amount_usd)} {_of(budget)} a {budget.period}"
    if row["refused"] == "price":
        return ModelQuotaError(
            f"Nobody knows the price of '{model}', and budgets are kept. Set unknown_price_usd on the budget"
            f" {_of(budget)} a {budget.period} to say what it counts."
        )
    figures = (
        f"{dollars(row['used_usd'] or 0)} used, {dollars(row['reserved_usd'] or 0)} reserved by calls under way,"
        f" and this one may cost {dollars(row['most_usd'])}"
    )
    if row["refused"] == "busy":
        return ModelRateLimitedError(f"{name} is reserved: {figures}.", retry_after=BUSY_SECONDS)
    return ModelQuotaError(f"{name} is used up: {figures}.")


def _of(budget: Budget) -> str:
    return {"tenant": "of the tenant", "agent": "of this agent", "ticket": "of each ticket"}[budget.scope]


def dollars(amount: Decimal | int) -> str:
    """An amount for people: cents, or as many places as a smaller one needs."""
    exact = Decimal(amount)
    return f"${exact:.2f}" if exact == 0 or exact >= Decimal("0.1") else f"${exact:.6f}".rstrip("0")

"""Tables of budgets: what may be spent, what is, and each call that was paid from them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk

USD = Numeric(18, 9)
"""Dollars of a call: a token of a small model costs less than a millionth."""


class Scope(StrEnum):
    """Whose calls a budget pays for."""

    TENANT = "tenant"
    AGENT = "agent"
    TICKET = "ticket"


class Period(StrEnum):
    """When a budget begins anew, by the clock of its zone."""

    DAY = "day"
    MONTH = "month"


class SpendingState(StrEnum):
    """What became of the money of one call."""

    RESERVED = "reserved"
    SETTLED = "settled"
    ASSUMED = "assumed"
    RELEASED = "released"


class Budget(TenantModel, Base):
    """Money that may be spent on models in a period: of the tenant, of one agent, or on each ticket by itself.

    ``stop_percent`` of the amount is where calls are refused, ``warn_percent`` where people are told before. A model
    whose price nobody knows counts at ``unknown_price_usd`` for a million tokens, and is refused where that is not set.
    ``extra_usd`` is a passing addition, until when and why.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_budgets_agent_id",
        ),
        UniqueConstraint(
            "tenant_id", "scope", "period", "agent_id", name="uq_budgets_of", postgresql_nulls_not_distinct=True
        ),
        UniqueConstraint("tenant_id", "id", name="uq_budgets_tenant_id_id"),
        CheckConstraint("scope IN ('tenant', 'agent', 'ticket')", name="scope"),
        CheckConstraint("(scope = 'agent') = (agent_id IS NOT NULL)", name="agent"),
        CheckConstraint("period IN ('day', 'month')", name="period"),
        CheckConstraint("amount_usd > 0", name="amount_usd"),
        CheckConstraint("warn_percent BETWEEN 1 AND 100", name="warn_percent"),
        CheckConstraint("stop_percent BETWEEN 100 AND 110", name="stop_percent"),
        CheckConstraint("unknown_price_usd >= 0", name="unknown_price_usd"),
        CheckConstraint("num_nonnulls(extra_usd, extra_until, extra_reason) IN (0, 3)", name="extra"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    scope: Mapped[str] = mapped_column(String(10))
    agent_id: Mapped[UUID | None]
    period: Mapped[str] = mapped_column(String(10))
    timezone: Mapped[str] = mapped_column(String(64), server_default=text("'UTC'"))
    amount_usd: Mapped[Decimal] = mapped_column(Numeric(14, 4))
    warn_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("80"))
    stop_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("100"))
    unknown_price_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 6))
    extra_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 4))
    extra_until: Mapped[Timestamp | None]
    extra_reason: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<Budget(tenant_id={self.tenant_id}, scope={self.scope}, period={self.period})>"


class BudgetUse(TenantModel, Base):
    """What is used of a budget in one period; of a budget for tickets, a row for each ticket."""

    __tablename__ = "budget_use"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "budget_id", "period_start", "ticket", name="budget_use_pkey"),
        ForeignKeyConstraint(
            ["tenant_id", "budget_id"],
            ["budgets.tenant_id", "budgets.id"],
            ondelete="CASCADE",
            name="fk_budget_use_budget_id",
        ),
        # Rewritten at each call: with room on the page, and no index on what changes, that stays in place.
        {"postgresql_with": {"fillfactor": 50}},
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    budget_id: Mapped[UUID]
    period_start: Mapped[date] = mapped_column(Date)
    ticket: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    used_usd: Mapped[Decimal] = mapped_column(USD, server_default=text("0"))
    reserved_usd: Mapped[Decimal] = mapped_column(USD, server_default=text("0"))
    warned_at: Mapped[Timestamp | None]
    reached_at: Mapped[Timestamp | None]


class ModelSpending(TenantModel, Base):
    """One call of a model that budgets pay for: first what it may cost at most, then what it did.

    ``charges`` are the uses that hold it: budget, period, ticket, amount, and what each paid in the end. A row that is
    still ``reserved`` past ``expires_at`` belongs to a worker that died in the call; nobody knows what the call cost,
    so it counts in full. ``call_id`` is what the gateway calls it, by which a later figure finds it.
    """

    __tablename__ = "model_spending"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["agent_executions.tenant_id", "agent_executions.id"],
            ondelete="CASCADE",
            name="fk_model_spending_execution_id",
        ),
        CheckConstraint("state IN ('reserved', 'settled', 'assumed', 'released')", name="state"),
        Index("idx_model_spending_tenant_id_reserved_at", "tenant_id", "reserved_at"),
        Index("idx_model_spending_execution_id", "tenant_id", "execution_id"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    execution_id: Mapped[UUID]
    agent_id: Mapped[UUID]
    ticket: Mapped[str] = mapped_column(String(200), server_default=text("''"))
    model: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10), server_default=text("'reserved'"))
    charges: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reserved_usd: Mapped[Decimal] = mapped_column(USD)
    cost_usd: Mapped[Decimal | None] = mapped_column(USD)
    tokens_in: Mapped[int | None] = mapped_column(Integer)
    tokens_out: Mapped[int | None] = mapped_column(Integer)
    call_id: Mapped[str | None] = mapped_column(Text)
    reserved_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    settled_at: Mapped[Timestamp | None]

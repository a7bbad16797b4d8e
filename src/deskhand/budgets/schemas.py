"""Shapes of budgets over the API."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from deskhand.agents.schemas import Zone
from deskhand.budgets.models import Period, Scope, SpendingState
from deskhand.kit.cron import check_timezone
from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import InputModel

MOST_USD = Decimal(1_000_000)

Usd = Annotated[Decimal, Field(gt=0, le=MOST_USD, max_digits=11, decimal_places=4)]
Price = Annotated[Decimal, Field(ge=0, le=100_000, max_digits=12, decimal_places=6)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Warn = Annotated[int, Field(ge=1, le=100)]
Stop = Annotated[int, Field(ge=100, le=110)]

_UNKNOWN = "Dollars that a million tokens count of a model whose price nobody knows; null refuses its calls."


class Extra(InputModel):
    """More money for a while."""

    usd: Usd = Field(description="Dollars on top of the amount.")
    until: AwareDatetime = Field(description="When it ends.")
    reason: Reason = Field(description="Why, for the audit log.")


class NewBudget(InputModel):
    """A budget to keep."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"scope": {"const": "agent"}}},
            "then": {"properties": {"agent_id": {"type": "string"}}, "required": ["agent_id"]},
            "else": {"properties": {"agent_id": {"type": "null"}}},
            "examples": [
                {"scope": "tenant", "period": "month", "amount_usd": "50.00", "timezone": "Europe/Berlin"},
                {"scope": "ticket", "period": "month", "amount_usd": "0.25"},
            ],
        }
    )

    scope: Scope = Field(description="`tenant`: all agents together; `agent`: one; `ticket`: each ticket by itself.")
    agent_id: UUID | None = Field(None, description="Which agent, where the scope is `agent`.")
    period: Period = Field(description="When it begins anew.")
    timezone: Zone = Field("UTC", description="IANA zone by whose clock a period begins.")
    amount_usd: Usd = Field(description="Dollars in a period.")
    warn_percent: Warn = Field(80, description="Of the amount: where people are told.")
    stop_percent: Stop = Field(100, description="Of the amount: where calls are refused. More than 100 is a grace.")
    unknown_price_usd: Price | None = Field(None, description=_UNKNOWN)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_timezone(value)

    @model_validator(mode="after")
    def _agent_where_it_is_one(self) -> Self:
        if (self.scope is Scope.AGENT) is not (self.agent_id is not None):
            raise ValueError("agent_id belongs to the scope 'agent', and to no other")
        return self


class BudgetChange(InputModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount_usd": "80.00"}]})

    amount_usd: Usd | None = None
    warn_percent: Warn | None = None
    stop_percent: Stop | None = None
    unknown_price_usd: Price | None = Field(None, description=_UNKNOWN)
    extra: Extra | None = Field(None, description="More money for a while; null takes it back.")

    @model_validator(mode="after")
    def _no_nothing(self) -> Self:
        for name in ("amount_usd", "warn_percent", "stop_percent"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must have a value; leave it out to keep it")
        return self


class Use(BaseModel):
    """What is used of a budget in its present period."""

    period_start: date = Field(description="First day, by the budget's clock.")
    used_usd: Decimal = Field(description="Paid. Of a budget for tickets: on the ticket that used most.")
    reserved_usd: Decimal = Field(description="Set aside for calls under way, or of workers that died in one.")
    stop_usd: Decimal = Field(description="Where calls are refused.")
    ticket: str | None = Field(description="Of a budget for tickets: which one used most.")
    state: Literal["ok", "warned", "reached"] = Field(description="Whether people were told, or calls refused.")


class BudgetView(BaseModel):
    """A budget and its use."""

    id: UUID
    scope: Scope
    agent_id: UUID | None
    period: Period
    timezone: str
    amount_usd: Decimal
    warn_percent: int
    stop_percent: int
    unknown_price_usd: Decimal | None
    extra_usd: Decimal | None
    extra_until: datetime | None
    extra_reason: str | None
    use: Use
    created_at: datetime
    updated_at: datetime


class SpendingQuery(BaseModel):
    """Which calls."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class SpendingView(BaseModel):
    """One call of a model that budgets paid for."""

    id: UUID
    execution_id: UUID
    agent_id: UUID
    ticket: str = Field(description="`desk:ticket`, empty for a run without one.")
    model: str
    state: SpendingState = Field(description="`assumed`: nobody knows what it cost, so it counts in full.")
    reserved_usd: Decimal = Field(description="What it might have cost.")
    cost_usd: Decimal | None = Field(description="What it did cost.")
    tokens_in: int | None
    tokens_out: int | None
    reserved_at: datetime
    settled_at: datetime | None

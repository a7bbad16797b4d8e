"""Shapes of calls: what is asked, and what is answered."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.reports.schemas import TenantQuery


class CallQuery(TenantQuery):
    """Which calls: those of runs whose event came on these days."""

    execution_id: UUID | None = Field(None, description="Only of this run.")


class CallPage(CallQuery):
    """Some of them, the newest first."""

    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class CallView(BaseModel):
    """One call of a model."""

    began_at: datetime
    execution_id: UUID
    step_key: str = Field(description="Its step in the run's trace.")
    agent_id: UUID
    ticket: str = Field(description="`desk:ticket`; empty for a run without one.")
    trial: bool = Field(description="Of a dry run.")
    state: Literal["started", "finished", "failed", "in_doubt"] = Field(
        description="`failed`: it broke off without an answer, and what it cost nobody here knows."
    )
    asked_model: str = Field(description="The model that the agent's version names.")
    model: str = Field(description="The one that answered, as it called itself; empty without an answer.")
    call_id: str = Field(description="What its gateway calls it; empty where it says nothing.")
    tokens_in: int
    tokens_cached: int = Field(description="Of the tokens in.")
    tokens_out: int
    tokens_reasoning: int = Field(description="Of the tokens out.")
    cost_usd: Decimal | None = Field(description="Dollars as it was counted; null: nobody knew its price.")
    gateway_usd: Decimal | None = Field(description="What its gateway said last, where that was later; null: nothing.")

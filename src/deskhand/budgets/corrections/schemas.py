"""Shapes of corrections over the API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import InputModel

MOST_FIGURES = 500
MOST_DAYS = 366
DEFAULT_DAYS = 40
"""A gateway's bill of a month comes in the days after it."""
MOST_USD = Decimal(10_000)
"""Of one call; more is a mistake."""


class Figure(InputModel):
    """What a gateway says that one call cost."""

    call_id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="The id of the answer (`id`), which LiteLLM's spend log calls `request_id`, or the header"
        " `x-litellm-call-id`."
    )
    cost_usd: Annotated[Decimal, Field(ge=0, le=MOST_USD, max_digits=40)] = Field(
        description="Dollars; rounded to the 8 places that the ledger keeps."
    )


class NewFigures(InputModel):
    """Later figures of a gateway."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"figures": [{"call_id": "chatcmpl-9f2", "cost_usd": "0.00213"}]}]}
    )

    figures: Annotated[list[Figure], Field(min_length=1, max_length=MOST_FIGURES)]
    days: int = Field(
        DEFAULT_DAYS, ge=1, le=MOST_DAYS, description="Calls of runs whose event came within this many days."
    )


class CorrectionView(BaseModel):
    """One correction: a row that nobody changes."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    execution_id: UUID
    step_key: str = Field(description="The call's step in the run's trace.")
    call_id: str
    gateway_usd: Decimal = Field(description="What the gateway says that the call cost.")
    counted_usd: Decimal | None = Field(description="What it counted until then; null: its price was unknown.")
    amount_usd: Decimal = Field(
        description="By how much the run's cost is another one. Of a run whose price was unknown this is 0 until the"
        " last of its calls is known, and then all of it."
    )
    noted_by: str
    noted_at: datetime


class FiguresTaken(BaseModel):
    """What became of the figures; each stands in one place."""

    corrections: list[CorrectionView] = Field(description="New rows, in the order of the figures.")
    unchanged: list[str] = Field(description="Calls that were counted so already.")
    unknown: list[str] = Field(description="No call of that id in these days.")
    ambiguous: list[str] = Field(description="Several calls, or several figures, have that id: none was chosen.")
    not_ended: list[str] = Field(description="Calls of runs that have not ended: send these again later.")


class CorrectionQuery(BaseModel):
    """Which corrections."""

    model_config = ConfigDict(extra="forbid")

    execution_id: UUID | None = Field(None, description="Only of this run.")
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None

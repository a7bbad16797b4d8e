"""Shapes of the figures: what is asked, and what is answered."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from deskhand.agents.schemas import Zone
from deskhand.kit.cron import check_timezone
from deskhand.kit.page import PageLimit
from deskhand.kit.schema import EARLIEST, LATEST, QueryFlag
from deskhand.reports.models import CostGroup, PerformanceGroup

MAX_DAYS = 366
"""Days in one range: each run in it is read."""
DEFAULT_DAYS = 30
DEFAULT_ROWS = 50

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day_text(value: Any) -> Any:
    """Pydantic takes numbers for days since 1970, which nobody means in an address."""
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("must be a day, such as 2026-05-04")


def _within_reach(value: date) -> date:
    if not EARLIEST.date() <= value < LATEST.date():
        raise ValueError("must lie between the years 1900 and 9000")
    return value


Day = Annotated[
    date,
    BeforeValidator(_day_text),
    AfterValidator(_within_reach),
    WithJsonSchema({"type": "string", "format": "date", "pattern": "^(?:19|[2-8][0-9])[0-9]{2}-"}),
]


class SpanQuery(BaseModel):
    """Which runs: those whose event came on one of these days, by the clock of a zone."""

    model_config = ConfigDict(extra="forbid")

    since: Day | None = Field(None, description=f"First day; {DEFAULT_DAYS} days until the last one if left out.")
    until: Day | None = Field(
        None,
        description=f"Last day, which is in it; today if left out. At most {MAX_DAYS} days in all.",
    )
    zone: Zone = Field("UTC", description="IANA zone by whose clock days begin.")
    trials: QueryFlag = Field(False, description="Trials (dry runs) instead of real runs.")

    @field_validator("until")
    @classmethod
    def _not_too_long(cls, value: date | None, info: ValidationInfo) -> date | None:
        since: date | None = info.data.get("since")
        if value is None or since is None:
            return value
        if value < since:
            raise ValueError(f"must not lie before the first day, {since}")
        days = (value - since).days + 1
        if days > MAX_DAYS:
            raise ValueError(f"must lie at most {MAX_DAYS} days from the first one; these are {days} days")
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_timezone(value)


class TenantQuery(SpanQuery):
    """Which runs of one tenant."""

    agent_id: UUID | None = Field(None, description="Only runs of this agent.")


class CostQuery(TenantQuery):
    """Which costs, added up by what."""

    group: CostGroup = Field(CostGroup.DAY, description="By what they are added up.")


class CostPage(CostQuery):
    """Costs, the dearest rows of them."""

    limit: PageLimit = DEFAULT_ROWS


class PerformanceQuery(TenantQuery):
    """Which runs, looked at by what."""

    group: PerformanceGroup = Field(PerformanceGroup.AGENT, description="By what they are looked at.")


class PerformancePage(PerformanceQuery):
    """How runs went, the slowest rows of them."""

    limit: PageLimit = DEFAULT_ROWS


class PlatformPage(SpanQuery):
    """Costs of tenants, the dearest rows of them."""

    limit: PageLimit = DEFAULT_ROWS


class SpanView(BaseModel):
    """The range that was looked at."""

    since: date = Field(description="First day.")
    until: date = Field(description="Last day, which is in it.")
    zone: str = Field(description="By whose clock days begin.")


class Costs(BaseModel):
    """What some runs cost. Runs whose price nobody knows are in no sum of money, and counted apart."""

    runs: int = Field(0, description="All of them, also those that asked no model.")
    open_runs: int = Field(0, description="Of those, how many have not ended: what they cost so far is in the sums.")
    model_calls: int = 0
    tokens_in: int = 0
    tokens_cached: int = Field(0, description="Of the tokens in, those that came from a vendor's cache.")
    tokens_out: int = 0
    tokens_reasoning: int = Field(0, description="Of the tokens out, those that a model thought with.")
    cost_usd: Decimal = Field(
        Decimal(0), description="Dollars of the runs whose price is known, as it was counted, to the last digit."
    )
    corrections_usd: Decimal = Field(
        Decimal(0), description="Dollars by which gateways corrected these runs later; add it to what was counted."
    )
    unpriced_runs: int = Field(0, description="Runs whose price nobody knows; never counted as zero.")
    unpriced_tokens: int = Field(0, description="Tokens of those runs, in and out.")

    @property
    def spent_usd(self) -> Decimal:
        """All that is known now: what was counted, and what gateways corrected."""
        return self.cost_usd + self.corrections_usd

    def __add__(self, other: Costs) -> Costs:
        return Costs(**{name: getattr(self, name) + getattr(other, name) for name in Costs.model_fields})

    def __sub__(self, other: Costs) -> Costs:
        return Costs(**{name: getattr(self, name) - getattr(other, name) for name in Costs.model_fields})


class CostRow(Costs):
    """What the runs of one day, agent, model, ticket or tenant cost."""

    key: str = Field(
        description="The day, the agent's id, the model, `desk:ticket` or the tenant's id; empty for none."
    )
    name: str = Field(description="The key in words: an agent's or a tenant's name.")


class DayCosts(BaseModel):
    """One day's money, for a chart."""

    day: date
    cost_usd: Decimal
    corrections_usd: Decimal
    unpriced_runs: int

    @property
    def spent_usd(self) -> Decimal:
        """All that is known now."""
        return self.cost_usd + self.corrections_usd


class CostReport(SpanView):
    """What runs cost: rows and what is beyond them add up to the total, to the last digit."""

    group: str
    rows: list[CostRow] = Field(description="Days in their order; else the dearest first.")
    others: Costs | None = Field(description="What the rows beyond the limit come to; null where all are shown.")
    other_rows: int = Field(description="How many rows those are.")
    total: Costs = Field(description="All of it: real runs, or trials where these were asked for.")
    trials: Costs = Field(description="Trials (dry runs) in the same range; never part of a total of real runs.")
    days: list[DayCosts] = Field(description="Each day of the range, also those without a run.")


class Spread(BaseModel):
    """Milliseconds within which half, 95 and 99 in a hundred lay."""

    p50_ms: int | None = None
    p95_ms: int | None = None
    p99_ms: int | None = None


class Outcomes(BaseModel):
    """How some runs ended."""

    runs: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    open_runs: int = Field(0, description="Queued, running or waiting.")


class Performance(Outcomes):
    """How some runs went."""

    success: float | None = Field(
        None, description="Completed runs as a share of those that completed or failed, 0 to 1; null without any."
    )
    event_to_end: Spread = Field(
        default_factory=Spread, description="From the event to the end, note included, of completed runs."
    )
    run_time: Spread = Field(default_factory=Spread, description="From the last start to the end, of completed runs.")


class PerformanceRow(Performance):
    """How the runs of one agent or day went."""

    key: str = Field(description="The agent's id, or the day.")
    name: str


class ErrorKind(BaseModel):
    """Failed runs of one kind."""

    code: str = Field(description="The stable code; empty where a run has none.")
    title: str = Field(description="The code in words.")
    runs: int


class DayOutcomes(Outcomes):
    """How the runs of one day ended, for a chart."""

    day: date


class PerformanceReport(SpanView):
    """How runs went."""

    group: str
    rows: list[PerformanceRow] = Field(
        description="Days in their order; else the slowest first, by the 95th hundredth."
    )
    other_rows: int = Field(description="Rows beyond the limit.")
    total: Performance
    errors: list[ErrorKind] = Field(description="Why runs failed, the most frequent first.")
    days: list[DayOutcomes] = Field(description="Each day of the range, also those without a run.")


class PlatformCostReport(SpanView):
    """What the runs of each tenant cost: rows and what is beyond them add up to the total."""

    rows: list[CostRow] = Field(description="Tenants with a run in the range, the dearest first.")
    others: Costs | None = Field(description="What the rows beyond the limit come to; null where all are shown.")
    other_rows: int
    total: Costs

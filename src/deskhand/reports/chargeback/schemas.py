"""Shapes of the chargeback: what is asked, and what is answered."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from deskhand.agents.schemas import Zone
from deskhand.kit.cron import check_timezone
from deskhand.kit.schema import StorableText
from deskhand.reports.schemas import SpanView
from deskhand.reports.worth.schemas import Month

Entry = Literal["runs", "trials", "corrections"]


class ChargebackQuery(BaseModel):
    """Which month, and whose."""

    model_config = ConfigDict(extra="forbid")

    month: Month | None = Field(None, description="Such as 2026-05; the last whole one if left out.")
    zone: Zone = Field("UTC", description="IANA zone by whose clock the month begins.")
    contract: Annotated[StorableText, StringConstraints(max_length=80)] | None = Field(
        None, description="Only of this contract; empty: of companies that no contract names."
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_timezone(value)


class ChargebackRow(BaseModel):
    """One kind of entries of one client company, in one month."""

    contract: str = Field(description="Its number; empty where no contract names the company.")
    company: str = Field(description="`desk:company`; empty for tickets that name no company, and for no ticket.")
    company_name: str
    entry: Entry = Field(
        description="`runs`: real runs whose event came in the month, as they were counted. `trials`: dry runs."
        " `corrections`: what gateways said in this month of calls that were counted before."
    )
    for_month: str = Field(description="In which month the event of the runs came: another one for a late correction.")
    entries: int = Field(description="Runs, or corrections.")
    model_calls: int = 0
    tokens_in: int = 0
    tokens_cached: int = Field(0, description="Of the tokens in.")
    tokens_out: int = 0
    tokens_reasoning: int = Field(0, description="Of the tokens out.")
    amount_usd: Decimal = Field(description="Dollars, to the last digit; below zero where a gateway billed less.")
    unpriced_runs: int = Field(0, description="Runs whose price nobody knows: in no amount, and not free.")
    unpriced_tokens: int = 0


class ContractSum(BaseModel):
    """What one contract comes to."""

    contract: str
    amount_usd: Decimal
    unpriced_runs: int


class Chargeback(SpanView):
    """A month of the ledger: its rows add up to the total, and the totals of all months to the ledger."""

    month: str
    is_over: bool = Field(description="Whether the month has ended.")
    open_runs: int = Field(description="Runs of the month that have not ended, and may still cost more.")
    contracts: list[ContractSum] = Field(description="The dearest first.")
    rows: list[ChargebackRow] = Field(description="By contract, company, entry and month.")
    total_usd: Decimal
    unpriced_runs: int

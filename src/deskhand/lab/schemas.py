"""Shapes of the replay lab over the API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from deskhand.kit.schema import InputModel
from deskhand.lab.models import CaseState, LabState

LEAST, MOST = 20, 200
"""Closed tickets of one run: fewer say too little, and more cost too much for what they say besides."""
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class LabRequest(InputModel):
    """What to try a version of an agent on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tickets": 50, "max_cost_usd": "2.50"}]})

    agent_version: int | None = Field(None, ge=1, le=2**31 - 1, description="Default: the version the agent is at.")
    tool_type: Word | None = Field(None, description="The desk. Default: the first connected one of the version.")
    tickets: int = Field(
        50, ge=0, le=MOST, description=f"Closed tickets, the latest: {LEAST} to {MOST}, or 0 for the test cases alone."
    )
    test_cases: bool = Field(True, description="Whether the agent's test cases of this desk are run as well.")
    parallel: int = Field(2, ge=1, le=8, description="Tickets at work at once. Live runs go first all the same.")
    max_cost_usd: Decimal = Field(
        Decimal(5), gt=0, le=10_000, max_digits=9, decimal_places=4, description="Nothing more is begun where it ends."
    )

    @model_validator(mode="after")
    def _enough(self) -> LabRequest:
        if 0 < self.tickets < LEAST:
            raise ValueError(f"tickets must be at least {LEAST}, or 0 for the test cases alone")
        return self


class FieldAgreement(BaseModel):
    """How often the agent said what people did."""

    right: int
    wrong: int
    silent: int = Field(description="The agent said nothing where people did; it counts as not the same.")
    agreement: float | None = Field(description="`right` of all three; null where people said nothing on any ticket.")
    low: float = Field(description="Lower end of the 95 % interval (Wilson).")
    high: float = Field(description="Its upper end.")


class Reopened(BaseModel):
    """Tickets that were opened again after people had closed them."""

    reopened: int
    of: int = Field(description="Tickets of which that is known.")
    wrong: int = Field(description="Of those reopened: where the agent said something else than people did.")


class Comparison(BaseModel):
    """What came of a run of the lab so far."""

    category: FieldAgreement
    priority: FieldAgreement
    group: FieldAgreement
    solution: FieldAgreement
    reopened: Reopened
    cost_usd: Decimal
    cost_per_ticket_usd: Decimal | None
    took_p50_ms: int | None
    took_p95_ms: int | None


class LabRunView(BaseModel):
    """How a run stands, and its figures so far."""

    id: UUID
    agent_id: UUID
    agent_name: str
    agent_version: int
    tool_type: str
    state: LabState
    why: str | None = Field(description="Why it ended early, or what it waits for.")
    parallel: int
    max_cost_usd: Decimal
    started_by: str
    created_at: datetime
    ended_at: datetime | None
    tickets: int
    waiting: int
    running: int
    compared: int
    left_out: int
    wrong: int
    comparison: Comparison


class CaseView(BaseModel):
    """One ticket of it."""

    id: UUID
    place: int
    ticket_ref: str
    number: str
    subject: str | None
    state: CaseState
    why: str | None
    as_of: datetime | None = Field(description="The ticket, and all that was looked up, is as it was then.")
    execution_id: UUID | None
    test_case_id: UUID | None
    truth: dict[str, Any] | None = Field(description="What people did, or what the test case expects.")
    said: dict[str, str] = Field(description="What the agent said.")
    cited: list[str]
    verdicts: dict[str, Literal["right", "wrong", "silent"]]
    cost_usd: Decimal | None
    took_ms: int | None
    is_wrong: bool


class Expected(InputModel):
    """What is expected of an agent on a ticket; what is left out is not looked at."""

    category: Word | None = None
    priority: Word | None = None
    group: Word | None = None
    solution: list[Word] = Field(
        default_factory=list, max_length=20, description="Articles and past tickets, of which it cites one."
    )

    @model_validator(mode="after")
    def _something(self) -> Expected:
        if not (self.category or self.priority or self.group or self.solution):
            raise ValueError("say at least one thing that is expected")
        return self

    def as_truth(self) -> dict[str, Any]:
        """In the form in which what people did is kept."""
        named = {name: [value] for name in ("category", "priority", "group") if (value := getattr(self, name))}
        return {"fields": named, "solution": self.solution, "reopened": None}


class NewTestCase(InputModel):
    """A ticket to keep, as a run of the agent read it."""

    execution_id: UUID = Field(description="The run; a dry one or a real one.")
    name: Word
    expected: Expected


class TestCaseView(BaseModel):
    """A kept ticket and what is expected of the agent."""

    __test__ = False

    id: UUID
    agent_id: UUID
    name: str
    tool_type: str
    ticket_ref: str
    number: str
    subject: str
    as_of: datetime = Field(description="What is looked up for it is what was known then.")
    expected: Expected
    created_by: str
    created_at: datetime

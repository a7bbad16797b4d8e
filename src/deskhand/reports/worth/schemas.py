"""Shapes of the monthly report: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from deskhand.agents.schemas import Zone
from deskhand.kit.cron import check_timezone
from deskhand.kit.schema import StorableText
from deskhand.reports.schemas import Costs, SpanView

LEAST = 20
"""Tickets of a group below which its figures say more of those few tickets than of the next ones."""

Month = Annotated[str, StringConstraints(pattern=r"^(?:19|[2-8][0-9])[0-9]{2}-(?:0[1-9]|1[0-2])$")]
CompanyKey = Annotated[StorableText, StringConstraints(max_length=400)]
GroupName = Literal["noted", "not_noted", "with_notes", "held_out"]
Measure = Literal["solution", "first_touch", "reopened"]
Verdict = Literal["less", "more", "none", "withheld"]


class WorthQuery(BaseModel):
    """Which month, and whose."""

    model_config = ConfigDict(extra="forbid")

    month: Month | None = Field(None, description="Such as 2026-05; the last whole one if left out.")
    company: CompanyKey | None = Field(
        None, description="Only of this client company: the `key` of its row; empty: of tickets that name none."
    )
    zone: Zone = Field("UTC", description="IANA zone by whose clock the month begins.")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_timezone(value)


class ShareFigure(BaseModel):
    """How many of some, and the interval in which the true share lies; null where there are too few to say."""

    hits: int
    of: int
    low: float | None = Field(None, description=f"Null below {LEAST}.")
    high: float | None = None


class TimeFigure(BaseModel):
    """How long it took for half of them; those that have not come to an end count as longer than all others."""

    of: int = Field(description="Tickets of which it is told, ended or not.")
    ended: int = Field(description="Of those, how many came to an end.")
    median_ms: int | None = Field(None, description="Null where half of them or more have not come to an end.")
    low_ms: int | None = Field(None, description=f"Where the true median lies; null below {LEAST} tickets.")
    high_ms: int | None = Field(None, description="Null also where that many have not come to an end.")


class TicketGroup(BaseModel):
    """Tickets that are looked at together."""

    name: GroupName = Field(
        description="As the lot fell: `with_notes`, `held_out`; else by what happened: `noted`, `not_noted`."
    )
    tickets: int
    noted: int = Field(description="Of those, how many got a note; of held-out ones because somebody asked for it.")
    solution: TimeFigure = Field(description="From when it was filed to when it was solved, as its desk says.")
    first_touch: TimeFigure = Field(
        description="From when it was filed to a technician's first word on it, or to its solution without one; of"
        " solved tickets whose desk told of it alone."
    )
    reopened: ShareFigure = Field(description="Solved tickets that had been opened again, of those whose desk tells.")


class Difference(BaseModel):
    """What lies between tickets with notes and those held out, and whether that could be chance."""

    measure: Measure
    verdict: Verdict = Field(
        description="`less` or `more` with notes; `none`: no difference that could be told from chance; `withheld`: too"
        " few tickets, or too many not ended."
    )
    words: str
    value: float | None = Field(None, description="With notes less held out: milliseconds, of `reopened` a share.")
    low: float | None = None
    high: float | None = None
    confidence: float | None = Field(
        None,
        description="Of this interval: the more are told beside each other, the wider each, so that of all of them one"
        " claims in at most 5 of 100 months what is not there.",
    )
    with_notes: int = Field(description="Tickets it rests on.")
    held_out: int


class FieldKept(ShareFigure):
    """What became of what was suggested or set: `hits` is how often the desk has it still, on solved tickets."""

    field: str
    not_told: int = Field(description="Suggestions on tickets that are not solved, or whose desk says nothing there.")


class Worth(BaseModel):
    """The month of one client company, or of all of them."""

    key: str = Field(description="`desk:company`; empty for tickets that name no company, `*` for all of them.")
    name: str
    tickets: int = Field(description="That an agent was called to for the first time in this month.")
    noted: int
    held_out: int
    unknown: int = Field(
        description="Tickets of desks whose solved tickets are not imported: how they went is not told."
    )
    costs: Costs = Field(description="Of the runs whose event came in this month, whatever ticket they were about.")
    votes: ShareFigure = Field(description="Votes on notes of this month's runs: how many said that it helped.")
    suggestions: list[FieldKept]
    groups: list[TicketGroup]
    differences: list[Difference] = Field(description="Empty in a month without held-out tickets.")


class WorthReport(SpanView):
    """What a month was worth. Costs of companies add up to the total, to the last digit."""

    month: str
    is_over: bool = Field(description="Whether the month has ended; until then its figures still move.")
    hold_out_share: int = Field(description="Of 100 tickets, how many are held out by now.")
    compared: bool = Field(
        description="Whether tickets of this month were held out. Without, groups stand side by side and nothing is"
        " said of what notes brought about."
    )
    total: Worth | None = Field(description="Of all companies; null where one was asked for.")
    companies: list[Worth] = Field(description="Those with the most tickets first.")
    cut_off: int = Field(description="Tickets beyond what one report looks at; their costs are in it all the same.")

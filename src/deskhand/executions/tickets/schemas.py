"""Shapes of a ticket and of what was done to it. Nothing here carries a credential."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.approvals.schemas import ApprovalView, DifferenceView
from deskhand.engine.status import StepState
from deskhand.executions.schemas import ExecutionSummary, UndoResult
from deskhand.intake.schemas import DeliveryRecord
from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import Instant, StorableText
from deskhand.knowledge.verdicts.schemas import VerdictView
from deskhand.storms.schemas import StormView

RUNS_SHOWN = 25
"""Runs on one page of a ticket; what they did is shown with them."""


class TicketOutcome(StrEnum):
    """What became of a ticket's newest run.

    - ``at_work``: it is in the queue or runs.
    - ``waiting``: for a person.
    - ``noted``: it ended in a note on the ticket.
    - ``done``: it ended without one: it did something else, or there was nothing to say.
    - ``failed``, ``cancelled``: it did not end by itself.
    """

    AT_WORK = "at_work"
    WAITING = "waiting"
    NOTED = "noted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TicketFilters(BaseModel):
    """Which tickets to list. Every given condition must hold."""

    model_config = ConfigDict(extra="forbid")

    q: StorableText | None = Field(
        None,
        max_length=200,
        description="Its id or number exactly, or words of its subject. Ids are found however old; numbers and subjects"
        " among the newest 2,000 runs, and among imported tickets.",
    )
    tool_type: StorableText | None = Field(None, max_length=50, description="Those of one desk.")
    company: StorableText | None = Field(
        None,
        max_length=255,
        description="Those of one client company, by the desk's id of it; among the newest 2,000 runs, and among"
        " imported tickets.",
    )
    outcome: TicketOutcome | None = Field(None, description="Those whose newest run ended so.")
    since: Instant | None = Field(None, description="Those whose newest run was accepted at or after this time.")


class TicketQuery(TicketFilters):
    """One page of the tickets that match."""

    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class OneTicketQuery(BaseModel):
    """Which of a ticket's runs to show."""

    model_config = ConfigDict(extra="forbid")

    cursor: PageCursor = None


class TicketCompany(BaseModel):
    """The client company that a ticket is of."""

    id: str
    name: str


class TicketFace(BaseModel):
    """What a ticket is called, as the newest run that read it found it."""

    tool_type: str
    ticket_id: str = Field(description="The desk's own id of it.")
    number: str | None = Field(description="The number people see; null where no run has read it yet.")
    subject: str | None
    company: TicketCompany | None = Field(description="Its client company, on desks that serve several.")

    @property
    def shown(self) -> str:
        """What people call it."""
        return self.number or self.ticket_id


class TicketSummary(TicketFace):
    """One ticket in a list."""

    outcome: TicketOutcome = Field(description="Of the newest run.")
    is_dry: bool = Field(description="The newest run was a dry one: nothing reached the desk.")
    error_message: str | None = Field(description="Why the newest run waits or failed.")
    execution_id: UUID = Field(description="The newest run.")
    agent_name: str
    agent_version: int
    runs: int = Field(description="How many it started.")
    last_at: datetime = Field(description="When the event of the newest run came.")


class LookUp(BaseModel):
    """What a run read, in short."""

    name: str = Field(description="Of the tool's operation.")
    times: int


class TicketRun(ExecutionSummary):
    """One run that had to do with a ticket."""

    is_own: bool = Field(description="False of a run of another ticket that wrote on this one.")
    read: list[str] = Field(description="How much of the ticket its model was given, in sentences.")
    looked_up: list[LookUp] = Field(description="Which tools it read with, in the order of their first use.")
    why_nothing: str | None = Field(description="Why it wrote nothing, where it meant to.")
    undo: UndoResult | None = Field(description="Of an undo, what became of each write.")
    can_undo: bool = Field(description="It has ended, and wrote something here that can be taken back.")


class NoteText(BaseModel):
    """What a note said at a time."""

    markdown: str
    execution_id: UUID | None = Field(description="The run that wrote it; null where that is not among those shown.")
    agent_name: str | None
    at: datetime | None
    verdicts: list[VerdictView] = Field(description="What people said of it, the newest first.")
    can_judge: bool = Field(description="Whether a verdict on it can be given.")


class TicketNote(BaseModel):
    """A note or reply of ours on the ticket, as it stands."""

    note_id: str | None = Field(description="The desk's id of it.")
    audience: Literal["technicians", "requester"]
    state: Literal["there", "withdrawn", "corrected", "in_doubt"] = Field(
        description="`corrected`: the desk keeps every note, and another one says that it is withdrawn. `in_doubt`:"
        " nobody knows whether it was written."
    )
    text: NoteText
    earlier: list[NoteText] = Field(description="What it said before, the newest first.")
    step_key: str = Field(description="The write of its newest text; an undo can name it.")


class TicketWrite(BaseModel):
    """A write on the ticket that is no note."""

    execution_id: UUID
    step_key: str
    operation: str
    agent_name: str
    at: datetime
    state: StepState
    knows_before: bool = Field(description="Whether the desk told what was there before.")
    fields: list[DifferenceView]


class TicketQuestion(BaseModel):
    """A question to the requester, and what came of it."""

    execution_id: UUID
    agent_name: str
    question: str
    round: int
    asked_at: datetime
    until: datetime
    answered_at: datetime | None = Field(description="When the run went on; null while it waits.")
    answer: list[str] = Field(description="What the requester said, each reply by itself.")
    why: str | None = Field(description="Why there is no answer.")


class TicketDelivery(DeliveryRecord):
    """One webhook delivery that named the ticket."""

    agent_name: str


class TicketDetail(TicketFace):
    """Everything that was done to one ticket, by the runs of one page."""

    url: str | None = Field(description="The ticket's page at its desk.")
    namesake: str | None = Field(
        description="The id of another ticket whose number is what was asked for; ids win over numbers."
    )
    storm: StormView | None = Field(None, description="The outage that it is one of many tickets about.")
    runs: list[TicketRun] = Field(description="Newest first.")
    next_cursor: str | None = Field(description="Pass as `cursor` for what earlier runs did; null if none did.")
    deliveries: list[TicketDelivery] = Field(description="Newest first, at most 100.")
    notes: list[TicketNote] = Field(description="Newest first.")
    writes: list[TicketWrite] = Field(description="Newest first.")
    questions: list[TicketQuestion] = Field(description="Newest first.")
    approvals: list[ApprovalView] = Field(description="Calls that a person was asked about, newest first.")
    cost_usd: Decimal = Field(description="Of the runs shown, as far as their price is known.")
    unpriced: int = Field(description="Of the runs shown, how many spent tokens whose price is not known.")

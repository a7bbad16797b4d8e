"""Shapes of executions as the API and the console show them. Nothing here carries a credential."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.executions.sent import SentTo
from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import InputModel, Instant, QueryFlag, StorableText

BULK_LIMIT = 500


class ExecutionFilters(BaseModel):
    """Which executions to list. Every given condition must hold."""

    model_config = ConfigDict(extra="forbid")

    status: list[ExecutionStatus] = Field([], description="Any of these states; empty means all.")
    agent_id: UUID | None = Field(None, description="Those of one agent.")
    ticket_ref: StorableText | None = Field(None, max_length=100, description="The ticket's id at its desk, exactly.")
    since: Instant | None = Field(None, description="Accepted at or after this time.")
    mode: Literal["live", "dry_run", "undo"] | None = Field(
        None, description="Only runs that write, only dry ones (a try, or a replay that writes nothing), or only undos."
    )
    error_code: StorableText | None = Field(None, max_length=50, description="What they failed with, exactly.")
    degraded: QueryFlag | None = Field(
        None, description="Only runs whose note was, or was not, made without the model."
    )
    needs_attention: QueryFlag = Field(
        False, description="Only failed runs nobody has dismissed, and those that wait for your people."
    )


class ExecutionQuery(ExecutionFilters):
    """One page of the executions that match."""

    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class ExecutionSummary(BaseModel):
    """One run in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: ExecutionStatus
    agent_id: UUID
    agent_name: str
    agent_version: int
    trigger_id: UUID | None
    trigger_type: Literal["webhook", "schedule"] | None = Field(description="Null when the trigger no longer exists.")
    tool_type: str | None
    ticket_ref: str | None
    subject: str | None = Field(description="The ticket's subject, as the event or the run knew it.")
    mode: Literal["live", "dry_run", "undo"] = Field(description="`undo`: it takes back what other runs wrote.")
    attempt: int
    max_attempts: int
    parked: bool
    not_before: datetime | None
    queued_at: datetime
    started_at: datetime | None = Field(description="Start of the latest attempt; null before the first.")
    completed_at: datetime | None
    duration_ms: int | None = Field(description="Milliseconds of the latest attempt, so far or in all.")
    step_count: int
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: Decimal | None = Field(description="Dollars; null when a price is unknown or nothing was spent yet.")
    degraded: bool = Field(False, description="The note was made without the model, from what was found.")
    error_code: str | None
    error_message: str | None
    cancel_requested_at: datetime | None
    dismissed_at: datetime | None
    retry_of: UUID | None = Field(description="The failed run that this one repeats with other input.")
    replay_of: UUID | None = Field(description="The run that this one repeats.")

    @property
    def tokens(self) -> int | None:
        """Tokens read and written together, or None before the first model call."""
        # Unknown is not nothing: a run whose model told no tokens must not be listed as having used none.
        if self.tokens_in is None and self.tokens_out is None:
            return None
        return (self.tokens_in or 0) + (self.tokens_out or 0)

    @property
    def is_trial(self) -> bool:
        """True for a run that tries its agent out: dry, and no repetition of another."""
        return self.mode == "dry_run" and self.replay_of is None

    @property
    def can_cancel(self) -> bool:
        """True while there is something left to stop."""
        return not self.status.is_final and self.cancel_requested_at is None

    @property
    def can_retry(self) -> bool:
        """True for a run that ended without its result."""
        return self.status in (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)

    @property
    def can_replay(self) -> bool:
        """True for a run that has ended, however it did."""
        return self.status.is_final and self.mode != "undo"

    @property
    def can_dismiss(self) -> bool:
        """True for a failure that still asks for attention."""
        return self.status is ExecutionStatus.FAILED and self.dismissed_at is None


class StepView(BaseModel):
    """One effect of a run: what went in, what came out, what it took."""

    model_config = ConfigDict(from_attributes=True)

    position: int
    step_key: str
    attempt: int
    kind: Literal["model", "tool", "write", "compute"]
    name: str
    state: StepState
    idempotent: bool
    mark: str | None = Field(description="What a write carries, so that it can be found at its desk.")
    input: Any | None
    output: Any | None
    error: str | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: Decimal | None = Field(description="Dollars; null when the price is unknown.")
    started_at: datetime
    finished_at: datetime | None
    duration_ms: int | None = Field(description="Milliseconds; null while it runs.")


class NoteSource(BaseModel):
    """Something a note cites."""

    ref: str = Field(description="How the note names it, e.g. a ticket's id.")
    kind: str | None = None
    title: str | None = None
    url: str | None = None


class LeftOut(BaseModel):
    """A sentence of the model that was not kept, and why."""

    text: str
    reason: str


class NoteView(BaseModel):
    """The note a run wrote, exactly as it was handed to the desk."""

    markdown: str
    confidence: str | None
    word_count: int | None
    note_id: str | None = Field(description="The desk's id of the note.")
    sources: list[NoteSource] = Field(description="In the order of their numbers in the note.")
    left_out: list[LeftOut] = Field([], description="What the model wrote that no source supports.")
    replaces: SameNote | None = Field(None, description="The run whose text this one took the place of, in one note.")
    on: str | None = Field(None, description="Number of the parent that took the note; null: the run's own ticket did.")


class Question(BaseModel):
    """What a run asks a person that waits or ended in doubt: was this write done?"""

    step_key: str = Field(description="Send it back with the answer.")
    operation: str = Field(description="The write, e.g. `add_note`.")
    text: str | None = Field(description="The text it was to write, or null where it has none.")
    mark: str | None = Field(description="What to look for on the ticket: every write of ours carries its mark.")
    asked_at: datetime = Field(description="When the write was begun.")
    ticket_url: str | None = Field(description="The ticket at its desk, where the run learned it.")


class RelatedRun(BaseModel):
    """Another run of the same event."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    status: ExecutionStatus
    mode: Literal["live", "dry_run"]
    agent_version: int
    queued_at: datetime


class SameNote(BaseModel):
    """The earlier note of the agent on the ticket that already says what this run found."""

    execution_id: UUID = Field(description="The run that wrote it.")
    note_id: str | None = Field(description="The desk's id of it.")


class NotApproved(BaseModel):
    """A write that was not made."""

    operation: str
    state: Literal["declined", "expired", "void"]
    why: str


class RequesterWait(BaseModel):
    """The question to the requester that a run waits for the answer of."""

    question: str
    round: int = Field(description="Which question of the agent on this ticket it is; there are two at most.")
    asked_at: datetime
    until: datetime = Field(description="When the run goes on without an answer.")


class UndoneItem(BaseModel):
    """What an undo did about some writes on one ticket."""

    operations: list[str]
    executions: list[UUID] = Field(description="The runs that wrote it.")
    tool_type: str
    ticket_id: str | None
    effect: str
    done: bool
    fields: list[str] = Field(description="What was put back.")
    kept: list[str] = Field(description="What was left, because somebody changed it since.")
    why: str | None


class UndoResult(BaseModel):
    """What an undo did."""

    requested_by: str
    items: list[UndoneItem] = Field(description="Empty until it has ended.")


class ExecutionDetail(ExecutionSummary):
    """One run with everything it did."""

    degraded_reason: str | None = Field(None, description="Why the model was no help, for who looks after it.")
    same_as: SameNote | None = Field(None, description="Set where nothing was written, because nothing is new.")
    not_written: str | None = Field(
        None,
        description="Why a run that was to end on its ticket wrote nothing: it was solved meanwhile, or too late.",
    )
    became_public: str | None = Field(None, description="That the desk showed the requester an internal note of it.")
    not_written_code: str | None = Field(
        None,
        description="`kept_out`: a rule of the tenant keeps agents from the ticket. `storm`: it is one of many tickets"
        " about one outage. Null: another why.",
    )
    storm_id: UUID | None = Field(None, description="The outage that its ticket is one of many about.")

    read: list[str] = Field([], description="How much of its ticket the model was given, in sentences.")
    sent_to: list[SentTo] = Field([], description="Where text of the run went to be read by models.")
    waited_ms: int | None = Field(description="Milliseconds from the event to the first start; null after a retry.")
    total_ms: int | None = Field(description="Milliseconds from the event to the end.")
    corrections_usd: Decimal = Field(Decimal(0), description="By how much gateways corrected its cost later, in all.")
    worker_id: str | None
    heartbeat_at: datetime | None
    replays: list[RelatedRun] = Field(description="Runs that repeat this one, newest first, at most 20.")
    retried_as: RelatedRun | None = Field(description="The run that repeats this failed one with other input.")
    not_approved: list[NotApproved] = Field(description="Writes that a person was asked about and that were not made.")
    undo: UndoResult | None = Field(None, description="Of an undo, what became of each write.")
    question: Question | None = Field(description="What a run that is in doubt asks a person.")
    approval_id: UUID | None = Field(description="The call that a waiting run asks a person to approve.")
    waits_for: RequesterWait | None = Field(None, description="What a run waits for that asked the ticket's requester.")
    input_payload: dict[str, Any] | None
    output_result: dict[str, Any] | None
    note: NoteView | None
    steps: list[StepView]

    @property
    def can_undo(self) -> bool:
        """True for an ended run that wrote something."""
        return self.status.is_final and any(step.kind == "write" and step.state == "finished" for step in self.steps)


class Day(BaseModel):
    """How the last 24 hours went; dry runs are counted as such and nowhere else."""

    model_config = ConfigDict(from_attributes=True)

    completed: int
    failed: int
    queued: int
    running: int
    waiting: int
    median_ms: int | None = Field(description="From the event to the end of its run, of half of those that completed.")
    p95_ms: int | None = Field(description="Of 19 in 20 of them.")
    cost_usd: Decimal | None = Field(description="Of those that ended and whose price is known, dry ones too.")
    unpriced: int = Field(description="Of those that completed, dry ones too, how many have no price.")
    tried: int = Field(description="Dry runs, however they ended.")
    oldest_queued_at: datetime | None
    active_agents: int


class StatusCounts(BaseModel):
    """How many executions stand where."""

    queued: int = 0
    running: int = 0
    waiting: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.queued + self.running + self.waiting + self.completed + self.failed + self.cancelled


class FailureKind(BaseModel):
    """Failed runs that nobody dismissed and that failed with the same."""

    error_code: str | None = Field(description="What to retry or dismiss them by.")
    runs: int
    agents: int = Field(description="How many agents have one.")
    first_at: datetime | None = Field(description="When the oldest of them failed.")
    last_at: datetime | None
    example: str | None = Field(description="What the newest of them says, cut short.")


class AgentChoice(BaseModel):
    """An agent to filter by."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str


class _BulkFilters(InputModel):
    agent_id: UUID | None = None
    ticket_ref: StorableText | None = Field(None, max_length=100)
    since: Instant | None = Field(None, description="Accepted at or after this time.")
    error_code: str | None = Field(None, max_length=50, description="Only runs that failed with this code.")
    # Bounded, since all of them are changed in one transaction, which holds their rows.
    limit: int = Field(100, ge=1, le=BULK_LIMIT)


class BulkRetry(_BulkFilters):
    """Which ended runs to start again: the oldest first, at most ``limit`` of them."""

    # Failed alone by default: who cancelled a run meant it.
    status: list[Literal[ExecutionStatus.FAILED, ExecutionStatus.CANCELLED]] = Field(
        [ExecutionStatus.FAILED], min_length=1
    )
    dismissed: bool = Field(True, description="Also runs that somebody dismissed.")


class BulkDismiss(_BulkFilters):
    """Which failed runs to dismiss: the oldest first, at most ``limit`` of them."""


class BulkRetryResult(BaseModel):
    """What a bulk retry did."""

    retried: list[UUID]
    skipped: list[UUID] = Field(description="Left as they are: another run of the same ticket already waits to start.")
    more: bool = Field(description="True when further runs match; call again to go on.")


class BulkDismissResult(BaseModel):
    """What a bulk dismissal did."""

    dismissed: list[UUID]
    more: bool = Field(description="True when further runs match; call again to go on.")


__all__ = [
    "BULK_LIMIT",
    "AgentChoice",
    "BulkDismiss",
    "BulkDismissResult",
    "BulkRetry",
    "BulkRetryResult",
    "ExecutionDetail",
    "ExecutionFilters",
    "ExecutionQuery",
    "ExecutionSummary",
    "FailureKind",
    "LeftOut",
    "NoteSource",
    "NoteView",
    "Question",
    "RelatedRun",
    "SameNote",
    "StatusCounts",
    "StepView",
    "UndoResult",
    "UndoneItem",
]

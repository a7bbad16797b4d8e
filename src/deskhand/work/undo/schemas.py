"""Shapes of an undo: what would be put back, what is left and why, and what is kept of it for the worker."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from deskhand.approvals.schemas import Digest
from deskhand.kit.schema import InputModel, Instant
from deskhand.plugins.contract import FieldChange, TicketLink

UNDO = "undo"
"""The mode of an execution that takes back what others wrote."""


class Effect(StrEnum):
    """What undoing does about one or several writes on one ticket; the names are those of its journaled steps.

    - ``restore_fields``: fields are set to what they were.
    - ``withdraw_note``: the note is deleted.
    - ``restore_note``: a note that was written anew gets its earlier text back.
    - ``correct_note``: the desk keeps every note, so another one says that it is withdrawn.
    - ``unlink_tickets``: the link is removed.
    - ``link_tickets``: a link that an undo removed is made again.
    - ``close_created``: a ticket that was filed is closed; no desk lets it be deleted.
    - ``withdraw_time``: the work log is deleted.
    - ``none``: it is left as it is; ``why`` says the reason.
    """

    RESTORE_FIELDS = "restore_fields"
    WITHDRAW_NOTE = "withdraw_note"
    RESTORE_NOTE = "restore_note"
    CORRECT_NOTE = "correct_note"
    UNLINK_TICKETS = "unlink_tickets"
    LINK_TICKETS = "link_tickets"
    CLOSE_CREATED = "close_created"
    WITHDRAW_TIME = "withdraw_time"
    NONE = "none"


class UndoneWrite(BaseModel):
    """A write of a run, as its timeline has it."""

    execution_id: UUID
    step_key: str
    operation: str

    @property
    def key(self) -> str:
        """Names it among the writes of all runs."""
        return f"{self.execution_id}/{self.step_key}"


class FieldBack(BaseModel):
    """One field that is put back."""

    field: str
    now: str = Field(description="What the agent set, and what still stands there.")
    back: str = Field(description="What it is set to; empty where there was nothing.")


class FieldKept(BaseModel):
    """One field that is left, since somebody changed it after the agent."""

    field: str
    ours: str = Field(description="What the agent set.")
    now: str = Field(description="What stands there.")
    before: str = Field(description="What stood there before the agent.")
    changed_by: str | None = Field(None, description="Who changed it, where the desk's history tells.")
    changed_at: datetime | None = None


class UndoItem(BaseModel):
    """What is done about some writes on one ticket."""

    writes: list[UndoneWrite] = Field(description="The writes that it is about.")
    tool_type: str
    ticket_id: str | None
    number: str | None = Field(None, description="What people call the ticket.")
    subject: str | None = None
    url: str | None = None
    revision: str | None = Field(None, description="The desk's stamp; if it is another by then, nothing is written.")
    effect: Effect
    fields: list[FieldBack] = []
    kept: list[FieldKept] = []
    why: str | None = Field(None, description="Why it is left, or what of it stays.")


class PlannedItem(UndoItem):
    """The same with what the worker needs: values as the desk takes them."""

    changes: list[FieldChange] = []
    note_id: str = ""
    note_text: str = ""
    link: TicketLink | None = None

    def shown(self) -> UndoItem:
        """Without the desk's own forms."""
        return UndoItem.model_validate(self.model_dump(include=set(UndoItem.model_fields)))


class UndoPreview(BaseModel):
    """What undoing would do now; nothing was written yet."""

    digest: str = Field(description="Of exactly this; the undoing is bound to it.")
    possible: bool = Field(description="Whether there is anything that can be put back.")
    items: list[UndoItem] = Field(description="In the order in which it is done: newest write first.")


class PreviewRun(InputModel):
    """Which writes of a run are meant."""

    step_key: str | None = Field(None, min_length=1, max_length=200, description="One write alone; left out, all.")


class UndoRun(PreviewRun):
    """The undoing of a run, or of one write, as it was previewed."""

    digest: Digest


class PreviewVersion(InputModel):
    """Since when a version's writes are meant."""

    since: Instant = Field(description="What it wrote at or after this time.")


class UndoVersion(PreviewVersion):
    """The undoing of what a version wrote, as it was previewed."""

    digest: Digest


class UndoStarted(BaseModel):
    """The execution that does it; follow it as any other."""

    execution_id: UUID


class Outcome(BaseModel):
    """What became of one item."""

    writes: list[UndoneWrite]
    tool_type: str
    ticket_id: str | None
    effect: Effect
    done: bool
    fields: list[str] = []
    kept: list[FieldKept] = []
    why: str | None = None


class Plan(BaseModel):
    """What the undoing execution is given; only this room makes one, and only for executions of its own mode."""

    undoes: list[str]
    what: dict[str, Any]
    digest: str
    requested_by: str
    agent_name: str
    items: list[PlannedItem]

"""Shapes of notifications over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import InputModel
from deskhand.notifications.models import Kind, MessageState, Pace


class Choices(InputModel):
    """What a person wants to be told of; kinds that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"failure": "digest", "budget_warning": "off"}]})

    failure: Pace | None = Field(None, description="Runs that failed for good.")
    doubt: Pace | None = Field(None, description="Writes that nobody knows the outcome of.")
    approval: Pace | None = Field(None, description="Calls that wait for a yes.")
    budget_warning: Pace | None = Field(None, description="Budgets that have passed their warning.")
    budget_stop: Pace | None = Field(None, description="Budgets that are used up.")
    connection: Pace | None = Field(None, description="Desks and models that do not answer.")
    schedule: Pace | None = Field(None, description="Schedules that have no next time.")
    audit: Pace | None = Field(None, description="An audit log that does not verify; for tenant administrators.")
    published: Pace | None = Field(None, description="Internal notes that a desk showed to a requester.")
    storm: Pace | None = Field(None, description="Outages: many tickets of one company that report the same.")

    def paces(self) -> dict[Kind, Pace]:
        """What was chosen, by kind."""
        return {Kind(name): pace for name, pace in self if pace is not None}


class ChoiceView(BaseModel):
    """How soon a person is told of one kind."""

    kind: Kind
    title: str
    help: str
    pace: Pace
    chosen: bool = Field(description="By the person; else the tenant's usual pace counts.")


class ChoicesView(BaseModel):
    """What a person is told of, and where to."""

    email: str | None = Field(description="Null for a key, which is nobody to tell.")
    named: bool = Field(description="The tenant's rules name this person, who is told of everything by default.")
    can_mail: bool = Field(description="The tenant has a mail server; without one, mails are kept until it has.")
    choices: list[ChoiceView]


class MessageQuery(BaseModel):
    """Which messages."""

    state: Annotated[list[MessageState], Query(max_length=6, description="Only of these states.")] = Field(
        default_factory=list
    )
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class LineView(BaseModel):
    """One cause in a message."""

    kind: str = Field(description="As in the choices; `more` counts what is beyond the longest message.")
    label: str = Field(description="The agent, desk, model or budget.")
    detail: str = Field(description="The code of the error, or what did not answer.")
    count: int
    first_at: datetime
    last_at: datetime
    tickets: list[str] = Field(description="Numbers of some of the tickets.")


class MessageView(BaseModel):
    """One message, with what is in it and how it went."""

    id: UUID
    recipient: str = Field(description="`mail:` and the address, or the chat and its channel.")
    pace: Pace
    state: MessageState
    lines: list[LineView]
    due_at: datetime = Field(description="When it leaves or is tried again; of one that is settled, when it was.")
    attempt: int
    why: str = Field(description="What keeps it, or why it failed.")
    created_at: datetime

"""Shapes of approvals: what is asked, what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.approvals.models import ApprovalState
from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import NOT_BLANK, InputModel, StorableText
from deskhand.tools.schemas import Approver
from deskhand.tools.values import Risk

MOST_AT_ONCE = 50

Digest = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", description="`digest` as it was shown: the answer holds for this call alone.")
]


class ApprovalQuery(BaseModel):
    """Which approvals to list."""

    model_config = ConfigDict(extra="forbid")

    state: list[ApprovalState] = Field(
        [ApprovalState.WAITING], description="Any of these states; those that wait, unless others are named."
    )
    execution_id: UUID | None = Field(None, description="Those of one run.")
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class DifferenceView(BaseModel):
    """One field that the call would change."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    before: str | list[str] | None = Field(description="Null where there is nothing yet, or the desk does not say.")
    after: str | list[str] | None


class AskedTicket(BaseModel):
    """The ticket that a call is bound to, as it was when the run asked."""

    id: str
    number: str | None
    subject: str | None
    url: str | None
    revision: str | None = Field(
        description="The desk's stamp. If the ticket has another one by then, nothing is written."
    )


class ApprovalView(BaseModel):
    """A call that waits, or waited, for a person."""

    id: UUID
    tenant_id: str
    state: ApprovalState
    execution_id: UUID
    agent_id: UUID
    agent_name: str
    agent_version: int
    tool_id: str
    operation: str
    arguments: dict[str, Any] = Field(description="Exactly what would be used.")
    digest: str = Field(description="Of the exact call; an answer must name it.")
    ticket: AskedTicket | None
    differences: list[DifferenceView] = Field(description="What would change, field by field.")
    risk: Risk
    reason: str | None = Field(description="Why, in the model's words.")
    approver: Approver = Field(description="The role that somebody needs to answer.")
    likeness: str = Field(
        description="Calls with the same do the same to different tickets; of low risk, they can be approved at once."
    )
    created_at: datetime
    expires_at: datetime
    answered_by: str | None
    answered_at: datetime | None
    answer: str | None = Field(description="The reason of whoever declined, or what became of it.")
    changed_by: str | None = Field(description="Who changed the arguments last.")
    changed_at: datetime | None

    @property
    def as_one(self) -> bool:
        """Whether equal ones can be approved at once."""
        return self.risk is Risk.LOW


class Approve(InputModel):
    """A yes to the call as it was shown."""

    digest: Digest


class Decline(InputModel):
    """A no to the call as it was shown; the model reads why."""

    digest: Digest
    reason: StorableText = Field(min_length=1, max_length=1000, pattern=r"\S", json_schema_extra=NOT_BLANK)


class Change(InputModel):
    """Other arguments for the same operation on the same ticket. Somebody has to approve them afterwards."""

    digest: Digest
    arguments: dict[str, Any] = Field(description="Whole, by the operation's schema, without `ticket_id`.")


class BatchItem(InputModel):
    """One call of a batch, as it was shown."""

    id: UUID
    digest: Digest


class Batch(InputModel):
    """Equal calls of low risk, each as it was shown."""

    items: list[BatchItem] = Field(min_length=1, max_length=MOST_AT_ONCE)


class LeftWaiting(BaseModel):
    """A call of a batch that was not approved."""

    id: UUID
    why: str


class BatchResult(BaseModel):
    """What a batch did: each call by itself."""

    approved: list[UUID]
    left: list[LeftWaiting]

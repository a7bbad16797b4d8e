"""Shapes of the webhook endpoint."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import StorableText


class Outcome(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    COALESCED = "coalesced"
    IGNORED = "ignored"
    REJECTED = "rejected"


class DeliveryAnswer(BaseModel):
    """Answer to a delivery; a redelivery gets the first answer again.

    Every answer a desk's retry could not improve is a 202, because vendors disable hooks on 4xx.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "accepted", "execution_id": "0198f2f0-5a0c-7b1e-9d3f-2a4b5c6d7e8f", "reason": None},
                {
                    "status": "ignored",
                    "execution_id": None,
                    "reason": "The agent is 'suspended', not 'active'.",
                },
            ]
        }
    )

    status: Outcome
    execution_id: UUID | None = Field(None, description="The run that will act on the event; look it up in the API.")
    reason: str | None = Field(None, description="Why the event was ignored, or which run it joined.")


class TenantHookAnswer(BaseModel):
    """Answer to a desk-wide delivery: one entry per subscribed agent."""

    deliveries: list[DeliveryAnswer]


class DeliveryFilters(BaseModel):
    """Which deliveries to list."""

    agent_id: UUID | None = Field(None, description="Those to one agent.")
    trigger_id: UUID | None = Field(None, description="Those to one trigger.")
    outcome: Outcome | None = Field(None, description="Those that ended so.")
    tool_type: StorableText | None = Field(
        None, max_length=50, description="Those of one desk; one that nobody could read is of each desk of its agent."
    )


class DeliveryQuery(DeliveryFilters):
    """The query of the list of deliveries."""

    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class DeliveryRecord(BaseModel):
    """One delivery to a known trigger: what came in and what became of it. The body is not kept here."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: UUID
    trigger_id: UUID
    received_at: datetime
    outcome: Outcome
    reason: str | None = Field(None, description="Why it was ignored or rejected, or which run it joined.")
    http_status: int = Field(
        description="What was answered for this agent; a desk-wide event is answered 202 if any agent took it."
    )
    scheme: str | None = Field(None, description="How the sender was proven; null where it was not.")
    delivery_id: str | None = Field(None, description="What names the event; the same for every redelivery.")
    event: str | None = None
    tool_type: str | None = None
    ticket_ref: str | None = None
    body_sha256: str | None = Field(None, description="Of the body, so that a sender can tell which it was.")
    body_bytes: int | None = None
    execution_id: UUID | None = Field(None, description="The run that acts on the event.")

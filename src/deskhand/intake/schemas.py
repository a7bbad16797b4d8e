"""Shapes of the webhook endpoint."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """What became of a delivery."""

    ACCEPTED = "accepted"
    COALESCED = "coalesced"
    IGNORED = "ignored"


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

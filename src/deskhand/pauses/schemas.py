"""Shapes of pauses over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from deskhand.kit.db.base import TENANT_ID_LENGTH
from deskhand.kit.schema import NOT_BLANK, InputModel, storable_text

PauseReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
    AfterValidator(storable_text),
    Field(description="Why, in words: everybody who meets the pause reads them.", json_schema_extra=NOT_BLANK),
]
Scope = Literal["everything", "tenant", "agent"]


class NewPause(InputModel):
    """What to pause: with a tenant's key an agent or else its tenant, with a platform key a tenant or else all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"reason": "The desk is being moved until 14:00."},
                {"agent_id": "7d0c8f0e-52b7-4a55-a3c0-4df5a6d0c9a1", "reason": "It asks too often."},
            ]
        }
    )

    reason: PauseReason
    agent_id: UUID | None = Field(None, description="The agent; left out, the tenant.")
    tenant_id: str | None = Field(
        None,
        min_length=1,
        max_length=TENANT_ID_LENGTH,
        pattern="^[a-z0-9][a-z0-9-]*$",
        description="For a platform key: the tenant; left out, everything.",
    )


class PauseView(BaseModel):
    """A pause that lasts."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    scope: Scope
    tenant_id: str | None = Field(description="Null where everything is paused.")
    agent_id: UUID | None = None
    agent_name: str | None = None
    by_platform: bool = Field(description="Begun by the platform, which alone may end it.")
    reason: str
    paused_by: str
    paused_at: datetime


__all__ = ["NewPause", "PauseReason", "PauseView", "Scope"]

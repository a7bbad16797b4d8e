"""What people send in to try an agent."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from deskhand.executions.decision_schemas import TicketRef, ToolType
from deskhand.kit.schema import InputModel


class TryRequest(InputModel):
    """What to try an agent on: a ticket, or an event as its webhook would get it, or neither for one that runs by the
    clock.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"properties": {name: {"type": "null"}}} for name in ("ticket_ref", "payload")],
        }
    )

    ticket_ref: TicketRef | None = Field(None, description="The ticket's id at its desk. The desk is asked for it.")
    tool_type: ToolType | None = Field(
        None, description="The desk. Default: the tenant's, if the agent has it, else the agent's first connected one."
    )
    payload: dict[str, Any] | None = Field(None, description="An event, as the agent's webhook would get it.")
    agent_version: int | None = Field(None, ge=1, le=2**31 - 1, description="Default: the version the agent is at.")

    @model_validator(mode="after")
    def _on_one_thing(self) -> TryRequest:
        if self.ticket_ref is not None and self.payload is not None:
            raise ValueError("give a ticket_ref or a payload, not both")
        return self

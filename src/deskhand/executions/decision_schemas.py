"""What people send in to have a run repeated, or to answer its question."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from deskhand.kit.schema import NOT_BLANK, InputModel

# The widths of the columns they are stored in.
_NOT_BLANK = Field(json_schema_extra=NOT_BLANK)
TicketRef = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _NOT_BLANK]
ToolType = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), _NOT_BLANK]
ReceiptId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), _NOT_BLANK]

Mode = Literal["live", "dry_run"]


class ReplayRequest(InputModel):
    """How to repeat a run."""

    agent_version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Default: the version that the original ran."
    )
    mode: Mode = Field("dry_run", description="In a dry run, writes are shown and nothing reaches the desk.")


class RetryWith(InputModel):
    """What to change about a failed run; whatever is left out or null stays as it was."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": kind}}}
                for name, kind in (("input", "object"), ("ticket_ref", "string"), ("tool_type", "string"))
            ]
        }
    )

    input: dict[str, Any] | None = Field(None, description="The event, as the trigger would have received it.")
    ticket_ref: TicketRef | None = Field(None, description="The ticket's id at its desk.")
    tool_type: ToolType | None = Field(None, description="The desk.")
    even_though_written: bool = Field(
        False, description="Go on although the failed run has written to the desk: it may be written twice."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> RetryWith:
        if self.input is None and self.ticket_ref is None and self.tool_type is None:
            raise ValueError("give at least one of input, ticket_ref and tool_type; to change nothing, use retry")
        return self


class DoubtAnswer(InputModel):
    """What a person saw on the ticket."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"properties": {"done": {"const": True}}}, {"properties": {"receipt_id": {"type": "null"}}}]
        }
    )

    step_key: str = Field(min_length=1, max_length=200, description="The step that is in doubt.")
    done: bool = Field(description="True: the write is on the ticket. False: it is not; a run that waits makes it now.")
    receipt_id: ReceiptId | None = Field(None, description="The desk's id of what was written, if you can see it.")

    @model_validator(mode="after")
    def _receipt_of_something(self) -> DoubtAnswer:
        if self.receipt_id is not None and not self.done:
            raise ValueError("a write that was not done has no receipt_id")
        return self

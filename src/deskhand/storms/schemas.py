"""A ticket as it is compared, and shapes of storms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One ticket, as far as it is compared with others.

    Attributes:
        number: What people call it.
        company: The desk's id of its company; empty where the desk is one company.
        requester: Names who filed it, as a digest; empty if nobody knows.
        execution_id: The run that sees it.
        reported_at: When it was filed.
        words: Digests of its words.
        vector: Of its words; None where there is no model.
        model: Who made the vector.
    """

    tool_type: str
    ticket_id: str
    number: str
    company: str
    company_name: str
    requester: str
    execution_id: UUID
    reported_at: datetime
    words: Sequence[str]
    vector: Sequence[float] | None
    model: str | None


class StormView(BaseModel):
    """An outage, as tickets of one company tell of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tool_type: str
    company: str = Field(description="The desk's id of the client company; empty where the desk is one company.")
    company_name: str
    first_ticket_id: str = Field(description="The desk's own id of the ticket that came first.")
    first_number: str = Field(description="What people call it.")
    tickets: int
    requesters: int
    usual: int = Field(description="How many such tickets came within as long on the second busiest of 28 days.")
    began_at: datetime
    last_at: datetime = Field(description="When the newest of its tickets was filed.")
    over_at: datetime = Field(description="When it is over, unless another ticket comes before; or was.")
    recognised_at: datetime
    execution_id: UUID = Field(description="The run that spoke of it last.")


class StormTicket(BaseModel):
    """A member, as far as it is kept."""

    model_config = ConfigDict(from_attributes=True)

    ticket_id: str
    number: str
    reported_at: datetime
    execution_id: UUID = Field(description="The run that saw it first.")


class StormDetail(StormView):
    """A storm with its tickets."""

    members: list[StormTicket] = Field(description="In the order in which they were filed, at most 500.")


class StormQuery(BaseModel):
    """One page of storms."""

    model_config = ConfigDict(extra="forbid")

    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None

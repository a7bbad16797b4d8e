"""The address of the list of executions: what the filter form sends, and the links that lead back to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, Field, field_validator

from deskhand.engine.status import ExecutionStatus
from deskhand.executions.schemas import ExecutionFilters
from deskhand.kit.schema import StorableText

PERIODS = {"1h": ("last hour", timedelta(hours=1)), "24h": ("last 24 hours", timedelta(days=1))} | {
    "7d": ("last 7 days", timedelta(days=7)),
    "30d": ("last 30 days", timedelta(days=30)),
}


class ListForm(BaseModel):
    """The list's address: what the filter form sends, every field possibly empty."""

    status: str = ""
    agent: UUID | None = None
    ticket: StorableText = Field("", max_length=100)
    period: str = ""
    error: StorableText = Field("", max_length=50, description="The code of what runs failed with.")
    cursor: str | None = Field(None, max_length=500)
    seen: str = Field("", max_length=64)
    retried: int | None = Field(None, ge=0, description="What a bulk retry did, to be told once.")
    left: int = Field(0, ge=0, description="How many it left as they were.")
    dismissed: int | None = Field(None, ge=0, description="What a bulk dismissal did.")

    @field_validator("agent", "cursor", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    def filters(self, now: datetime) -> ExecutionFilters:
        """What to ask for; a state or period nobody knows counts as not given."""
        period = PERIODS.get(self.period)
        return ExecutionFilters(
            status=[ExecutionStatus(self.status)] if self.status in set(ExecutionStatus) else [],
            needs_attention=self.status == "attention",
            agent_id=self.agent,
            ticket_ref=self.ticket.strip() or None,
            since=now - period[1] if period else None,
            error_code=self.error or None,
        )

    def address(self, **changes: str | None) -> str:
        """This list with some fields changed, starting on its first page."""
        values: dict[str, Any] = {
            "status": self.status,
            "agent": self.agent,
            "ticket": self.ticket,
            "period": self.period,
            "error": self.error,
            **changes,
        }
        return with_query("/executions", values)

    def bulk_address(self, verb: str) -> str:
        """Where everything that this list shows is retried or dismissed, after a question."""
        narrowed = {"agent": self.agent, "ticket": self.ticket, "period": self.period, "error": self.error}
        values = {"verb": verb, **narrowed}
        return with_query("/executions/bulk", values)


def with_query(path: str, values: Mapping[str, Any]) -> str:
    """An address with those of the values that are not empty."""
    query = urlencode({key: value for key, value in values.items() if value not in (None, "")})
    return f"{path}?{query}" if query else path

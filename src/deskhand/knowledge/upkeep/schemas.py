"""Shapes of jobs as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import InputModel, Instant, StorableText
from deskhand.knowledge.upkeep.models import JobKind, JobState


class JobQuery(BaseModel):
    """One page of the jobs that match."""

    model_config = ConfigDict(extra="forbid")

    kind: JobKind | None = Field(None, description="Only jobs of this kind.")
    state: JobState | None = Field(None, description="Only jobs in this state.")
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None


class JobStart(InputModel):
    """What somebody asks a worker to do."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "history", "tool_type": "jira", "since": "2025-01-01T00:00:00Z"}]}
    )

    # The one kind that is missing follows from the tenant's rules, and is nobody's to start.
    kind: Literal["history", "reconcile", "embeddings"] = Field(
        "history",
        description="`history` imports what a desk has solved, `reconcile` what changed since and what was deleted, "
        "`embeddings` makes the vectors anew that another model made.",
    )
    tool_type: Annotated[StorableText, Field(min_length=1, max_length=50)] | None = Field(
        None, description="Which desk; left out, the tenant's own. Not for `embeddings`."
    )
    since: Instant | None = Field(
        None,
        description="Where to begin on the desk's clock; left out, where the last import ended, else at its start.",
    )


class JobView(BaseModel):
    """A job with its progress."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0198f2f0-5a0c-7b1e-9d3f-2a4b5c6d7e8f",
                    "kind": "history",
                    "tool_type": "jira",
                    "state": "done",
                    "seen": 1840,
                    "total": None,
                    "created": 1838,
                    "updated": 0,
                    "unchanged": 0,
                    "failed": 2,
                    "removed": 0,
                    "problems": [{"where": "ticket HELP-7", "field": "subject", "detail": "is too long"}],
                    "error": None,
                    "finding": "Of your last 200 tickets I would have found a solution for 121.",
                    "judged": 200,
                    "answerable": 121,
                    "since": "1970-01-01T00:00:00Z",
                    "asked_by": "upkeep",
                    "not_before": "2026-11-28T23:10:00Z",
                    "created_at": "2026-11-28T23:10:00Z",
                    "ended_at": "2026-11-28T23:19:30Z",
                }
            ]
        },
    )

    id: UUID
    kind: JobKind
    tool_type: str | None = Field(description="The desk; null for vectors.")
    state: JobState
    seen: int = Field(description="Tickets that the desk listed so far, or rows whose vector was made.")
    total: int | None = Field(description="Of how many; null where no desk says so.")
    created: int
    updated: int
    unchanged: int
    failed: int = Field(description="Tickets that could not be read or kept; each is one bad ticket.")
    removed: int = Field(description="Tickets that left the history: deleted at the desk, or open again.")
    problems: list[dict[str, Any]] = Field(description="The first hundred that failed, and why.")
    error: str | None = Field(description="Why it waits or failed, and what becomes of it.")
    finding: str | None = Field(description="What the import would have been good for; null before it has ended.")
    judged: int | None = Field(description="Solved tickets that were asked about, at most 200.")
    answerable: int | None = Field(description="For how many a solution was known before they were filed.")
    since: datetime | None
    asked_by: str
    not_before: datetime = Field(description="When it may go on; a desk's rate limit moves it.")
    created_at: datetime
    ended_at: datetime | None

"""Tables of what keeps knowledge fresh: jobs that go on after a crash, and tickets to look at again."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Integer, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where a desk's history begins, whichever clock lists it."""
_ZERO = text("0")


class JobKind(StrEnum):
    """What a job does."""

    HISTORY = "history"
    RECONCILE = "reconcile"
    EMBEDDINGS = "embeddings"
    EXCLUSIONS = "exclusions"


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


OPEN_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)


class KnowledgeJob(TenantModel, Base):
    """One import of a desk's history, one look at what changed since, the making of new vectors, or the taking out of
    what a tenant's boundaries keep out.

    What is done is stored with the place where it goes on, in one transaction, fenced by ``attempt``: a worker that
    lost the job changes nothing any more. ``lease_until`` is until when nobody else may take it; ``not_before`` is when
    it may go on, which a desk's rate limit moves.

    Attributes:
        seen: What the desk listed so far.
        total: Of how many, where that is known.
        judged: Solved tickets that were asked about after an import.
        answerable: For how many of them a solution was there before they were filed.
    """

    __tablename__ = "knowledge_jobs"
    __table_args__ = (
        CheckConstraint("kind IN ('history', 'reconcile', 'embeddings', 'exclusions')", name="kind"),
        CheckConstraint("state IN ('queued', 'running', 'paused', 'done', 'failed')", name="state"),
        CheckConstraint("(kind IN ('embeddings', 'exclusions')) = (tool_type IS NULL)", name="tool_type"),
        Index("idx_knowledge_jobs_tenant_id_created_at_id", "tenant_id", "created_at", "id"),
        Index(
            "uq_knowledge_jobs_open",
            "tenant_id",
            "kind",
            text("coalesce(tool_type, '')"),
            unique=True,
            postgresql_where=text("state IN ('queued', 'running', 'paused')"),
        ),
        Index("idx_knowledge_jobs_not_before", "not_before", postgresql_where=text("state IN ('queued', 'running')")),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    tool_type: Mapped[str | None] = mapped_column(String(50))
    state: Mapped[str] = mapped_column(String(10), server_default=text("'queued'"))
    since: Mapped[Timestamp | None]
    cursor: Mapped[str | None] = mapped_column(Text)
    seen: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    created: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    updated: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    unchanged: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    failed: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    removed: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    total: Mapped[int | None] = mapped_column(Integer)
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    error: Mapped[str | None] = mapped_column(Text)
    judged: Mapped[int | None] = mapped_column(Integer)
    answerable: Mapped[int | None] = mapped_column(Integer)
    asked_by: Mapped[str] = mapped_column(String(255), server_default=text("'system'"))
    attempt: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    tries: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    not_before: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    lease_until: Mapped[Timestamp | None]
    stepped_at: Mapped[Timestamp | None]
    ended_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<KnowledgeJob(tenant_id={self.tenant_id}, kind={self.kind}, state={self.state})>"


class HistoryRefresh(TenantModel, Base):
    """A ticket whose place in the history is to be looked at, because its desk reported that it ended or changed.

    ``asks`` counts the reports: a look that another report came after is made once more.
    """

    __tablename__ = "history_refreshes"
    __table_args__ = (Index("idx_history_refreshes_due_at", "due_at"),)

    tenant_id: Mapped[str] = mapped_column(
        String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"), primary_key=True
    )
    tool_type: Mapped[str] = mapped_column(String(50), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    asks: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    tries: Mapped[int] = mapped_column(Integer, server_default=_ZERO)
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    error: Mapped[str | None] = mapped_column(Text)


__all__ = ["EPOCH", "OPEN_STATES", "HistoryRefresh", "JobKind", "JobState", "KnowledgeJob"]

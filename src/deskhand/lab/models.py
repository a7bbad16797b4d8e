"""Tables of the replay lab: its runs, the tickets of each, and tickets that people kept as test cases."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, JsonDict, TenantModel, Timestamp, UuidPk

OptionalJson = Mapped[dict[str, Any] | None]


class LabState(StrEnum):
    """Where a run of the lab is; ``stopped`` is one that ended before its last ticket, and says why."""

    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    CANCELLED = "cancelled"


class CaseState(StrEnum):
    """Where one ticket of it is; ``left_out`` is one that could not be set beside anything, and says why."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPARED = "compared"
    LEFT_OUT = "left_out"


class LabRun(TenantModel, Base):
    """One version of an agent, tried on many closed tickets. Its tickets are ordinary executions in mode ``dry_run``;
    what is kept here is which of them are due, and what came of those that ended.
    """

    __tablename__ = "lab_runs"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'completed', 'stopped', 'cancelled')", name="state"),
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_lab_runs_agent_id",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "agent_version_id"],
            ["agent_versions.tenant_id", "agent_versions.id"],
            ondelete="CASCADE",
            name="fk_lab_runs_agent_version_id",
        ),
        UniqueConstraint("tenant_id", "id", name="uq_lab_runs_tenant_id_id"),
        Index("idx_lab_runs_agent", "tenant_id", "agent_id", "created_at", "id"),
        Index("idx_lab_runs_running", "tenant_id", postgresql_where=text("state = 'running'")),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    agent_id: Mapped[UUID]
    agent_version_id: Mapped[UUID]
    version_number: Mapped[int] = mapped_column(Integer)
    tool_type: Mapped[str] = mapped_column(String(50))
    state: Mapped[str] = mapped_column(String(10), server_default=text("'running'"))
    parallel: Mapped[int] = mapped_column(Integer)
    max_cost_usd: Mapped[Decimal] = mapped_column(Numeric(11, 4))
    why: Mapped[str | None] = mapped_column(Text)
    comparison: OptionalJson = mapped_column(JSONB(none_as_null=True))
    started_by: Mapped[str] = mapped_column(String(255))
    stepped_at: Mapped[Timestamp | None]
    ended_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<LabRun(id={self.id}, agent_id={self.agent_id}, state={self.state})>"


class TestCase(TenantModel, Base):
    """A ticket as a run read it, kept with what is expected of an agent; the lab runs it again."""

    __test__ = False  # its name is a person's word, and pytest collects by that
    __tablename__ = "test_cases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_test_cases_agent_id",
        ),
        UniqueConstraint("tenant_id", "id", name="uq_test_cases_tenant_id_id"),
        Index("idx_test_cases_agent", "tenant_id", "agent_id", "created_at", "id"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    agent_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(200))
    tool_type: Mapped[str] = mapped_column(String(50))
    ticket_ref: Mapped[str] = mapped_column(String(100))
    number: Mapped[str] = mapped_column(String(100))
    ticket: Mapped[JsonDict]
    as_of: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expected: Mapped[JsonDict]
    created_by: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<TestCase(id={self.id}, agent_id={self.agent_id})>"


class LabCase(TenantModel, Base):
    """One ticket of a run of the lab.

    Attributes:
        execution_id: The dry run; its row may be pruned, what came of it stays.
        test_case_id: The kept ticket that it is; none for one that is rebuilt from its desk's history.
        truth: What people did, or what a test case expects.
        outcome: What the agent said, and per field whether that is the same.
    """

    __tablename__ = "lab_cases"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'running', 'compared', 'left_out')", name="state"),
        ForeignKeyConstraint(
            ["tenant_id", "lab_run_id"],
            ["lab_runs.tenant_id", "lab_runs.id"],
            ondelete="CASCADE",
            name="fk_lab_cases_lab_run_id",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["agent_executions.tenant_id", "agent_executions.id"],
            ondelete="SET NULL (execution_id)",
            name="fk_lab_cases_execution_id",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "test_case_id"],
            ["test_cases.tenant_id", "test_cases.id"],
            ondelete="SET NULL (test_case_id)",
            name="fk_lab_cases_test_case_id",
        ),
        UniqueConstraint("tenant_id", "lab_run_id", "place", name="uq_lab_cases_place"),
        Index("idx_lab_cases_execution_id", "execution_id"),
        Index("idx_lab_cases_test_case_id", "test_case_id", postgresql_where=text("test_case_id IS NOT NULL")),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100))
    lab_run_id: Mapped[UUID]
    place: Mapped[int] = mapped_column(Integer)
    ticket_ref: Mapped[str] = mapped_column(String(100))
    number: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str | None] = mapped_column(Text)
    test_case_id: Mapped[UUID | None]
    execution_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(String(10), server_default=text("'waiting'"))
    why: Mapped[str | None] = mapped_column(Text)
    as_of: Mapped[Timestamp | None]
    truth: OptionalJson = mapped_column(JSONB(none_as_null=True))
    outcome: OptionalJson = mapped_column(JSONB(none_as_null=True))
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))
    took_ms: Mapped[int | None] = mapped_column(Integer)
    is_wrong: Mapped[bool] = mapped_column(server_default=text("false"))

    def __repr__(self) -> str:
        return f"<LabCase(id={self.id}, ticket_ref={self.ticket_ref}, state={self.state})>"


__all__ = ["CaseState", "LabCase", "LabRun", "LabState", "TestCase"]

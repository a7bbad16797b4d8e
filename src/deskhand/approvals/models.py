"""The table of calls that a person is asked about."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    desc,
    func,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, TenantModel, Timestamp, UuidPk


class ApprovalState(StrEnum):
    """Where a call stands; the database holds the same list (``ck_approvals_state``).

    - ``waiting``: for an answer.
    - ``approved``: the run makes the write, if the ticket is still as it was shown.
    - ``declined``: the model got the reason.
    - ``expired``: nobody answered in time.
    - ``void``: approved, and the ticket had changed before the write; nothing was written.
    """

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    VOID = "void"


_STATES = ", ".join(f"'{state}'" for state in ApprovalState)


class Approval(TenantModel, Base):
    """One call that waits, or waited, for a person: what exactly, on which state of which ticket, until when.

    ``step_key`` names the write in the run's journal. ``ticket`` is what the ticket said when the run asked, from which
    the differences are shown, and ``revision`` the stamp that the desk gave it: an approval holds for that one alone.
    ``digest`` is of the exact call, and an answer must name it. Calls with one ``likeness`` do the same to different
    tickets, asked for by one version of one agent.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("tenant_id", "execution_id", "step_key", name="uq_approvals_execution_id_step_key"),
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["agent_executions.tenant_id", "agent_executions.id"],
            ondelete="CASCADE",
            name="fk_approvals_execution_id",
        ),
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("risk IN ('low', 'medium', 'high')", name="risk"),
        CheckConstraint("approver IN ('operator', 'tenant_admin')", name="approver"),
        Index("idx_approvals_tenant_state", "tenant_id", "state", desc("created_at")),
    )

    id: Mapped[UuidPk]
    execution_id: Mapped[UUID]
    step_key: Mapped[str] = mapped_column(String(200))
    tool_id: Mapped[str] = mapped_column(String(100))
    operation: Mapped[str] = mapped_column(String(100))
    ticket_id: Mapped[str | None] = mapped_column(String(100))
    ticket: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    revision: Mapped[str | None] = mapped_column(String(200))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    digest: Mapped[str] = mapped_column(String(64))
    likeness: Mapped[str] = mapped_column(String(64))
    risk: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(Text)
    approver: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10), server_default=sql("'waiting'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
    expires_at: Mapped[Timestamp]
    answered_by: Mapped[str | None] = mapped_column(String(255))
    answered_at: Mapped[Timestamp | None]
    answer: Mapped[str | None] = mapped_column(Text)
    changed_by: Mapped[str | None] = mapped_column(String(255))
    changed_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<Approval(id={self.id}, operation={self.operation}, state={self.state})>"

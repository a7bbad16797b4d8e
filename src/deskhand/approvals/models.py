"""The table of calls that a person is asked about."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
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


class NoticeState(StrEnum):
    """Where a notice stands; the database holds the same list (``ck_approval_notices_state``).

    - ``begun``: a worker has taken it; nothing has left.
    - ``handed``: it is leaving at this moment.
    - ``sent``: the other side has taken it.
    - ``doubt``: it was leaving when its worker died, or the connection broke; it is never sent a second time.
    - ``failed``: the other side certainly has not taken it; it is tried again later.
    """

    BEGUN = "begun"
    HANDED = "handed"
    SENT = "sent"
    DOUBT = "doubt"
    FAILED = "failed"


class Approval(TenantModel, Base):
    """One call that waits, or waited, for a person: what exactly, on which state of which ticket, until when.

    ``step_key`` names the write in the run's journal. ``ticket`` is what the ticket said when the run asked, from which
    the differences are shown, and ``revision`` the stamp that the desk gave it: an approval holds for that one alone.
    ``digest`` is of the exact call, and an answer must name it. Calls with one ``likeness`` do the same to different
    tickets, asked for by one version of one agent. From ``notify_at`` on somebody is to be told of it; none: nobody.
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
        UniqueConstraint("tenant_id", "id", name="uq_approvals_tenant_id_id"),
        Index("idx_approvals_notify_at", "notify_at", postgresql_where=sql("notify_at IS NOT NULL")),
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
    notify_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<Approval(id={self.id}, operation={self.operation}, state={self.state})>"


_NOTICE_STATES = ", ".join(f"'{state}'" for state in NoticeState)


class ApprovalNotice(TenantModel, Base):
    """That one call was told to one recipient; rows of one ``message_id`` went out as one message.

    ``recipient`` is ``mail:`` and an address, or a chat and its channel. A mail's link is its person's (``user_id``);
    of its secret the hash alone is stored, and it holds for the call with this ``digest``.
    """

    __tablename__ = "approval_notices"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "approval_id", "recipient", name="approval_notices_pkey"),
        ForeignKeyConstraint(
            ["tenant_id", "approval_id"],
            ["approvals.tenant_id", "approvals.id"],
            ondelete="CASCADE",
            name="fk_approval_notices_approval_id",
        ),
        CheckConstraint(f"state IN ({_NOTICE_STATES})", name="state"),
        Index("idx_approval_notices_recipient", "tenant_id", "recipient", "changed_at"),
        Index("idx_approval_notices_message_id", "tenant_id", "message_id"),
        Index("uq_approval_notices_secret_hash", "secret_hash", unique=True),
        Index("idx_approval_notices_user_id", "user_id"),
    )

    approval_id: Mapped[UUID]
    recipient: Mapped[str] = mapped_column(String(300))
    message_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(String(10))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    digest: Mapped[str | None] = mapped_column(String(64))

    def __repr__(self) -> str:
        return f"<ApprovalNotice(approval_id={self.approval_id}, recipient={self.recipient}, state={self.state})>"

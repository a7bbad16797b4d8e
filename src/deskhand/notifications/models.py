"""Tables of what people are told: facts, the messages they are gathered in, and what each person wants."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UuidPk


class Kind(StrEnum):
    """What a fact is about; the database holds the same list (``ck_notification_facts_kind``)."""

    FAILURE = "failure"
    DOUBT = "doubt"
    APPROVAL = "approval"
    BUDGET_WARNING = "budget_warning"
    BUDGET_STOP = "budget_stop"
    CONNECTION = "connection"
    SCHEDULE = "schedule"
    AUDIT = "audit"
    STORM = "storm"
    PUBLISHED = "published"


class Pace(StrEnum):
    """How soon a person is told; the database holds the same list (``ck_notification_choices_pace``)."""

    NOW = "now"
    DIGEST = "digest"
    OFF = "off"


class MessageState(StrEnum):
    """Where a message stands; the database holds the same list (``ck_notifications_state``).

    - ``open``: facts are gathered in it until it is due.
    - ``ready``: nothing is added any more; it leaves, or is tried again, once it is due.
    - ``handed``: it is leaving at this moment.
    - ``sent``: the other side has taken it.
    - ``doubt``: it was leaving when its worker died, or the connection broke; it is never sent a second time.
    - ``failed``: the other side certainly has not taken it, and it is tried no more unless a person asks.
    """

    OPEN = "open"
    READY = "ready"
    HANDED = "handed"
    SENT = "sent"
    DOUBT = "doubt"
    FAILED = "failed"


def _listed(values: type[StrEnum]) -> str:
    return ", ".join(f"'{value}'" for value in values)


class NotificationFact(TenantModel, Base):
    """Something that happened and that people may be told of, once: written in the transaction in which it happened.

    ``fact_key`` is what happened, so that it is noted once. Facts with one ``cause`` are told as one, with their
    number. ``subject_id`` is what the console shows about it (a run, a budget, an agent's schedule, an approval). From
    ``look_at`` on somebody has to see to it; none: it was gathered, or concerns nobody.
    """

    __tablename__ = "notification_facts"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "fact_key", name="notification_facts_pkey"),
        CheckConstraint(f"kind IN ({_listed(Kind)})", name="kind"),
        Index("idx_notification_facts_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("idx_notification_facts_happened_at", "tenant_id", "happened_at"),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    fact_key: Mapped[str] = mapped_column(String(250))
    kind: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(250))
    subject_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    ticket: Mapped[str | None] = mapped_column(String(200))
    happened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
    look_at: Mapped[Timestamp | None] = mapped_column(server_default=func.clock_timestamp())

    def __repr__(self) -> str:
        return f"<NotificationFact(kind={self.kind}, fact_key={self.fact_key})>"


class Notification(TenantModel, Base):
    """One message to one recipient: what is gathered for it, or was sent.

    ``recipient`` is ``mail:`` and an address, or a chat and its channel. ``items`` are the causes, each with its
    number. ``due_at`` is when it leaves, or, while a worker has it, when that one counts as dead; ``attempt`` is the
    fence.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(MessageState)})", name="state"),
        CheckConstraint("pace IN ('now', 'digest')", name="pace"),
        Index(
            "uq_notifications_open",
            "tenant_id",
            "recipient",
            "pace",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("idx_notifications_created_at", "tenant_id", desc("created_at"), desc("id")),
        Index("idx_notifications_recipient", "tenant_id", "recipient", "closed_at"),
        Index("idx_notifications_due_at", "due_at", postgresql_where=text("state IN ('open', 'ready', 'handed')")),
        Index("idx_notifications_user_id", "user_id"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    recipient: Mapped[str] = mapped_column(String(300))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    pace: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), server_default=text("'open'"))
    items: Mapped[dict[str, Any]] = mapped_column(JSONB)
    due_at: Mapped[Timestamp]
    attempt: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    why: Mapped[str] = mapped_column(String(500), server_default=text("''"))
    created_at: Mapped[CreatedAt]
    closed_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<Notification(id={self.id}, recipient={self.recipient}, state={self.state})>"


class NotificationChoice(TenantModel, Base):
    """How soon one member wants to be told of one kind; without a row the tenant's usual pace counts."""

    __tablename__ = "notification_choices"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "user_id", "kind", name="notification_choices_pkey"),
        CheckConstraint(f"kind IN ({_listed(Kind)})", name="kind"),
        CheckConstraint(f"pace IN ({_listed(Pace)})", name="pace"),
        Index("idx_notification_choices_user_id", "user_id"),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    pace: Mapped[str] = mapped_column(String(10))

    def __repr__(self) -> str:
        return f"<NotificationChoice(user_id={self.user_id}, kind={self.kind}, pace={self.pace})>"

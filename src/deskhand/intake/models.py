"""The table of what comes in: webhook deliveries, accepted or not."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, TenantModel, UuidPk


class WebhookDelivery(TenantModel, Base):
    """One HTTP delivery, accepted or not, with the reason. A redelivery finds this row and gets the first answer.

    ``facts`` is what the event said that a filter may ask of it, so that a filter can be tried on what came in.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("outcome IN ('accepted', 'coalesced', 'ignored', 'rejected')", name="outcome"),
        ForeignKeyConstraint(
            ["tenant_id", "trigger_id"],
            ["agent_triggers.tenant_id", "agent_triggers.id"],
            ondelete="CASCADE",
            name="fk_webhook_deliveries_trigger_id",
        ),
        Index(
            "uq_webhook_deliveries_trigger_delivery",
            "trigger_id",
            "delivery_id",
            unique=True,
            postgresql_where=text("outcome <> 'rejected'"),
        ),
        Index("idx_webhook_deliveries_tenant_received_at", "tenant_id", desc("received_at")),
        Index("idx_webhook_deliveries_execution_id", "execution_id"),
        Index("idx_webhook_deliveries_received_at", "received_at", postgresql_using="brin"),
    )

    id: Mapped[UuidPk]
    trigger_id: Mapped[UUID]
    delivery_id: Mapped[str | None] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)
    http_status: Mapped[int] = mapped_column(Integer)
    scheme: Mapped[str | None] = mapped_column(String(50))
    event: Mapped[str | None] = mapped_column(String(100))
    tool_type: Mapped[str | None] = mapped_column(String(50))
    ticket_ref: Mapped[str | None] = mapped_column(String(100))
    body_sha256: Mapped[str | None] = mapped_column(String(64))
    body_bytes: Mapped[int | None] = mapped_column(Integer)
    execution_id: Mapped[UUID | None]
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def __repr__(self) -> str:
        return f"<WebhookDelivery(id={self.id}, outcome={self.outcome})>"

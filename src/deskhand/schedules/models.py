"""The table of the instants that schedules fired at."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    String,
    desc,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, TenantModel, Timestamp


class ScheduleFire(TenantModel, Base):
    """One instant of one schedule. Unique, so any number of schedulers fire it once."""

    __tablename__ = "schedule_fires"
    __table_args__ = (
        PrimaryKeyConstraint("trigger_id", "fire_at", name="schedule_fires_pkey"),
        CheckConstraint("outcome IN ('fired', 'skipped')", name="outcome"),
        ForeignKeyConstraint(
            ["tenant_id", "trigger_id"],
            ["agent_triggers.tenant_id", "agent_triggers.id"],
            ondelete="CASCADE",
            name="fk_schedule_fires_trigger_id",
        ),
        Index("idx_schedule_fires_tenant_fire_at", "tenant_id", desc("fire_at")),
        Index("idx_schedule_fires_fire_at", "fire_at", postgresql_using="brin"),
    )

    trigger_id: Mapped[UUID]
    fire_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str] = mapped_column(String(20), server_default=text("'fired'"))
    execution_id: Mapped[UUID | None]
    fired_at: Mapped[Timestamp] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def __repr__(self) -> str:
        return f"<ScheduleFire(trigger_id={self.trigger_id}, fire_at={self.fire_at})>"

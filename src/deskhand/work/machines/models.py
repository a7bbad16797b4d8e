"""The table of conditions that monitoring reports."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Integer, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, TenantModel


class AlertCondition(TenantModel, Base):
    """A condition on a device, as one agent has met it: which run spoke of it, and when it was reported last."""

    __tablename__ = "alert_conditions"

    tenant_id: Mapped[str] = mapped_column(
        String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"), primary_key=True
    )
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    tool_type: Mapped[str] = mapped_column(String(50), primary_key=True)
    condition: Mapped[str] = mapped_column(String(64), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(String(100))
    execution_id: Mapped[UUID]
    is_open: Mapped[bool] = mapped_column(server_default=text("true"))
    alerts: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def __repr__(self) -> str:
        return f"<AlertCondition(tool_type={self.tool_type}, condition={self.condition}, is_open={self.is_open})>"

"""Tables of pauses: of an agent or a tenant, and of everything."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, TenantModel, UuidPk


class Pause(TenantModel, Base):
    """An agent, or with none its whole tenant, starts no run as long as the row is there.

    The platform's pause of a tenant is a row of its own, so that the tenant's ending of theirs leaves it standing.
    """

    __tablename__ = "pauses"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"], ondelete="CASCADE", name="fk_pauses_agent_id"
        ),
        UniqueConstraint(
            "tenant_id", "agent_id", "by_platform", name="uq_pauses_of", postgresql_nulls_not_distinct=True
        ),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None]
    by_platform: Mapped[bool] = mapped_column(server_default=text("false"))
    reason: Mapped[str] = mapped_column(String(300))
    paused_by: Mapped[str] = mapped_column(String(255))
    paused_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def __repr__(self) -> str:
        return f"<Pause(id={self.id}, agent_id={self.agent_id}, by_platform={self.by_platform})>"


class InstallationPause(Base):
    """Nothing starts for any tenant as long as the one row is there. A table of its own, without a tenant: every
    tenant's session must see it, and a row without a tenant in a table of tenants is seen by none.
    """

    __tablename__ = "installation_pause"
    __table_args__ = (CheckConstraint("only_one", name="only_one"),)

    only_one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    id: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    reason: Mapped[str] = mapped_column(String(300))
    paused_by: Mapped[str] = mapped_column(String(255))
    paused_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    def __repr__(self) -> str:
        return f"<InstallationPause(id={self.id}, paused_at={self.paused_at})>"


__all__ = ["InstallationPause", "Pause"]

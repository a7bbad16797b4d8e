"""Tables of storms, and of the tickets among which they are recognised."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    desc,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, REAL
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, TenantModel, UuidPk


class TicketStorm(TenantModel, Base):
    """One outage, as tickets of one company tell of it.

    ``company`` is the desk's id of it, or empty where the desk is one company. ``execution_id`` is the run whose it is
    to speak of the storm, ``told`` how many tickets it says. ``over_at`` is when the storm is over, unless a ticket
    comes before: so its end is on record without anybody having to write it down. ``usual`` is how many such tickets
    came within as long on the second busiest day before it.
    """

    __tablename__ = "ticket_storms"
    __table_args__ = (
        # A ticket is the first of one storm: of two workers that recognise the same, one makes it.
        UniqueConstraint("tenant_id", "tool_type", "first_ticket_id", name="uq_ticket_storms_first"),
        Index("idx_ticket_storms_over_at", "tenant_id", "tool_type", "company", "over_at"),
        Index("idx_ticket_storms_recognised_at", "tenant_id", desc("recognised_at"), desc("id")),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    tool_type: Mapped[str] = mapped_column(String(50))
    company: Mapped[str] = mapped_column(String(255), server_default=text("''"))
    company_name: Mapped[str] = mapped_column(String(255), server_default=text("''"))
    first_ticket_id: Mapped[str] = mapped_column(String(100))
    first_number: Mapped[str] = mapped_column(String(100))
    execution_id: Mapped[UUID]
    told: Mapped[int] = mapped_column(Integer)
    tickets: Mapped[int] = mapped_column(Integer)
    requesters: Mapped[int] = mapped_column(Integer)
    usual: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    began_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    over_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    recognised_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())

    def __repr__(self) -> str:
        return f"<TicketStorm(id={self.id}, tool_type={self.tool_type}, tickets={self.tickets})>"


class StormReport(TenantModel, Base):
    """A ticket that was seen, as far as it has to be known to compare others with it.

    None of its words is kept, nor who filed it: ``words`` and ``requester`` are digests. ``execution_id`` is the run
    that saw it first.
    """

    __tablename__ = "storm_reports"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "tool_type", "ticket_id", name="storm_reports_pkey"),
        Index("idx_storm_reports_reported_at", "tenant_id", "tool_type", "company", "reported_at"),
        Index("idx_storm_reports_storm_id", "storm_id", "reported_at"),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    tool_type: Mapped[str] = mapped_column(String(50))
    ticket_id: Mapped[str] = mapped_column(String(100))
    number: Mapped[str] = mapped_column(String(100))
    company: Mapped[str] = mapped_column(String(255), server_default=text("''"))
    requester: Mapped[str] = mapped_column(String(32), server_default=text("''"))
    execution_id: Mapped[UUID]
    reported_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    words: Mapped[list[str]] = mapped_column(ARRAY(Text))
    embedding: Mapped[list[float] | None] = mapped_column(ARRAY(REAL))
    embedding_model: Mapped[str | None] = mapped_column(String(100))
    storm_id: Mapped[UUID | None] = mapped_column(ForeignKey("ticket_storms.id", ondelete="CASCADE"))

    def __repr__(self) -> str:
        return f"<StormReport(tool_type={self.tool_type}, ticket_id={self.ticket_id}, storm_id={self.storm_id})>"


__all__ = ["StormReport", "TicketStorm"]

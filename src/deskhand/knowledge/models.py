"""Tables of what an agent may look up: past tickets, articles, systems, and what people thought of its notes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, REAL, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CompanyModel, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk

EMBEDDING_DIMENSIONS = 384


class TicketHistory(CompanyModel, Base):
    """A resolved ticket, imported for search. One row per tenant, desk and ticket; an import upserts.

    ``ticket_id`` is the number people know. ``desk_id`` is the desk's internal id where that is another one, so that
    a ticket is the same whichever of the two an export or an event names. ``listed_at`` is the ticket's place in the
    desk's own listing of its history: the newest one is where the next import from the desk goes on. ``opened_at`` is
    when it was filed, ``checked_at`` when its desk was last asked whether it is still there. ``touched_at`` is when a
    technician first said something on it and ``reopened`` whether it was opened again after its solution, as its desk
    told when it was looked at after that.
    ``source`` says where the text came from (``import``, ``desk``, ``synthetic``), and it is shown with
    every search result. ``embedding`` is a plain ``real[]`` of unit length, so the same schema works on a server
    without pgvector; where pgvector exists, queries cast it and an expression index serves large tenants.
    """

    __tablename__ = "ticket_history"
    __table_args__ = (
        UniqueConstraint("tenant_id", "tool_type", "ticket_id", name="uq_ticket_history_tenant_id_tool_type_ticket_id"),
        Index("ix_ticket_history_tenant_id_resolved_date", "tenant_id", "resolved_date"),
        Index(
            # Only where there is one: files name the number alone, and two rows without an internal id are not the same
            # ticket.
            "uq_ticket_history_desk_id",
            "tenant_id",
            "tool_type",
            "desk_id",
            unique=True,
            postgresql_where=text("desk_id IS NOT NULL"),
        ),
        Index("idx_ticket_history_search", "search", postgresql_using="gin"),
        Index(
            # By parts of words, for what people mistype and for host names that the word index does not cut.
            "idx_ticket_history_subject_trgm",
            "subject",
            postgresql_using="gin",
            postgresql_ops={"subject": "gin_trgm_ops"},
        ),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"))
    tool_type: Mapped[str] = mapped_column(String(50), server_default=text("'servicedesk_plus'"))
    ticket_id: Mapped[str] = mapped_column(String(100))
    desk_id: Mapped[str | None] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(Text, server_default=text("''"))
    description: Mapped[str] = mapped_column(Text)
    resolution: Mapped[str | None] = mapped_column(Text)
    category: Mapped[str | None] = mapped_column(String(100))
    priority: Mapped[str | None] = mapped_column(String(50))
    url: Mapped[str | None] = mapped_column(String(500))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    resolved_date: Mapped[Timestamp | None]
    listed_at: Mapped[Timestamp | None]
    opened_at: Mapped[Timestamp | None]
    checked_at: Mapped[Timestamp | None]
    touched_at: Mapped[Timestamp | None]
    reopened: Mapped[bool | None]
    source: Mapped[str] = mapped_column(String(50), server_default=text("'import'"))
    ingested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    embedding: Mapped[list[float] | None] = mapped_column(ARRAY(REAL))
    embedding_model: Mapped[str | None] = mapped_column(String(100))
    search: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(
            # A subject says what a ticket is about in a line, and a description has a whole signature in it; so they do
            # not weigh the same.
            "setweight(to_tsvector('english', subject), 'A') || setweight(to_tsvector('english', description), 'B')"
            " || setweight(to_tsvector('english', coalesce(resolution, '')), 'C')",
            persisted=True,
        ),
        # Longer than the text itself, and nobody but the index reads it.
        deferred=True,
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<TicketHistory(tenant_id={self.tenant_id}, ticket_id={self.ticket_id})>"


class KnowledgeArticle(CompanyModel, Base):
    """A procedure or article a technician would follow; ``body`` is Markdown.

    ``audience`` says whom it is for (``audience.py``); one for a few groups alone is found by nobody. A person's choice
    (``audience_chosen``) stays whatever an import says.
    """

    __tablename__ = "knowledge_articles"
    __table_args__ = (
        UniqueConstraint("tenant_id", "article_id", name="uq_knowledge_articles_tenant_id_article_id"),
        CheckConstraint("audience IN ('public', 'internal', 'restricted')", name="audience"),
        Index("idx_knowledge_articles_search", "search", postgresql_using="gin"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"))
    tool_type: Mapped[str | None] = mapped_column(String(50))
    article_id: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(500))
    body: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(String(500))
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    source: Mapped[str] = mapped_column(String(50), server_default=text("'import'"))
    audience: Mapped[str] = mapped_column(String(20), server_default=text("'internal'"))
    audience_groups: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    audience_chosen: Mapped[bool] = mapped_column(server_default=text("false"))
    embedding: Mapped[list[float] | None] = mapped_column(ARRAY(REAL))
    embedding_model: Mapped[str | None] = mapped_column(String(100))
    search: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', body), 'B')",
            persisted=True,
        ),
        deferred=True,
    )
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<KnowledgeArticle(tenant_id={self.tenant_id}, article_id={self.article_id})>"


class SystemInventory(CompanyModel, Base):
    """A system a ticket may be about: server, printer, application, network device."""

    __tablename__ = "system_inventory"
    __table_args__ = (
        UniqueConstraint("tenant_id", "hostname", name="uq_system_inventory_tenant_id_hostname"),
        Index("ix_system_inventory_tenant_ip", "tenant_id", "ip_address"),
        Index(
            "idx_system_inventory_hostname_trgm",
            "hostname",
            postgresql_using="gin",
            postgresql_ops={"hostname": "gin_trgm_ops"},
        ),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"))
    tool_type: Mapped[str | None] = mapped_column(String(50))
    hostname: Mapped[str] = mapped_column(String(255))
    # 45 characters: an IPv6 address with an IPv4 one at its end.
    ip_address: Mapped[str | None] = mapped_column(String(45))
    role: Mapped[str | None] = mapped_column(String(100))
    client: Mapped[str | None] = mapped_column(String(255))
    location: Mapped[str | None] = mapped_column(String(255))
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<SystemInventory(tenant_id={self.tenant_id}, hostname={self.hostname})>"


class EnhancementFeedback(TenantModel, Base):
    """A technician's verdict on one note: a thumb or a rating from 1 to 5, with an optional comment."""

    __tablename__ = "enhancement_feedback"
    __table_args__ = (
        CheckConstraint("feedback_type IN ('thumbs_up', 'thumbs_down', 'rating')", name="feedback_type"),
        CheckConstraint(
            # Both ways: a rating without a number and a thumb with one are equally meaningless.
            "(feedback_type = 'rating') = (rating_value IS NOT NULL)"
            " AND (rating_value IS NULL OR rating_value BETWEEN 1 AND 5)",
            name="rating_value",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "enhancement_id"],
            ["enhancement_history.tenant_id", "enhancement_history.id"],
            # A remark about a note that was pruned is about nothing any more.
            ondelete="CASCADE",
            name="fk_enhancement_feedback_enhancement_id",
        ),
        Index("ix_enhancement_feedback_tenant_id_created_at", "tenant_id", "created_at"),
        Index("ix_enhancement_feedback_enhancement_id", "enhancement_id"),
        Index(
            # One verdict of each voice on a note; whoever opens the note's link is one, and has no address.
            "uq_enhancement_feedback_voice",
            "tenant_id",
            "enhancement_id",
            "technician_email",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("enhancement_id IS NOT NULL"),
        ),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"))
    ticket_id: Mapped[str] = mapped_column(String(100))
    enhancement_id: Mapped[UUID | None]
    technician_email: Mapped[str | None] = mapped_column(String(255))
    feedback_type: Mapped[str] = mapped_column(String(20))
    rating_value: Mapped[int | None] = mapped_column(Integer)
    feedback_comment: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<EnhancementFeedback(ticket_id={self.ticket_id}, feedback_type={self.feedback_type})>"


class NoteGrounds(CompanyModel, Base):
    """What a note stands on, for what its verdicts say of it: the ticket as it was searched for, and what was cited.

    Verdicts themselves stay in ``enhancement_feedback`` and are counted there at each search, so that one that is
    changed, or goes with its note, counts no more. ``sources`` are ids of past tickets and articles; one that was
    deleted since is found by nobody.
    """

    __tablename__ = "note_grounds"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "enhancement_id"],
            ["enhancement_history.tenant_id", "enhancement_history.id"],
            ondelete="CASCADE",
            name="fk_note_grounds_enhancement_id",
        ),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"), primary_key=True)
    enhancement_id: Mapped[UUID] = mapped_column(primary_key=True)
    tool_type: Mapped[str] = mapped_column(String(50))
    sources: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    embedding: Mapped[list[float]] = mapped_column(ARRAY(REAL))
    embedding_model: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<NoteGrounds(enhancement_id={self.enhancement_id}, sources={len(self.sources)})>"


__all__ = [
    "EMBEDDING_DIMENSIONS",
    "EnhancementFeedback",
    "KnowledgeArticle",
    "NoteGrounds",
    "SystemInventory",
    "TicketHistory",
]

"""Tables of an agent: itself, its tools and its immutable versions.

``AgentTrigger`` is here too, although the ``triggers`` feature acts on it: an agent owns its
triggers (one relationship, one cascade), and imports go only downwards.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk


class Agent(TenantModel, Base):
    """An AI agent of one tenant: a system prompt, a model configuration, triggers and tools.

    Multi-tenancy: ``tenant_id`` refers to ``tenant_configs`` and row-level security hides the row
    from every other tenant. LLM integration: ``llm_config`` holds provider, model, temperature and
    whatever else the provider takes. Lifecycle: draft, active, suspended, inactive; a database
    trigger refuses transitions outside the table. ``revision`` counts every change (``ETag``),
    ``current_version`` only those that alter what the agent does.
    """

    __tablename__ = "agents"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'active', 'suspended', 'inactive')", name="status"),
        # id first: led by tenant_id it would compete with idx_agents_tenant_id_status for every tenant query
        UniqueConstraint("id", "tenant_id", name="uq_agents_id_tenant_id"),
        Index("idx_agents_tenant_id_status", "tenant_id", "status"),
        Index("idx_agents_created_at", desc("created_at")),
        Index("idx_agents_llm_config", "llm_config", postgresql_using="gin"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    system_prompt: Mapped[str] = mapped_column(Text)
    llm_config: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    outcome: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("""'{"kind": "note"}'::jsonb"""))
    revision: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    current_version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    created_by: Mapped[str | None] = mapped_column(String(255))

    # lazy="raise": loading on sight would ask the database where async code cannot wait, so each query names what it
    # needs.
    triggers: Mapped[list[AgentTrigger]] = relationship(
        back_populates="agent", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )
    tools: Mapped[list[AgentTool]] = relationship(
        back_populates="agent", cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )

    def __repr__(self) -> str:
        return f"<Agent(id={self.id}, name={self.name}, status={self.status})>"


class AgentTrigger(TenantModel, Base):
    """What starts an agent: a webhook (a signed HTTP POST) or a schedule (a cron expression in a time zone).

    A webhook trigger has a URL path and a Fernet-encrypted secret; during a rotation the previous
    secret stays valid until ``previous_hmac_secret_expires_at``. A schedule trigger has a cron
    expression; ``next_fire_at`` is computed in its zone. With a ``note_word``, a webhook starts a run only
    for a technician's internal note that says it; with an ``event_filter``, only for events that fit.
    ``tenant_id`` with the composite foreign key makes it impossible to hang a trigger under another tenant's agent.
    """

    __tablename__ = "agent_triggers"
    __table_args__ = (
        CheckConstraint("trigger_type IN ('webhook', 'schedule')", name="trigger_type"),
        CheckConstraint("trigger_type <> 'schedule' OR schedule_cron IS NOT NULL", name="schedule_has_cron"),
        CheckConstraint("misfire_policy IN ('skip', 'latest', 'all')", name="misfire_policy"),
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_agent_triggers_agent_id",
        ),
        UniqueConstraint("tenant_id", "id", name="uq_agent_triggers_tenant_id_id"),
        Index("idx_agent_triggers_agent_id", "agent_id"),
        Index("idx_agent_triggers_type", "trigger_type"),
        Index(
            # Partial: every worker looks here twice a second, and most triggers are webhooks.
            "idx_agent_triggers_next_fire_at",
            "next_fire_at",
            postgresql_where=text("next_fire_at IS NOT NULL AND NOT is_paused"),
        ),
    )

    id: Mapped[UuidPk]
    agent_id: Mapped[UUID]
    trigger_type: Mapped[str] = mapped_column(String(20))
    webhook_url: Mapped[str | None] = mapped_column(String(500))
    hmac_secret: Mapped[str | None] = mapped_column(Text)
    previous_hmac_secret: Mapped[str | None] = mapped_column(Text)
    previous_hmac_secret_expires_at: Mapped[Timestamp | None]
    schedule_cron: Mapped[str | None] = mapped_column(String(100))
    schedule_timezone: Mapped[str] = mapped_column(String(64), server_default=text("'UTC'"))
    # After an outage the newest time alone: a digest is wanted once, not once for each hour that was missed.
    misfire_policy: Mapped[str] = mapped_column(String(10), server_default=text("'latest'"))
    misfire_max_age_seconds: Mapped[int] = mapped_column(Integer, server_default=text("3600"))
    is_paused: Mapped[bool] = mapped_column(server_default=text("false"))
    next_fire_at: Mapped[Timestamp | None]
    payload_schema: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    note_word: Mapped[str | None] = mapped_column(String(100))
    event_filter: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    agent: Mapped[Agent] = relationship(back_populates="triggers", lazy="raise")

    def __repr__(self) -> str:
        return f"<AgentTrigger(id={self.id}, type={self.trigger_type})>"


class AgentTool(TenantModel, Base):
    """Many-to-many between agents and tools: which tools an agent may use, and which operations of each.

    ``tool_id`` names a provider of the catalogue (``tools.catalogue``). ``operations`` is the grant, a list of
    operations or operation to mode and scope: the toolbox refuses what is not in it, whatever the model asks for.
    """

    __tablename__ = "agent_tools"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "tool_id", name="agent_tools_pkey"),
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_agent_tools_agent_id",
        ),
        CheckConstraint("jsonb_typeof(operations) IN ('array', 'object')", name="operations"),
        Index("idx_agent_tools_agent_id", "agent_id"),
        Index("idx_agent_tools_tool_id", "tool_id"),
    )

    agent_id: Mapped[UUID]
    tool_id: Mapped[str] = mapped_column(String(100))
    operations: Mapped[list[str] | dict[str, Any]] = mapped_column(
        JSONB,
        server_default=text("""'["get_ticket", "search_tickets", "list_history", "list_values", "add_note"]'::jsonb"""),
    )
    created_at: Mapped[CreatedAt]

    agent: Mapped[Agent] = relationship(back_populates="tools", lazy="raise")

    def __repr__(self) -> str:
        return f"<AgentTool(agent_id={self.agent_id}, tool_id={self.tool_id})>"


class AgentVersion(TenantModel, Base):
    """An immutable snapshot of everything that decides what an agent does; executions are pinned to one.

    A database trigger refuses updates and deletes (a delete of the agent cascades).
    """

    __tablename__ = "agent_versions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            ondelete="CASCADE",
            name="fk_agent_versions_agent_id",
        ),
        # For the foreign keys of runs, which name the tenant too.
        UniqueConstraint("tenant_id", "id", name="uq_agent_versions_tenant_id_id"),
        # Two changes at once could otherwise both become version 7.
        Index("idx_agent_versions_agent_version", "agent_id", "version_number", unique=True),
    )

    id: Mapped[UuidPk]
    agent_id: Mapped[UUID]
    version_number: Mapped[int] = mapped_column(Integer)
    system_prompt: Mapped[str] = mapped_column(Text)
    llm_config: Mapped[dict[str, Any]] = mapped_column(JSONB)
    outcome: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("""'{"kind": "note"}'::jsonb"""))
    tools: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    triggers: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    created_at: Mapped[CreatedAt]
    created_by: Mapped[str | None] = mapped_column(String(255))

    def __repr__(self) -> str:
        return f"<AgentVersion(agent_id={self.agent_id}, version_number={self.version_number})>"


__all__ = ["Agent", "AgentTool", "AgentTrigger", "AgentVersion"]

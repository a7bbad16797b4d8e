"""Tables of a tenant: its configuration and what was done for its tickets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk

DEFAULT_TOOL_TYPE = "servicedesk_plus"


class TenantConfig(TenantModel, Base):
    """One customer of this installation: its desks, secrets (encrypted), preferences and limits.

    Tool-specific columns are nullable; the schemas demand them when the tool is used. What a tool
    needs beyond its columns, and the whole connection of a plugin from outside the built-in four,
    lies in ``connection_extras_encrypted``: one Fernet token over JSON, keyed by tool type.
    """

    __tablename__ = "tenant_configs"
    __table_args__ = (
        Index("ix_tenant_configs_tenant_id", "tenant_id", unique=True),
        Index("idx_tenant_configs_tool_type", "tool_type"),
        Index(
            "idx_tenant_configs_history_due_at", "history_due_at", postgresql_where=text("history_due_at IS NOT NULL")
        ),
        Index("idx_tenant_configs_preferences", "enhancement_preferences", postgresql_using="gin"),
        CheckConstraint("tenant_id ~ '^[a-z0-9][a-z0-9-]*$'", name="tenant_id_shape"),
    )
    __tenant_policy__ = "tenant_config_isolation_policy"

    id: Mapped[UuidPk]
    name: Mapped[str] = mapped_column(String(255))
    tool_type: Mapped[str] = mapped_column(String(50), server_default=text(f"'{DEFAULT_TOOL_TYPE}'"))

    servicedesk_url: Mapped[str | None] = mapped_column(String(500))
    servicedesk_api_key_encrypted: Mapped[str | None] = mapped_column(Text)
    jira_url: Mapped[str | None] = mapped_column(String(500))
    jira_api_token_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    jira_project_key: Mapped[str | None] = mapped_column(String(50))
    zendesk_subdomain: Mapped[str | None] = mapped_column(String(100))
    zendesk_api_token_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    servicenow_instance_url: Mapped[str | None] = mapped_column(String(500))
    servicenow_api_key_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary)
    connection_extras_encrypted: Mapped[str | None] = mapped_column(Text)

    webhook_signing_secret_encrypted: Mapped[str] = mapped_column(Text)
    enhancement_preferences: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    company_mapping: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    # By tool type what a note did there; see tenants/note_trials. Beside the preferences, which anybody may set.
    note_trials: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    rate_limits: Mapped[dict[str, Any] | None] = mapped_column(
        JSONB,
        server_default=text(
            """'{"webhooks_per_minute": 600, "concurrent_executions": 5, "executions_per_hour": 2000}'::jsonb"""
        ),
    )
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    # When its desks are next asked for their history; null: nobody has connected one since there are such imports.
    history_due_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<TenantConfig(tenant_id={self.tenant_id}, tool_type={self.tool_type})>"


class DeskCompany(TenantModel, Base):
    """A client company that a desk has named: by it the tenant's desk is known to serve several.

    ``known_as`` is the name, folded, that it had when it was first told of, and its own for good: rows that know that
    name alone are this company's, whatever it or another one is called by then. Null where another one had it before.
    """

    __tablename__ = "desk_companies"
    __table_args__ = (Index("uq_desk_companies_known_as", "tenant_id", "tool_type", "known_as", unique=True),)

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"), primary_key=True)
    tool_type: Mapped[str] = mapped_column(String(50), primary_key=True)
    company_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    known_as: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<DeskCompany(tool_type={self.tool_type}, company_id={self.company_id})>"


class RunCompany(TenantModel, Base):
    """The client company that a run worked for, on a desk that keeps companies apart.

    Members and keys that are limited to companies see a run by it; a run that has none here they do not see. One that
    worked for several, because its ticket went to another company meanwhile, has an empty id, which no limit names.
    """

    __tablename__ = "run_companies"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "execution_id"],
            ["agent_executions.tenant_id", "agent_executions.id"],
            ondelete="CASCADE",
            name="fk_run_companies_execution_id",
        ),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    execution_id: Mapped[UUID] = mapped_column(primary_key=True)
    tool_type: Mapped[str] = mapped_column(String(50))
    company_id: Mapped[str] = mapped_column(String(255))

    def __repr__(self) -> str:
        return f"<RunCompany(execution_id={self.execution_id}, company_id={self.company_id})>"


class EnhancementHistory(TenantModel, Base):
    """What was written for one ticket by one run: the context found, the text and how long it took."""

    __tablename__ = "enhancement_history"
    __table_args__ = (
        Index("ix_enhancement_history_tenant_id", "tenant_id"),
        Index("ix_enhancement_history_tenant_ticket", "tenant_id", "ticket_id"),
        Index("ix_enhancement_history_status", "status"),
        Index("uq_enhancement_history_tenant_id_id", "tenant_id", "id", unique=True),
        CheckConstraint("status IN ('pending', 'completed', 'failed')", name="status"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id"))
    ticket_id: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(50), server_default=text("'pending'"))
    context_gathered: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    llm_output: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)
    processing_time_ms: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[CreatedAt]
    completed_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<EnhancementHistory(id={self.id}, ticket_id={self.ticket_id}, status={self.status})>"


__all__ = ["DEFAULT_TOOL_TYPE", "DeskCompany", "EnhancementHistory", "TenantConfig"]

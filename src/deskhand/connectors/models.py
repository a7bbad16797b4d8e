"""The table of tool sources: programs of a tenant's own whose operations its agents may be granted."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, deferred, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, UpdatedAt, UuidPk


class SourceKind(StrEnum):
    """How a source is called; the first part of its tool's id."""

    OPENAPI = "openapi"
    MCP = "mcp"


class ToolSource(TenantModel, Base):
    """One program that a tenant lets its agents call.

    ``operations`` holds what it offers as ``connectors.values.SourceOperation``, each switched on or off. ``document``
    is what the source says of itself, as it was read, for a kind that keeps it. ``configuration`` is the kind's own and
    has no secret; the credential is one Fernet token over JSON.
    """

    __tablename__ = "tool_sources"
    __table_args__ = (
        # Of all kinds together: a model reads the slug before an operation's name, and two must not read the same.
        UniqueConstraint("tenant_id", "slug", name="uq_tool_sources_tenant_id_slug"),
        CheckConstraint("kind IN ('openapi', 'mcp')", name="kind"),
        CheckConstraint("slug ~ '^[a-z][a-z0-9-]{0,19}$'", name="slug"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(100))
    configuration: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=sql("'{}'::jsonb"))
    credential_encrypted: Mapped[str | None] = mapped_column(Text)
    operations: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=sql("'[]'::jsonb"))
    # Megabytes that a run never needs.
    document: Mapped[str | None] = deferred(mapped_column(Text))
    revision: Mapped[int] = mapped_column(Integer, server_default=sql("1"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    @property
    def tool_id(self) -> str:
        """What an agent's grant names."""
        return f"{self.kind}:{self.slug}"

    def __repr__(self) -> str:
        return f"<ToolSource(tenant_id={self.tenant_id}, tool_id={self.tool_id})>"

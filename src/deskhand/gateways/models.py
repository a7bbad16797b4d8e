"""Tables of connections to models: each tenant's own, and the platform's that tenants share."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk


class ConnectionKind(StrEnum):
    """How the models behind a connection are called."""

    OPENAI_COMPATIBLE = "openai_compatible"
    LITELLM_PROXY = "litellm_proxy"
    LITELLM_SDK = "litellm_sdk"
    EMBEDDED = "embedded"


class _Columns:
    """What a connection is, whosever it is. The key is one Fernet token; whatever else is here may be shown.

    ``aliases`` says what a model's name stands for here. ``listed_models`` are the names that the gateway listed when
    it was asked last, at ``checked_at``; ``check_fault`` is what was wrong then. ``region`` is somebody's own word for
    where its models run.
    """

    id: Mapped[UuidPk]
    slug: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(100))
    base_url: Mapped[str | None] = mapped_column(Text)
    api_key_encrypted: Mapped[str | None] = mapped_column(Text)
    aliases: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=sql("'{}'::jsonb"))
    is_local: Mapped[bool] = mapped_column(server_default=sql("false"))
    is_default: Mapped[bool] = mapped_column(server_default=sql("false"))
    listed_models: Mapped[list[str]] = mapped_column(JSONB, server_default=sql("'[]'::jsonb"))
    checked_at: Mapped[Timestamp | None]
    check_fault: Mapped[str | None] = mapped_column(Text)
    region: Mapped[str] = mapped_column(String(60), server_default=sql("''"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]


_KINDS = "kind IN ('openai_compatible', 'litellm_proxy', 'litellm_sdk', 'embedded')"
_SLUG = "slug ~ '^[a-z][a-z0-9-]{0,39}$'"


class ModelConnection(_Columns, TenantModel, Base):
    """A tenant's own connection to models, with a key that is its own: only its agents use it."""

    __tablename__ = "model_connections"

    __table_args__ = (
        UniqueConstraint("tenant_id", "slug", name="uq_model_connections_tenant_id_slug"),
        CheckConstraint(_KINDS, name="kind"),
        CheckConstraint(_SLUG, name="slug"),
        # The SDK opens connections past the guard of addresses, and takes what credentials the machine has.
        CheckConstraint("kind <> 'litellm_sdk'", name="not_the_sdk"),
        Index("uq_model_connections_default", "tenant_id", unique=True, postgresql_where=sql("is_default")),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))

    def __repr__(self) -> str:
        return f"<ModelConnection(tenant_id={self.tenant_id}, slug={self.slug})>"


class SharedModelConnection(_Columns, Base):
    """The platform's connection to models, used by agents of all tenants or of those in ``tenants``.

    A table of its own, without a tenant, for the reason that ``installation_pause`` is one: every tenant's session
    must see it, and a row without a tenant in a table of tenants is seen by none.
    """

    __tablename__ = "shared_model_connections"

    __table_args__ = (
        UniqueConstraint("slug", name="uq_shared_model_connections_slug"),
        CheckConstraint(_KINDS, name="kind"),
        CheckConstraint(_SLUG, name="slug"),
        Index("uq_shared_model_connections_default", "is_default", unique=True, postgresql_where=sql("is_default")),
    )

    tenants: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))

    def __repr__(self) -> str:
        return f"<SharedModelConnection(slug={self.slug})>"


__all__ = ["ConnectionKind", "ModelConnection", "SharedModelConnection"]

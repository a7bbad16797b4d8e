"""Tables of single sign-on: who may vouch for people, whom they vouched for, and sign-ins that are under way."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk


class IdentityProvider(TenantModel, Base):
    """An OpenID provider of one tenant, or of the installation (no tenant).

    ``role_rules`` is a list of ``{"group", "role", "tenant_id"}``; a tenant's own rules name no tenant.
    """

    __tablename__ = "identity_providers"
    __table_args__ = (Index("idx_identity_providers_tenant_id", "tenant_id"),)

    id: Mapped[UuidPk]
    # A row without a tenant fits no tenant's policy: the installation's own providers are the platform's alone.
    tenant_id: Mapped[str | None] = mapped_column(  # type: ignore[assignment]  # the mixin's has always one
        String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(String(100))
    issuer: Mapped[str] = mapped_column(String(500))
    client_id: Mapped[str] = mapped_column(String(255))
    client_secret_encrypted: Mapped[str] = mapped_column(Text)
    scopes: Mapped[str] = mapped_column(String(500))
    groups_claim: Mapped[str] = mapped_column(String(100))
    role_rules: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    email_domains: Mapped[list[str]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<IdentityProvider(id={self.id}, tenant_id={self.tenant_id}, issuer={self.issuer})>"


class UserIdentity(Base):
    """By which issuer and subject a person is known, within one tenant's providers or the installation's.

    Not by issuer and subject alone: an issuer that everybody can be a client of (Google's) would let what one tenant
    has linked count for the installation and for other tenants.
    """

    __tablename__ = "user_identities"
    __table_args__ = (
        Index(
            "uq_user_identities_subject", text("COALESCE(vouched_in, '')"), text("issuer"), text("subject"), unique=True
        ),
        Index("idx_user_identities_user_id", "user_id"),
        Index("idx_user_identities_vouched_in", "vouched_in"),
    )

    id: Mapped[UuidPk]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    vouched_in: Mapped[str | None] = mapped_column(
        String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE")
    )
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<UserIdentity(id={self.id}, user_id={self.user_id}, issuer={self.issuer})>"


class SignInAttempt(Base):
    """A sign-in that is under way at a provider. Hashes alone: what they are of lies in the browser's cookie."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index("idx_sign_in_attempts_provider_id", "provider_id"),)

    state_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    provider_id: Mapped[UUID] = mapped_column(ForeignKey("identity_providers.id", ondelete="CASCADE"))
    next_path: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[Timestamp]

    def __repr__(self) -> str:
        return f"<SignInAttempt(provider_id={self.provider_id}, expires_at={self.expires_at})>"

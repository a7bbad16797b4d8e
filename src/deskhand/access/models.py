"""Tables of who may do what: people, their roles in tenants, providers that vouch for them, and keys of machines."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, Timestamp, UpdatedAt, UuidPk

ROLES = ("tenant_admin", "operator", "editor", "viewer")


class User(Base):
    """A person. Not tenant data: someone may belong to several tenants through memberships.

    ``platform_admin_by`` is the identity provider whose groups made the person a platform administrator; none where the
    command line did. ``password_vouched_in`` is the tenant whose administrator made the link that set the password, and
    may know it: it opens that tenant alone. None where the password is the person's own.
    """

    __tablename__ = "users"
    # One address is one account, in whatever case somebody types it.
    __table_args__ = (
        Index("uq_users_email", text("lower(email)"), unique=True),
        Index("idx_users_platform_admin_by", "platform_admin_by"),
    )

    id: Mapped[UuidPk]
    email: Mapped[str] = mapped_column(String(255))
    name: Mapped[str | None] = mapped_column(String(255))
    # None until somebody has set one with a link.
    password_hash: Mapped[str | None] = mapped_column(Text)
    # No foreign key on purpose: a tenant that is deleted must leave a password that opens nothing, and not one that
    # opens everything.
    password_vouched_in: Mapped[str | None] = mapped_column(String(100))
    is_platform_admin: Mapped[bool] = mapped_column(server_default=text("false"))
    platform_admin_by: Mapped[UUID | None] = mapped_column(ForeignKey("identity_providers.id", ondelete="RESTRICT"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_break_glass: Mapped[bool] = mapped_column(server_default=text("false"))
    password_set_at: Mapped[Timestamp | None]
    last_sign_in_at: Mapped[Timestamp | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<User(id={self.id}, email={self.email})>"


class Membership(TenantModel, Base):
    """A person's role in one tenant; with ``provider_id``, as the groups at that identity provider say.

    ``companies`` are those that the person is limited to, as ``<desk>:<id>``; none: everything of the tenant. Who is
    limited only reads, whatever the role.
    """

    __tablename__ = "memberships"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "user_id", name="memberships_pkey"),
        CheckConstraint("role IN ('tenant_admin', 'operator', 'editor', 'viewer')", name="role"),
        Index("idx_memberships_user_id", "user_id"),
        Index("idx_memberships_provider_id", "provider_id"),
    )

    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(20))
    provider_id: Mapped[UUID | None] = mapped_column(ForeignKey("identity_providers.id", ondelete="CASCADE"))
    companies: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<Membership(tenant_id={self.tenant_id}, user_id={self.user_id}, role={self.role})>"


class UserSession(Base):
    """A person signed in, in one browser. Only the hash of the cookie's secret is stored.

    ``current_tenant`` is the tenant the person acts in; none for a platform administrator who acts in no tenant.
    ``second_factor`` is what the person showed besides (``provider``: to the identity provider, which says so); none
    while it has not been asked for or answered. ``method`` is how the person signed in: ``password``, or ``oidc`` with
    the provider and its ID token; ``signed_in_at`` when, however many sessions have followed each other since.
    """

    __tablename__ = "user_sessions"
    __table_args__ = (
        Index("uq_user_sessions_secret_hash", "secret_hash", unique=True),
        Index("idx_user_sessions_user_id", "user_id"),
        Index("idx_user_sessions_current_tenant", "current_tenant"),
        CheckConstraint("second_factor IN ('code', 'recovery_code', 'provider')", name="second_factor"),
        CheckConstraint("second_factor IS DISTINCT FROM 'provider' OR method = 'oidc'", name="vouched"),
        Index("idx_user_sessions_provider_id", "provider_id"),
        CheckConstraint("method IN ('password', 'oidc')", name="method"),
        CheckConstraint("(method = 'oidc') = (provider_id IS NOT NULL)", name="provider"),
    )

    id: Mapped[UuidPk]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    current_tenant: Mapped[str | None] = mapped_column(
        String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE")
    )
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    method: Mapped[str] = mapped_column(String(20), server_default=text("'password'"))
    provider_id: Mapped[UUID | None] = mapped_column(ForeignKey("identity_providers.id", ondelete="CASCADE"))
    id_token_encrypted: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[CreatedAt]
    expires_at: Mapped[Timestamp]
    ended_at: Mapped[Timestamp | None]
    second_factor: Mapped[str | None] = mapped_column(String(20))
    signed_in_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<UserSession(id={self.id}, user_id={self.user_id}, current_tenant={self.current_tenant})>"


class PasswordLink(Base):
    """A link with which a person sets a password, once. Only the hash of its secret is stored.

    ``vouched_in`` is the tenant whose administrator made it; none where the platform's did.
    """

    __tablename__ = "password_links"
    __table_args__ = (
        Index("uq_password_links_secret_hash", "secret_hash", unique=True),
        Index("idx_password_links_user_id", "user_id"),
        Index("idx_password_links_vouched_in", "vouched_in"),
    )

    id: Mapped[UuidPk]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[CreatedAt]
    created_by: Mapped[str] = mapped_column(String(255))
    expires_at: Mapped[Timestamp]
    used_at: Mapped[Timestamp | None]
    vouched_in: Mapped[str | None] = mapped_column(
        String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE")
    )

    def __repr__(self) -> str:
        return f"<PasswordLink(id={self.id}, user_id={self.user_id})>"


class Invitation(TenantModel, Base):
    """An account that exists is asked into a tenant; gone once its person said yes. Only the link's hash is stored."""

    __tablename__ = "invitations"
    __table_args__ = (
        CheckConstraint("role IN ('tenant_admin', 'operator', 'editor', 'viewer')", name="role"),
        UniqueConstraint("tenant_id", "user_id", name="uq_invitations_tenant_id_user_id"),
        Index("uq_invitations_secret_hash", "secret_hash", unique=True),
        Index("idx_invitations_user_id", "user_id"),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(String(20))
    companies: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[CreatedAt]
    created_by: Mapped[str] = mapped_column(String(255))
    expires_at: Mapped[Timestamp]

    def __repr__(self) -> str:
        return f"<Invitation(tenant_id={self.tenant_id}, user_id={self.user_id}, role={self.role})>"


class SecondFactor(Base):
    """The authenticator app of a person: the secret that both sides compute codes from, encrypted.

    ``last_step`` is the time step of the newest code that was used: no code of it or of an earlier one counts again.
    """

    __tablename__ = "second_factors"
    __table_args__ = (Index("uq_second_factors_user_id", "user_id", unique=True),)

    id: Mapped[UuidPk]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_encrypted: Mapped[str] = mapped_column(Text)
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __repr__(self) -> str:
        return f"<SecondFactor(id={self.id}, user_id={self.user_id})>"


class RecoveryCode(Base):
    """What a person without the authenticator signs in with, once. Only its hash is stored."""

    __tablename__ = "recovery_codes"
    __table_args__ = (PrimaryKeyConstraint("user_id", "code_hash", name="recovery_codes_pkey"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[CreatedAt]
    used_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<RecoveryCode(user_id={self.user_id})>"


class SignInTries(Base):
    """How often somebody failed to sign in: by address, account or known browser, each as a keyed hash."""

    __tablename__ = "sign_in_tries"

    # A keyed hash: the table must not tell who mistypes, or from where.
    bucket: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    tries: Mapped[int]
    since: Mapped[Timestamp]

    def __repr__(self) -> str:
        return f"<SignInTries(bucket={self.bucket.hex()[:8]}, tries={self.tries})>"


class ApiKey(TenantModel, Base):
    """A credential for one tenant: a machine's key, a sign-in token or a console session.

    Only a SHA-256 of the key is stored; the key has 256 random bits. ``made_with``, ``made_with_platform_key`` or
    ``made_with_user`` is the machine's or administrator's key, or the person, that a token or session comes from, over
    any number of steps; they end with it. ``companies`` as of a membership.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("role IN ('tenant_admin', 'operator', 'editor', 'viewer')", name="role"),
        # Without the tenant: a key is looked up before anybody knows whose it is.
        Index("uq_api_keys_key_hash", "key_hash", unique=True),
        Index("idx_api_keys_tenant_id", "tenant_id"),
        UniqueConstraint("tenant_id", "id", name="uq_api_keys_tenant_id_id"),
        # For the cascade: to delete a key without it would read every key of the tenant.
        Index("idx_api_keys_made_with", "tenant_id", "made_with"),
        Index("idx_api_keys_made_with_platform_key", "made_with_platform_key"),
        Index("idx_api_keys_made_with_user", "made_with_user"),
        ForeignKeyConstraint(
            ["tenant_id", "made_with"],
            ["api_keys.tenant_id", "api_keys.id"],
            name="fk_api_keys_made_with",
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UuidPk]
    tenant_id: Mapped[str] = mapped_column(String(100), ForeignKey("tenant_configs.tenant_id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(20))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    role: Mapped[str] = mapped_column(String(20))
    companies: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    created_at: Mapped[CreatedAt]
    created_by: Mapped[str | None] = mapped_column(String(255))
    expires_at: Mapped[Timestamp | None]
    revoked_at: Mapped[Timestamp | None]
    made_with: Mapped[UUID | None]
    made_with_platform_key: Mapped[UUID | None] = mapped_column(ForeignKey("platform_keys.id", ondelete="CASCADE"))
    made_with_user: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    last_used_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<ApiKey(id={self.id}, prefix={self.prefix}, role={self.role})>"


class IdempotencyKey(TenantModel, Base):
    """An answer kept for a day for whoever sends the same POST again; encrypted, since it may hold a key shown once.

    ``digest`` is of the caller, the path and the key that came; ``fingerprint`` of what came with it. What is done in
    no tenant has the empty one, which only the platform's role reads.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "digest", name="idempotency_keys_pkey"),
        Index("idx_idempotency_keys_tenant_id_created_at", "tenant_id", "created_at"),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    answer_encrypted: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<IdempotencyKey(tenant_id={self.tenant_id}, digest={self.digest.hex()[:8]})>"


class PlatformKey(Base):
    """A platform administrator's credential: may create tenants. Readable only as ``deskhand_platform``."""

    __tablename__ = "platform_keys"
    __table_args__ = (Index("uq_platform_keys_key_hash", "key_hash", unique=True),)

    id: Mapped[UuidPk]
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(20))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[CreatedAt]
    revoked_at: Mapped[Timestamp | None]

    def __repr__(self) -> str:
        return f"<PlatformKey(id={self.id}, prefix={self.prefix})>"


class IdentityProvider(TenantModel, Base):
    """An OpenID provider of one tenant, or of the installation (no tenant).

    ``role_rules`` is a list of ``{"group", "role", "tenant_id"}``; a tenant's own rules name no tenant.
    ``vouches_for_second_factor``: where it says ``mfa``, no second factor of ours is asked; never a tenant's own.
    """

    __tablename__ = "identity_providers"
    __table_args__ = (
        Index("idx_identity_providers_tenant_id", "tenant_id"),
        CheckConstraint("tenant_id IS NULL OR NOT vouches_for_second_factor", name="vouches"),
    )

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
    vouches_for_second_factor: Mapped[bool] = mapped_column(server_default=text("false"))

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

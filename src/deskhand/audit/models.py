"""The audit log: append-only and hash-chained per tenant."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from deskhand.kit.db.base import Base, CreatedAt, TenantModel, UuidPk


class AuditLog(TenantModel, Base):
    """One change, sign-in, refused key or write to a desk. Rows are never updated; a database trigger sees to it.

    ``entry_hash`` covers the row and ``previous_hash``, so a changed, removed or reordered row shows. The oldest are
    deleted by ``prune_audit_log()`` alone, which leaves an entry that says up to which one.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_tenant_id_created_at", "tenant_id", "created_at"),
        Index("uq_audit_log_tenant_id_sequence", "tenant_id", "sequence", unique=True),
        Index("ix_audit_log_resource", "tenant_id", "resource_type", "resource_id"),
    )

    id: Mapped[UuidPk]
    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    actor: Mapped[str] = mapped_column(String(255))
    operation: Mapped[str] = mapped_column(String(100))
    resource_type: Mapped[str] = mapped_column(String(100))
    resource_id: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(20), server_default=text("'success'"))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(200))
    request_id: Mapped[str | None] = mapped_column(String(64))
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    entry_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[CreatedAt]

    def __repr__(self) -> str:
        return f"<AuditLog(id={self.id}, operation={self.operation}, resource={self.resource_type}/{self.resource_id})>"

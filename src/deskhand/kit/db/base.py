"""Declarative base and the column types every table shares."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import DateTime, MetaData, String, func, text
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "pk": "%(table_name)s_pkey",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
}

TENANT_ID_LENGTH = 100

UuidPk = Annotated[
    uuid.UUID, mapped_column(UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()"))
]
TenantId = Annotated[str, mapped_column(String(TENANT_ID_LENGTH), nullable=False)]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), nullable=False, server_default=func.now())]
UpdatedAt = Annotated[
    datetime,
    mapped_column(DateTime(timezone=True), nullable=False, server_default=func.now(), onupdate=func.now()),
]
Timestamp = Annotated[datetime, mapped_column(DateTime(timezone=True))]
JsonDict = Annotated[dict[str, Any], mapped_column(JSONB)]


class Base(AsyncAttrs, DeclarativeBase):
    """Root of all models; names every constraint so that migrations can refer to it."""

    # PostgreSQL's own names for constraints differ between versions, and a migration must drop by name.
    metadata = MetaData(naming_convention=NAMING)


class TenantModel:
    """Mixin of every table whose rows belong to a tenant.

    Row-level security is derived from this: a table with the mixin must have RLS enabled, forced,
    and the tenant policy, and a test walks the mixin's subclasses to prove it.
    """

    __tenant_policy__: ClassVar[str | None] = None

    tenant_id: Mapped[TenantId]


class CompanyModel(TenantModel):
    """Mixin of every table whose rows may belong to one client company of the tenant.

    A restrictive policy shows a session the companies that it has proven to work for (``companies.py``), and what is
    shared. A row that names no company belongs to the tenant itself where that is one company, and else to nobody.

    Attributes:
        tool_type: The desk whose company it is; a row of no desk has none.
        company_id: The desk's own id, or ``=`` and the folded name where only that is known.
        shared: Helps tickets of every company.
    """

    tool_type: Mapped[Any]
    company_id: Mapped[str | None] = mapped_column(String(255))
    company_name: Mapped[str | None] = mapped_column(String(255))
    shared: Mapped[bool] = mapped_column(server_default=text("false"))

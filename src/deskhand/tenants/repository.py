"""Queries of tenants."""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ConflictError
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.tenants.models import EnhancementHistory, TenantConfig


async def add_tenant(session: AsyncSession, tenant: TenantConfig) -> None:
    """Insert a tenant and read back what the database filled in.

    Raises:
        ConflictError: The id is taken.
    """
    session.add(tenant)
    try:
        await session.flush()
    except IntegrityError as error:
        # Asked by inserting: a look beforehand would let two requests of one moment both see the id free.
        raise ConflictError(f"The tenant id '{tenant.tenant_id}' is taken.") from error
    await session.refresh(tenant)


async def get_tenant(session: AsyncSession, tenant_id: str, *, for_update: bool = False) -> TenantConfig | None:
    """One tenant, if the session may see it."""
    query = select(TenantConfig).where(TenantConfig.tenant_id == tenant_id)
    if for_update:
        query = query.with_for_update()
    return (await session.execute(query)).scalar_one_or_none()


async def list_tenants(
    session: AsyncSession,
    *,
    q: str | None,
    tool_type: str | None,
    is_active: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[TenantConfig]:
    """Tenants by id; ``q`` is looked for in id and name."""
    query = select(TenantConfig)
    if q:
        query = query.where(
            or_(TenantConfig.tenant_id.icontains(q, autoescape=True), TenantConfig.name.icontains(q, autoescape=True))
        )
    if tool_type is not None:
        query = query.where(TenantConfig.tool_type == tool_type)
    if is_active is not None:
        query = query.where(TenantConfig.is_active == is_active)
    after = decode_cursor(cursor, str)
    if after is not None:
        query = query.where(TenantConfig.tenant_id > after[0])
    rows = (await session.execute(query.order_by(TenantConfig.tenant_id).limit(limit + 1))).scalars().all()
    return cut_page(rows, limit, lambda tenant: (tenant.tenant_id,))


async def add_enhancement(session: AsyncSession, values: dict[str, Any]) -> None:
    """Insert a row of the history of notes, unless one of its id is there."""
    row = insert(EnhancementHistory).values(**values).on_conflict_do_nothing(index_elements=["id"])
    await session.execute(row)


async def last_enhancement(
    session: AsyncSession, *, ticket_id: str, marks: dict[str, str]
) -> EnhancementHistory | None:
    """The newest row about a ticket whose context has these values."""
    e = EnhancementHistory
    query = (
        select(e)
        .where(e.ticket_id == ticket_id, e.status == "completed", e.context_gathered.contains(marks))
        .order_by(e.created_at.desc(), e.id)
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()

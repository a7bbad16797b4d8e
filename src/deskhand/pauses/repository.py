"""Queries of pauses. Private to this room; runs inside a tenant session, or a platform session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, String, Uuid, and_, column, delete, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.pauses.models import InstallationPause, Pause

SHOWN = 200
"""Of the pauses that last, at most; who paused more agents one by one wants to pause the tenant."""

# Their models stand in rooms above this one.
_AGENTS = table("agents", column("id", Uuid), column("tenant_id", String), column("name", String))
_TENANTS = table("tenant_configs", column("tenant_id", String))


async def list_pauses(
    session: AsyncSession, *, whole_tenants: bool = False, pause_id: UUID | None = None
) -> Sequence[RowMapping]:
    """Those that the session may see, whole tenants first, the oldest first; perhaps these alone, or one alone."""
    p = Pause
    of_agent = and_(_AGENTS.c.tenant_id == p.tenant_id, _AGENTS.c.id == p.agent_id)
    query = (
        select(*p.__table__.c, _AGENTS.c.name.label("agent_name"))
        .outerjoin(_AGENTS, of_agent)
        .order_by(p.agent_id.is_not(None), p.paused_at, p.id)
        .limit(SHOWN)
    )
    if whole_tenants:
        query = query.where(p.agent_id.is_(None))
    if pause_id is not None:
        query = query.where(p.id == pause_id)
    return (await session.execute(query)).mappings().all()


async def find_installation_pause(session: AsyncSession) -> InstallationPause | None:
    """The pause of everything, if there is one; any session sees it."""
    return (await session.scalars(select(InstallationPause))).one_or_none()


async def add_pause(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Store one; False if the same is paused already by the same side."""
    statement = insert(Pause).values(**values).on_conflict_do_nothing(constraint="uq_pauses_of").returning(Pause.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def add_installation_pause(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Store it; False if everything is paused already."""
    statement = insert(InstallationPause).values(**values).on_conflict_do_nothing().returning(InstallationPause.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def delete_pause(session: AsyncSession, pause_id: UUID) -> bool:
    """Take one away, of an agent or a tenant; False if another has meanwhile."""
    gone = delete(Pause).where(Pause.id == pause_id).returning(Pause.id)
    return (await session.execute(gone)).scalar_one_or_none() is not None


async def delete_installation_pause(session: AsyncSession, pause_id: UUID) -> bool:
    """Take the pause of everything away, in a platform session; False if another has meanwhile."""
    gone = delete(InstallationPause).where(InstallationPause.id == pause_id).returning(InstallationPause.id)
    return (await session.execute(gone)).scalar_one_or_none() is not None


async def has_agent(session: AsyncSession, agent_id: UUID) -> bool:
    """Whether the tenant has it."""
    return (await session.scalar(select(_AGENTS.c.id).where(_AGENTS.c.id == agent_id))) is not None


async def has_tenant(session: AsyncSession, tenant_id: str) -> bool:
    """Whether the installation has it."""
    return (await session.scalar(select(_TENANTS.c.tenant_id).where(_TENANTS.c.tenant_id == tenant_id))) is not None

"""Whether a tenant is at rest: what concerns all that it has is done to no tenant that changes meanwhile."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import AgentExecution
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConflictError, NotFoundError
from deskhand.tenants.models import TenantConfig


async def ensure_at_rest(
    session: AsyncSession, tenant_id: str, *, ended: Collection[ExecutionStatus], because: str
) -> None:
    """Refuse a tenant that is active or has runs to end; it stays at rest until the transaction is over.

    Args:
        session: One that sees every tenant.
        tenant_id: The tenant's.
        ended: States in which it may have no run any more.
        because: What goes on behind "Deactivate it first (...), " in the sentence.

    Raises:
        NotFoundError: There is no such tenant.
        ConflictError: It is active, or has such runs.
    """
    tenant = select(TenantConfig.is_active).where(TenantConfig.tenant_id == tenant_id)
    active = await session.scalar(tenant.with_for_update())
    if active is None:
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")
    if active:
        raise ConflictError(
            f"The tenant '{tenant_id}' is active. Deactivate it first (POST /api/v1/tenants/{tenant_id}/deactivate),"
            f" {because}."
        )
    going = select(func.count()).where(AgentExecution.tenant_id == tenant_id, AgentExecution.status.in_(ended))
    if count := await session.scalar(going):
        raise ConflictError(f"{count} runs of '{tenant_id}' have not ended; wait for them, or cancel them.")

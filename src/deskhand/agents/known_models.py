"""Which models the agents of a tenant may name, and through which connections."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.llm_config import LLMConfig
from deskhand.agents.readiness import AgentModels, model_faults
from deskhand.errors import InvalidInputError
from deskhand.gateways.reach import names_of
from deskhand.gateways.schemas import INSTALLATION
from deskhand.gateways.service import visible


async def known_models(session: AsyncSession, tenant_id: str, listed: Collection[str]) -> AgentModels:
    """What is listed at the installation's gateway and at the tenant's connections."""
    rows = await visible(session, tenant_id)
    return AgentModels(
        listed=frozenset(listed) | names_of(rows), connections=[INSTALLATION, *(row.slug for row in rows)]
    )


def ensure_known(config: LLMConfig, models: AgentModels) -> None:
    """Refuse a model, or a connection, that nobody knows.

    Raises:
        InvalidInputError: Names each and the closest to it.
    """
    if faults := model_faults(config.model_dump(), models):
        raise InvalidInputError(" ".join(fault.detail for fault in faults), errors=faults)

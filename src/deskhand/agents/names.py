"""What people call an agent."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents import repository
from deskhand.errors import NotFoundError


async def agent_name(session: AsyncSession, agent_id: UUID) -> str:
    """An agent's name for people, as it is now.

    Raises:
        NotFoundError: There is no such agent for this session.
    """
    name = await repository.agent_name(session, agent_id)
    if name is None:
        raise NotFoundError(f"There is no agent {agent_id}.")
    return name

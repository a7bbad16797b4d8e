"""Queries of agents and their versions. Triggers and tools are always loaded along: ``lazy="raise"``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from deskhand.agents.models import Agent, AgentTool, AgentVersion
from deskhand.agents.schemas import AgentStatus
from deskhand.kit.page import Page, cut_page, decode_cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFilter:
    """What a list of agents is narrowed to.

    Attributes:
        status: Only this state; None means every one but inactive.
        q: Text in name or description.
        tool: Only agents with this tool.
        model: Only agents with this model.
    """

    status: AgentStatus | None = None
    q: str | None = None
    tool: str | None = None
    model: str | None = None


async def get_agent(session: AsyncSession, agent_id: UUID, *, for_update: bool = False) -> Agent | None:
    """One agent with triggers and tools, as it is in the database now."""
    query = (
        select(Agent)
        .where(Agent.id == agent_id)
        .options(selectinload(Agent.triggers), selectinload(Agent.tools))
        # The session may hold the agent from before a lock was waited for; what the database has now is what counts.
        .execution_options(populate_existing=True)
    )
    if for_update:
        # Two changes at once would both count from one revision, and the later would undo the earlier unseen.
        query = query.with_for_update()
    return (await session.execute(query)).scalar_one_or_none()


async def list_agents(session: AsyncSession, wanted: AgentFilter, *, limit: int, cursor: str | None) -> Page[Agent]:
    """Agents, newest first."""
    query = select(Agent).options(selectinload(Agent.triggers), selectinload(Agent.tools))
    if wanted.status is not None:
        query = query.where(Agent.status == wanted.status.value)
    else:
        # Deleted agents stay readable by their id and are out of everybody's way in the list.
        query = query.where(Agent.status != AgentStatus.INACTIVE.value)
    if wanted.q:
        query = query.where(
            or_(Agent.name.icontains(wanted.q, autoescape=True), Agent.description.icontains(wanted.q, autoescape=True))
        )
    if wanted.tool:
        with_tool = select(AgentTool.agent_id).where(AgentTool.tool_id == wanted.tool)
        query = query.where(Agent.id.in_(with_tool))
    if wanted.model:
        # Not @>: row-level security keeps it from using idx_agents_llm_config, and only of this form does the planner
        # know how many agents it finds (st_agents_model).
        query = query.where(Agent.llm_config["model"].astext == wanted.model)
    after = decode_cursor(cursor, datetime, UUID)
    if after is not None:
        # A page goes on behind a key and not behind a number of rows, which new agents would shift.
        query = query.where(tuple_(Agent.created_at, Agent.id) < after)
    ordered = query.order_by(Agent.created_at.desc(), Agent.id.desc()).limit(limit + 1)
    rows = (await session.execute(ordered)).scalars().all()
    return cut_page(rows, limit, lambda agent: (agent.created_at, agent.id))


async def list_versions(session: AsyncSession, agent_id: UUID, *, limit: int, cursor: str | None) -> Page[AgentVersion]:
    """Versions of an agent, newest first."""
    query = select(AgentVersion).where(AgentVersion.agent_id == agent_id)
    after = decode_cursor(cursor, int)
    if after is not None:
        query = query.where(AgentVersion.version_number < after[0])
    rows = (await session.execute(query.order_by(AgentVersion.version_number.desc()).limit(limit + 1))).scalars().all()
    return cut_page(rows, limit, lambda version: (version.version_number,))


async def get_version_by_number(session: AsyncSession, agent_id: UUID, number: int) -> AgentVersion | None:
    """One version of an agent, by its number."""
    query = select(AgentVersion).where(AgentVersion.agent_id == agent_id, AgentVersion.version_number == number)
    return (await session.execute(query)).scalar_one_or_none()


async def get_version_by_id(session: AsyncSession, version_id: UUID) -> AgentVersion | None:
    return (await session.execute(select(AgentVersion).where(AgentVersion.id == version_id))).scalar_one_or_none()


async def current_version_id(session: AsyncSession, agent_id: UUID) -> UUID | None:
    """Id of the version an agent is at now."""
    query = (
        select(AgentVersion.id)
        .join(Agent, Agent.id == AgentVersion.agent_id)
        .where(Agent.id == agent_id, AgentVersion.version_number == Agent.current_version)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def agent_name(session: AsyncSession, agent_id: UUID) -> str | None:
    """What people call an agent."""
    return (await session.execute(select(Agent.name).where(Agent.id == agent_id))).scalar_one_or_none()

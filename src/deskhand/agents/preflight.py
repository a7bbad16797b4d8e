"""What will fail when an agent runs, told when it is activated: desks that do not answer, a model nobody serves.

Told and not refused: a desk that is down for an hour must not keep an agent from being switched on, and what is wrong
with the configuration itself is refused by ``readiness`` already.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from deskhand.agents.models import Agent, AgentTool
from deskhand.errors import DeskhandError
from deskhand.gateways.reach import reach_of
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.fallbacks import chain_of
from deskhand.llm.served import why_unserved
from deskhand.plugins.contract import TicketingToolPlugin
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import check_connection, desk_for
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_trials.rules import UNTRIED, last_trial
from deskhand.tenants.service import TenantService
from deskhand.tools.desk import writes_on

SECONDS = 4.0
"""For everything at once; whoever activates an agent waits for it."""


class Reach(Protocol):
    """The way to database, desks and models: the API's state, or what a command has made of its settings."""

    @property
    def db(self) -> Database: ...
    @property
    def secrets(self) -> SecretBox: ...
    @property
    def plugins(self) -> PluginManager: ...
    @property
    def http(self) -> HttpClientFactory: ...
    @property
    def gateway(self) -> GatewaySettings: ...


async def preflight(agent: Agent, reach: Reach) -> list[str]:
    """One sentence for each thing that would fail now. Holds no database connection while others are asked.

    Args:
        agent: With its tools loaded.
        reach: The way to the database, desks and models.
    """
    async with reach.db.tenant_session(agent.tenant_id) as session:
        tenant = await TenantService(session, secrets=reach.secrets, plugins=reach.plugins).get_tenant(agent.tenant_id)
        ways = await reach_of(session, agent.tenant_id, reach.gateway, reach.secrets)
    chain, _ = chain_of(agent.llm_config or {}, (tenant.enhancement_preferences or {}).get("models") or {})
    desks = sorted(tool.tool_id for tool in agent.tools if tool.tool_id in reach.plugins.tool_types)
    # Of those alone whose desk the agent may write on: what is only read shows nobody anything.
    writing = {tool.tool_id for tool in agent.tools if tool.tool_id in desks and _writes(tool, reach.plugins)}
    asked = [
        *(why_unserved(config, ways, reach.http, seconds=SECONDS) for config in chain),
        *(_told_of(tenant, desk, reach, writes=desk in writing) for desk in desks),
    ]
    told = [sentence for sentence in await asyncio.gather(*asked) if sentence is not None]
    return list(dict.fromkeys(told))  # of a chain at one gateway that is down, once


def _writes(tool: AgentTool, plugins: PluginManager) -> bool:
    return writes_on(tool.operations, plugins.get_plugin(tool.tool_id).manifest)


async def _told_of(tenant: TenantConfig, tool_type: str, reach: Reach, *, writes: bool) -> str | None:
    why = await _why_unreachable(tenant, tool_type, reach)
    # Told where it is the next thing to do: a desk that does not answer has to be mended first.
    if why is None and writes and last_trial(tenant, tool_type) is None:
        return UNTRIED.format(name=reach.plugins.names[tool_type])
    return why


async def _why_unreachable(tenant: TenantConfig, tool_type: str, reach: Reach) -> str | None:
    name = reach.plugins.names[tool_type]
    try:
        desk = desk_for(tenant, tool_type, secrets=reach.secrets, plugins=reach.plugins, http=reach.http)
        return await _first_fault(desk, name)
    except TimeoutError:
        return f"{name} did not answer within {SECONDS:g} s; runs fail while it does not."
    except DeskhandError as error:
        return f"{name} cannot be used: {error.detail}"


async def _first_fault(desk: TicketingToolPlugin, name: str) -> str | None:
    async with asyncio.timeout(SECONDS):
        report = await check_connection(desk)
    fault = next((check for check in report.checks if not check.ok), None)
    if report.ok or fault is None:
        return None if report.ok else f"{name} does not pass its connection test."
    return f"{name} does not let agents work: {fault.name}: {fault.detail}"

"""What will fail when an agent runs, told when it is activated: desks that do not answer, a model nobody serves.

Told and not refused: a desk that is down for an hour must not keep an agent from being switched on, and what is wrong
with the configuration itself is refused by ``readiness`` already.
"""

from __future__ import annotations

import asyncio

from deskhand.agents.models import Agent
from deskhand.appstate import AppState
from deskhand.errors import DeskhandError
from deskhand.llm.served import why_unserved
from deskhand.plugins.contract import TicketingToolPlugin
from deskhand.tenants.connections import check_connection, desk_for
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.service import TenantService

SECONDS = 4.0
"""For everything at once; whoever activates an agent waits for it."""


async def preflight(agent: Agent, app: AppState) -> list[str]:
    """One sentence for each thing that would fail now. Holds no database connection while others are asked.

    Args:
        agent: With its tools loaded.
        app: Reaches desks and models.
    """
    async with app.db.tenant_session(agent.tenant_id) as session:
        tenant = await TenantService(session, secrets=app.secrets, plugins=app.plugins).get_tenant(agent.tenant_id)
    desks = sorted(tool.tool_id for tool in agent.tools if tool.tool_id in app.plugins.tool_types)
    asked = [
        why_unserved(agent.llm_config or {}, app.gateway, app.http, seconds=SECONDS),
        *(_why_unreachable(tenant, desk, app) for desk in desks),
    ]
    return [sentence for sentence in await asyncio.gather(*asked) if sentence is not None]


async def _why_unreachable(tenant: TenantConfig, tool_type: str, app: AppState) -> str | None:
    name = app.plugins.names[tool_type]
    try:
        desk = desk_for(tenant, tool_type, secrets=app.secrets, plugins=app.plugins, http=app.http)
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

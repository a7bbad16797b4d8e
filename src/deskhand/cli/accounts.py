"""Doctor's look at the desks' accounts: whether a connection works with a person's key."""

from __future__ import annotations

import asyncio

from deskhand.cli.common import database
from deskhand.cli.outside import AT_ONCE, SECONDS, active_tenants
from deskhand.errors import DeskhandError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import TicketingToolPlugin
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import check_connection, connected_tools, desk_for


async def account_warnings(installation: Installation) -> tuple[int, list[str]]:
    """How many connections to desks there are, and what is told of the accounts of those that answer."""
    secrets, plugins = SecretBox(installation.encryption_keys), PluginManager.installed()
    http = HttpClientFactory(allow_private=installation.settings.allow_private_addresses)
    desks: list[tuple[str, TicketingToolPlugin]] = []
    async with database(installation) as db:
        async for tenant in active_tenants(db, secrets):
            try:
                tools = sorted(connected_tools(tenant, secrets=secrets, plugins=plugins))
                opened = [desk_for(tenant, one, secrets=secrets, plugins=plugins, http=http) for one in tools]
            # That its connections cannot be read is another check's finding.
            except DeskhandError:
                continue
            desks += [(f"{tenant.tenant_id}: {desk.manifest.name}", desk) for desk in opened]
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(name: str, desk: TicketingToolPlugin) -> list[str]:
        async with turns:
            try:
                async with asyncio.timeout(SECONDS):
                    return [f"{name}: {one}" for one in (await check_connection(desk)).warnings]
            # A desk that is away is no fault of the installation; its page's test says why.
            except (DeskhandError, TimeoutError):
                return []

    told = await asyncio.gather(*(look(name, desk) for name, desk in desks))
    return len(desks), [one for warnings in told for one in warnings]

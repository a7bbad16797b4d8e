"""Which tools a tenant has: the installation's and its own, and which of them its agents can use now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.crypto import SecretBox
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import connected_tools
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.outside import outside_settings
from deskhand.tenants.service import TenantService
from deskhand.tools.catalogue import providers
from deskhand.tools.knowledge import KNOWLEDGE
from deskhand.tools.mail import MAIL
from deskhand.tools.sources import source_providers
from deskhand.tools.values import Provider


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """One tool of a tenant.

    Attributes:
        is_connected: Whether the tenant's agents can use it now.
    """

    provider: Provider
    is_connected: bool


async def offered_tools(
    session: AsyncSession, tenant_id: str, *, secrets: SecretBox, plugins: PluginManager
) -> list[OfferedTool]:
    """Everything an agent of the tenant may be granted.

    Args:
        session: A session of the tenant.
        tenant_id: The tenant.
        secrets: Opens its connections, to see which are complete.
        plugins: The registered desks.
    """
    tenant = await TenantService(session, secrets=secrets, plugins=plugins).get_tenant(tenant_id)
    connected = {*connected_tools(tenant, secrets=secrets, plugins=plugins), KNOWLEDGE.tool_id}
    if mail_settings(tenant, secrets) is not None:
        connected.add(MAIL.tool_id)
    connected |= outside_settings(tenant, secrets).keys()
    sources = await source_providers(session)
    connected |= {one.tool_id for one in sources}
    return [OfferedTool(one, one.tool_id in connected) for one in (*providers(plugins), *sources)]

"""Sources of MCP servers in two states: not read yet, and with a change that waits for somebody."""

from __future__ import annotations

from typing import Any

from tests.support.mcp_servers import scripted

from deskhand.connectors.models import ToolSource
from deskhand.connectors.values import SourceOperation

NOW = "0" * 64
"""Names what the changed one says now."""


async def unread_source(world: Any) -> dict[str, str]:
    """One that has not been read yet, of a server that answers."""
    server, slug = world.servers.enter_context(scripted()), f"s{next(world.tickets)}"
    async with world.api.db.tenant_session("acme") as session:
        session.add(ToolSource(tenant_id="acme", slug=slug, kind="mcp", name="P", configuration={"url": server.url}))
    return {"source": slug, "url": server.url}


def made_source(ids: dict[str, str]) -> dict[str, Any]:
    """Another one of that server, as it is sent."""
    return {"slug": "made", "name": "Made", "url": ids["url"]}


def acceptance(_ids: dict[str, str]) -> dict[str, Any]:
    """Of the change that waits."""
    return {"operations": {"look_up": NOW}}


async def changed_source(world: Any) -> dict[str, str]:
    """One whose tool says something else by now."""
    slug = f"s{next(world.tickets)}"
    now = {"name": "look_up", "description": "Look up.", "is_write": False, "call": {"digest": NOW, "fault": ""}}
    changed = SourceOperation(name="look_up", description="Look up.", is_write=False, call={"changed": now})
    async with world.api.db.tenant_session("acme") as session:
        source = ToolSource(tenant_id="acme", slug=slug, kind="mcp", name="Printers")
        source.operations = [changed.as_stored()]
        session.add(source)
    return {"source": slug}

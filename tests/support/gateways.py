"""Connections to models, for tests that need one to be there."""

from __future__ import annotations

from typing import Any, Protocol

import httpx2


class HasClients(Protocol):
    """A world of a test with an administrator's key and numbers of its own."""

    clients: dict[str, httpx2.AsyncClient]
    tickets: Any


async def connected(client: httpx2.AsyncClient, slug: str = "house", **more: Any) -> dict[str, Any]:
    """A connection of whoever's key the client has; of the embedded model where nothing else is said."""
    wanted = {"slug": slug, "kind": "embedded", "name": "House", **more}
    answer = await client.post("/api/v1/model-connections", json=wanted)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def standing_connection(world: HasClients) -> dict[str, str]:
    """The slug of a connection of its own."""
    slug = f"c{next(world.tickets)}"
    await connected(world.clients["key"], slug)
    return {"connection": slug}


def new_connection(_ids: object) -> dict[str, str]:
    """What is sent to make one."""
    return {"slug": "new", "kind": "embedded", "name": "New"}


def renamed(_ids: object) -> dict[str, str]:
    """What is sent to change one."""
    return {"name": "Another"}

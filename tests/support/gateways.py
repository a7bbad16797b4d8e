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


async def connect_two(admin: httpx2.AsyncClient, platform: httpx2.AsyncClient, tenant: str) -> str:
    """Two connections of a tenant, one of them to be removed; and for acme, two of the platform of the same slugs.

    Returns:
        The slug of the first.
    """
    for slug in (f"models-{tenant}", f"other-models-{tenant}"):
        await connected(admin, slug)
        if tenant == "acme":
            await connected(platform, slug)
    return f"models-{tenant}"


def nothing(_ids: object) -> dict[str, str]:
    """What is sent where the path says it all."""
    return {}


def typed_connection(ids: object) -> dict[str, str]:
    """What is typed to make one."""
    return {**new_connection(ids), "slug": "page"}


CONNECTION_STEPS: dict[str, tuple[Any, ...]] = {
    "POST /api/v1/model-connections": (("model_connection.create",), new_connection),
    "PATCH /api/v1/model-connections/{connection}": (
        ("model_connection.update",),
        renamed,
        "key",
        standing_connection,
    ),
    "POST /api/v1/model-connections/{connection}/test": (
        ("model_connection.test",),
        nothing,
        "key",
        standing_connection,
    ),
    "DELETE /api/v1/model-connections/{connection}": (
        ("model_connection.delete",),
        nothing,
        "key",
        standing_connection,
    ),
    "POST /models": (("model_connection.create",), typed_connection, "ann"),
    "POST /models/{connection}": (("model_connection.update",), renamed, "ann", standing_connection),
    "POST /models/{connection}/test": (("model_connection.test",), nothing, "ann", standing_connection),
    "POST /models/{connection}/remove": (("model_connection.delete",), nothing, "ann", standing_connection),
}
"""By route: what it records, what is sent, who sends it, and what has to be there."""

CONNECTION_ANSWERS = """
steward         GET /api/v1/model-connections
steward         POST /api/v1/model-connections
steward         GET /api/v1/model-connections/{connection}
steward         PATCH /api/v1/model-connections/{connection}
steward         DELETE /api/v1/model-connections/{connection}
steward         POST /api/v1/model-connections/{connection}/test
steward         GET /models
steward         POST /models
steward         GET /models/{connection}
steward         POST /models/{connection}
steward         POST /models/{connection}/test
steward         GET /models/{connection}/remove
steward         POST /models/{connection}/remove
"""
"""Who may call which."""

"""A pause of an agent, for tests that need one to be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import httpx2


class HasAgents(Protocol):
    """A world of a test with an administrator's key."""

    clients: dict[str, httpx2.AsyncClient]

    async def new_agent(self, *steps: str) -> dict[str, str]:
        """The ids of one more agent."""


def new_pause(ids: Mapping[str, str]) -> dict[str, Any]:
    """What is sent to pause an agent."""
    return {"agent_id": ids["agent_id"], "reason": "The desk moves."}


async def standing_pause(world: HasAgents) -> dict[str, str]:
    """The id of a pause that lasts, of an agent of its own."""
    wanted = new_pause(await world.new_agent())
    return {"pause_id": (await world.clients["key"].post("/api/v1/pauses", json=wanted)).json()["id"]}

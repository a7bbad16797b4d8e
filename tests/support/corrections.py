"""A call that a gateway may say something about later."""

from __future__ import annotations

from typing import Any
from uuid import UUID


async def counted_call(world: Any) -> dict[str, str]:
    """A run that ended with one call, which its gateway calls by the run's own id."""
    ids: dict[str, str] = await world.run("completed")
    await world.console.step(
        "acme", UUID(ids["execution_id"]), "model", kind="model", output={"provider_response_id": ids["execution_id"]}
    )
    return ids


def later_figure(ids: dict[str, str]) -> dict[str, Any]:
    """What its gateway says."""
    return {"figures": [{"call_id": ids["execution_id"], "cost_usd": "0.5"}]}


CORRECTION_CALLS = (("POST /api/v1/cost-corrections", ("cost.correct",), later_figure, "key", counted_call),)
"""For the list of all calls that change something: path, operations, body, who, and what is there before."""

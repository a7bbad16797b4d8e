"""What a step used: the word that the model layer tells the engine's journal in, so that neither knows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class StepUsage:
    """What one step consumed. ``cost_usd`` is None where the price is unknown, never 0; ``model`` if one was asked.

    ``moved_on`` says why each model before it in a chain did not answer.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal | None = None
    model: str | None = None
    moved_on: tuple[str, ...] = ()


def call_id_of(response_id: str | None, details: Mapping[str, Any] | None) -> str | None:
    """What a gateway calls a call: the id of its answer, which LiteLLM's spend log has, or else its header's."""
    return response_id or (details or {}).get("call_id") or None

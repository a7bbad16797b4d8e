"""What the catalogue means for a call: how to ask for structured output, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic_ai.profiles import ModelProfile
from pydantic_ai.usage import RequestUsage

from deskhand.llm import catalogue


def profile_of(name: str, settings: Mapping[str, Any] | None = None) -> ModelProfile:
    """How to ask a model for structured output: by JSON schema if it is known to take one, else by a tool.

    Args:
        name: The model.
        settings: Of its calls: an agent's own ``response_format`` takes the place our schema would go to.
    """
    known = catalogue.facts(name)
    own_format = "response_format" in ((settings or {}).get("extra_body") or {})
    native = known is not None and known.supports_json_schema and not own_format
    return ModelProfile(
        supports_json_schema_output=native,
        supports_tools=known is None or known.supports_tools or not native,
        default_structured_output_mode="native" if native else "tool",
    )


def price_of(name: str, usage: RequestUsage) -> Decimal | None:
    """Catalogue price of one call, or None if the price or the usage is unknown."""
    known = catalogue.facts(name)
    if known is None or known.price is None or not (usage.input_tokens or usage.output_tokens):
        return None
    return known.price.cost(
        tokens_in=usage.input_tokens, tokens_out=usage.output_tokens, cached=usage.cache_read_tokens
    )

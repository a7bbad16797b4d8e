"""What the catalogue means for a call: how to ask for structured output, and what it cost."""

from __future__ import annotations

from decimal import Decimal

from pydantic_ai.profiles import ModelProfile
from pydantic_ai.usage import RequestUsage

from deskhand.llm import catalogue


def profile_of(name: str) -> ModelProfile:
    """How to ask a model for structured output: by JSON schema if it is known to take one, else by a tool."""
    known = catalogue.facts(name)
    native = known is not None and known.supports_json_schema
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

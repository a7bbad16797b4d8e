"""The models that agents may use, with what is known of each: to choose from. Pure."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from enum import StrEnum
from functools import cache

from pydantic import BaseModel, Field

from deskhand.llm import catalogue
from deskhand.llm.embedded.models import AUTO, EMBEDDED_MODELS

A_MILLION = 1_000_000


class ModelOrder(StrEnum):
    """How models are listed: best known first, or by what one looks for."""

    KNOWN = "known"
    PRICE = "price"
    WINDOW = "window"
    NAME = "name"


class OfferedModel(BaseModel):
    """One model that an agent may use. What nobody knows of it is null, and never zero."""

    name: str = Field(description="As `llm_config.model` names it.", examples=["gpt-4o"])
    provider: str = Field(description="As `llm_config.provider` names who serves it.", examples=["litellm"])
    input_price: Decimal | None = Field(description="US dollars for a million tokens read.", examples=["2.50"])
    output_price: Decimal | None = Field(description="US dollars for a million tokens written.", examples=["10.00"])
    reads_at_once: int | None = Field(description="Tokens that it can read at once.", examples=[128000])
    writes_at_most: int | None = Field(description="Tokens of its longest answer.", examples=[16384])
    calls_tools: bool | None = Field(description="Whether it calls tools itself.")
    listed: bool = Field(description="Whether a gateway that the tenant may use lists it.")


def offered_models(
    *, listed: Collection[str] = (), q: str = "", order: ModelOrder = ModelOrder.KNOWN
) -> list[OfferedModel]:
    """The models whose name holds every word of ``q``.

    Args:
        listed: What the gateways list that the tenant may use.
        q: Words, in any case.
        order: What comes first; what is not known of a model comes last.
    """
    words = q.casefold().split()
    found = [one for one in _all(listed) if all(word in one.name.casefold() for word in words)]
    match order:
        case ModelOrder.KNOWN:
            # Whoever types a name means it, and not the same model at another vendor.
            found.sort(key=lambda one: not one.name.casefold().startswith(q.strip().casefold()))
        case ModelOrder.PRICE:
            found.sort(key=_by_price)
        case ModelOrder.WINDOW:
            found.sort(key=lambda one: -(one.reads_at_once or 0))
        case ModelOrder.NAME:
            found.sort(key=lambda one: one.name.casefold())
    return found


def offered_model(name: str, *, embedded: bool = False, listed: Collection[str] = ()) -> OfferedModel:
    """What is known of one model, also of one that nobody knows.

    Args:
        name: As an agent names it.
        embedded: Whether it is to be served on this machine.
        listed: What the configured gateway lists.
    """
    known = catalogue.facts(name)
    price = known.price if known else None
    here = embedded or name == AUTO or name in EMBEDDED_MODELS
    return OfferedModel(
        name=name,
        provider="embedded" if here else "litellm",
        input_price=_of_a_million(price.input) if price else None,
        output_price=_of_a_million(price.output) if price else None,
        reads_at_once=catalogue.prompt_window(name, embedded=here),
        writes_at_most=known.max_output_tokens if known else None,
        calls_tools=known.supports_tools if known else None,
        listed=name in listed,
    )


@cache
def _known() -> dict[str, OfferedModel]:
    # Three thousand of them, and the same at every look; what is listed differs between tenants, and is a few.
    return {name: offered_model(name) for name in catalogue.known_names()}


def _all(listed: Collection[str]) -> list[OfferedModel]:
    known = _known() | {name: offered_model(name, listed=listed) for name in listed}
    return [known[name] for name in catalogue.known_names(listed=sorted(listed))]


def _by_price(one: OfferedModel) -> tuple[bool, Decimal]:
    known = one.input_price is not None and one.output_price is not None
    return not known, (one.input_price or Decimal(0)) + (one.output_price or Decimal(0))


def _of_a_million(price: Decimal) -> Decimal:
    return (price * A_MILLION).normalize() + Decimal("0.00")

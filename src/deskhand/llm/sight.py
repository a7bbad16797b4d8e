"""Which model a run's pictures are shown to. Imports no model library.

Whether a model sees is data: the catalogue's, or a tenant's own word, which names the model that reads pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.errors import ConfigurationError
from deskhand.llm import catalogue
from deskhand.llm.config_keys import is_embedded
from deskhand.llm.connection import GatewaySettings, why_not_here
from deskhand.llm.fallbacks import chain_of


def seeing(
    llm_config: Mapping[str, Any], gateway: GatewaySettings, *, named: Mapping[str, Any] | None, may_leave: bool
) -> dict[str, Any] | str:
    """The settings of the model that is shown pictures, with those that are asked where it fails.

    Args:
        llm_config: The agent's.
        gateway: How its models are reached, and which of them may read the ticket.
        named: ``model`` and perhaps ``connection`` of the one that the tenant has read pictures, which is then the
            only one that is asked.
        may_leave: Pictures may go to models outside the house.

    Returns:
        The settings, or why there is none, as the end of a sentence.
    """
    own, triggers = chain_of(llm_config, gateway.rules)
    if named is not None:
        local = {"local_only": True} if llm_config.get("local_only") is True else {}
        own = [{"provider": "litellm", **named, **local}]
    kept: list[dict[str, Any]] = []
    why = ""
    for config in own:
        fault = _why_not(config, gateway, is_said=named is not None, may_leave=may_leave)
        why = why or fault
        if not fault:
            kept.append(config)
    if not kept:
        return why
    first, *others = kept
    fallbacks = [{"model": one["model"], "connection": one.get("connection") or gateway.slug} for one in others]
    return {**first, "fallbacks": fallbacks, "fallback_on": sorted(triggers)}


def _why_not(config: Mapping[str, Any], gateway: GatewaySettings, *, is_said: bool, may_leave: bool) -> str:
    """Why a model is not shown pictures; empty where it may be."""
    try:
        way = gateway.chosen(config)
    except ConfigurationError as error:
        return error.detail.rstrip(".")
    name = way.name_of(str(config.get("model") or ""))
    if way.kind == "embedded" or is_embedded(str(config.get("provider") or ""), name):
        return "the embedded model does not see"
    known = catalogue.facts(name)
    if not is_said and (known is None or not known.sees):
        return f"'{name}' is not known to see"
    if fault := why_not_here(way, config):
        return fault.partition(": ")[0]
    if not may_leave and not way.stays_in_the_house:
        return f"'{name}' is not in the house, and the tenant lets no picture leave it"
    return ""

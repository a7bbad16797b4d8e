"""Whether a model that an agent names is served, asked before the first run finds out."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Mapping
from typing import Any

from deskhand.errors import ConfigurationError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.nearest import what_exists
from deskhand.llm.config_keys import is_embedded
from deskhand.llm.connection import GatewaySettings, list_models, lists, why_not_here
from deskhand.llm.errors import ModelError

NO_WAY = (
    "No way to reach '{name}': set DESKHAND_LLM_BASE_URL to your LiteLLM proxy or another OpenAI-compatible gateway, or"
    " install the extra deskhand[litellm], or choose provider 'embedded'."
)


async def why_unserved(
    llm_config: Mapping[str, Any], gateway: GatewaySettings, http: HttpClientFactory, *, seconds: float
) -> str | None:
    """What a run would meet with this configuration now; None if its model is served, or nobody here can tell.

    Args:
        llm_config: An agent's.
        gateway: How this installation reaches models.
        http: The one door out.
        seconds: How long the gateway may take to answer.
    """
    try:
        gateway = gateway.chosen(llm_config)
    except ConfigurationError as error:
        return error.detail
    name = gateway.name_of(str(llm_config.get("model") or ""))
    try:
        async with asyncio.timeout(seconds):
            if gateway.kind == "embedded" or is_embedded(str(llm_config.get("provider") or ""), name):
                await ask_embedded(gateway, http)
                return None
            if gateway.base_url and gateway.kind != "litellm_sdk":
                listed = await list_models(gateway, http)
                return why_not_here(gateway, llm_config) or _unlisted(name, listed, gateway.slug)
    except TimeoutError:
        return f"What serves models did not answer within {seconds:g} s; runs fail while it does not."
    except ModelError as error:
        return f"What serves models cannot be asked now, and runs fail while it cannot: {error.detail}"
    # Looked for and not imported, because the SDK takes seconds to load.
    is_there = importlib.util.find_spec("litellm") is not None
    return (why_not_here(gateway, llm_config) or None) if is_there else NO_WAY.format(name=name)


async def ask_embedded(gateway: GatewaySettings, http: HttpClientFactory) -> list[str]:
    """What the embedded model's server lists; nothing where nobody here can tell.

    Raises:
        ModelError: It does not answer.
    """
    if gateway.embedded is None:
        return []
    endpoint = gateway.embedded()
    return await list_models(GatewaySettings(base_url=endpoint.base_url, api_key=endpoint.api_key), http)


def _unlisted(name: str, listed: list[str], slug: str) -> str | None:
    if lists(listed, name):
        return None
    who = f"model connection '{slug}'" if slug else "gateway"
    return f"The {who} does not list the model '{name}'; {what_exists(name, listed)}"

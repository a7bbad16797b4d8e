"""Models behind an OpenAI-compatible gateway: a LiteLLM proxy with a virtual key per agent, vLLM, or any other.

``build_model`` is the door: from an agent's ``llm_config`` to a pydantic-ai ``Model``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from deskhand.errors import ConfigurationError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.nearest import what_exists
from deskhand.llm import openai_chat
from deskhand.llm.call_settings import call_settings
from deskhand.llm.chat import ChatTransport
from deskhand.llm.completion import read_cost
from deskhand.llm.config_keys import PROVIDERS, is_embedded
from deskhand.llm.connection import GatewaySettings, operator_factory
from deskhand.llm.details import details
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.litellm_model import LiteLLMModel
from deskhand.llm.modelinfo import price_of, profile_of
from deskhand.llm.served import NO_WAY

COST_HEADER = "x-litellm-response-cost"


def build_model(llm_config: Mapping[str, Any], gateway: GatewaySettings, http: HttpClientFactory) -> Model[Any]:
    """The model an agent's configuration asks for.

    Args:
        llm_config: ``provider`` (``litellm`` or ``embedded``), ``model`` and the settings of a call.
        gateway: How this installation reaches models.
        http: The one door out.

    Raises:
        ConfigurationError: Nothing here can reach such a model; says what to set.
        ModelUnavailableError: The embedded server is not running.
    """
    provider = str(llm_config.get("provider") or "litellm")
    configured = str(llm_config.get("model") or "")
    # The installation may call models by names of its own, so that agents need no change when a model is replaced.
    name = gateway.aliases.get(configured, configured)
    settings = call_settings(llm_config)
    # Before the check of the provider: an alias may lead an agent of any provider to the embedded model.
    if is_embedded(provider, name):
        return _embedded(gateway, http, settings)
    # The one place where a model is made, so that no run can forget to ask.
    if gateway.only_local and not (gateway.is_local and gateway.base_url):
        raise ConfigurationError(
            f"{gateway.only_local}: no model but a local one may read it. Give the agent the embedded model, or set"
            " DESKHAND_LLM_IS_LOCAL where the gateway's models run in your own house."
        )
    if provider not in PROVIDERS:
        raise ConfigurationError(f"'{provider}' serves no models; {what_exists(provider, PROVIDERS)}.")
    if not name:
        raise ConfigurationError("The agent's llm_config names no model. Set llm_config.model, for example 'gpt-4'.")
    if gateway.base_url:
        transport = ChatTransport(
            gateway.base_url,
            api_key=gateway.api_key,
            timeout=gateway.timeout,
            factory=operator_factory(http),
            client=gateway.client,
        )
        return GatewayModel(name, transport, settings=settings)
    return _litellm_sdk(name, gateway, settings)


def _embedded(gateway: GatewaySettings, http: HttpClientFactory, settings: ModelSettings) -> Model[Any]:
    if gateway.embedded is None:
        raise ConfigurationError(
            "This installation has no embedded model running. Run `deskhand models pull`, start a worker with it,"
            " or set DESKHAND_LLM_BASE_URL and choose a model of your gateway."
        )
    # Asked at each run: the server has another port after it was started again.
    endpoint = gateway.embedded()
    transport = ChatTransport(
        endpoint.base_url,
        api_key=endpoint.api_key,
        timeout=gateway.timeout,
        factory=operator_factory(http),
        client=gateway.client,
        what="embedded model",
        advice="It is started again by itself; `deskhand doctor` says whether it answers.",
    )
    return ConstrainedModel(endpoint.model, transport, settings=settings, slot=gateway.embedded_slot)


def _litellm_sdk(name: str, gateway: GatewaySettings, settings: ModelSettings) -> Model[Any]:
    # Looked for and not imported, because the SDK takes seconds to load.
    if importlib.util.find_spec("litellm") is None:
        raise ConfigurationError(NO_WAY.format(name=name))
    return LiteLLMModel(name, api_key=gateway.api_key, timeout=gateway.timeout, settings=settings)


@dataclass(init=False)
class GatewayModel(Model[Any]):
    """One model behind an OpenAI-compatible gateway, with tools, JSON schema, usage and cost."""

    def __init__(
        self,
        name: str,
        transport: ChatTransport,
        *,
        settings: ModelSettings | None = None,
        profile: ModelProfile | None = None,
    ) -> None:
        self._name = name
        self._transport = transport
        super().__init__(settings=settings, profile=profile or profile_of(name, settings))

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return "deskhand-gateway"

    @property
    def base_url(self) -> str:
        return self._transport.base_url

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        body = {
            "model": self._name,
            "messages": openai_chat.to_messages(messages, parameters),
            **openai_chat.request_options(self._name, settings, parameters),
        }
        native = parameters.output_mode == "native"
        answer = await self._transport.chat(body, model=self._name, structured=native)
        completion = answer.completion
        cost = read_cost(answer.headers.get(COST_HEADER))
        # LiteLLM states the price in a header; of any other gateway it is computed from the catalogue, or stays
        # unknown.
        if cost is None:
            cost = price_of(self._name, completion.usage)
        return ModelResponse(
            parts=completion.parts,
            model_name=completion.model or self._name,
            provider_name="deskhand-gateway",
            provider_response_id=completion.ident or None,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            provider_details=details(cost, call_id=answer.headers.get("x-litellm-call-id")),
        )

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

from deskhand.errors import ConfigurationError, DeskhandError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.nearest import what_exists
from deskhand.llm import openai_chat
from deskhand.llm.call_settings import call_settings
from deskhand.llm.chain import ChainModel, Link, told
from deskhand.llm.chat import ChatAnswer, ChatTransport
from deskhand.llm.completion import read_cost
from deskhand.llm.config_keys import PROVIDERS, is_embedded
from deskhand.llm.connection import GatewaySettings, operator_factory, transport_to, why_not_here
from deskhand.llm.details import details
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.errors import ModelBadRequestError, ModelError
from deskhand.llm.fallbacks import chain_of
from deskhand.llm.litellm_model import LiteLLMModel
from deskhand.llm.masked import Masked
from deskhand.llm.modelinfo import price_of, profile_of
from deskhand.llm.parameters import is_unsupported, refused_parameter
from deskhand.llm.places import Place, place_of
from deskhand.llm.served import NO_WAY

MOST_DROPPED = 5
"""Parameters that are left out one after the other; each costs a call that was refused."""
_KEPT = frozenset({"max_tokens", "max_completion_tokens"})  # money was reserved for an answer of this length
COST_HEADER = "x-litellm-response-cost"


def build_model(llm_config: Mapping[str, Any], gateway: GatewaySettings, http: HttpClientFactory) -> Model[Any]:
    """The model an agent's configuration asks for, with those that are asked where it fails.

    Args:
        llm_config: ``provider`` (``litellm`` or ``embedded``), ``model`` and the settings of a call.
        gateway: How models are reached where ``llm_config`` names no connection, and by name the connections.
        http: The one door out.

    Raises:
        ConfigurationError: Nothing here can reach such a model; says what to set.
        ModelUnavailableError: The embedded server is not running.
    """
    configs, triggers = chain_of(llm_config, gateway.rules)
    if len(configs) == 1:
        return _one(configs[0], gateway, http)
    links: list[Link] = []
    missing: list[dict[str, str]] = []
    failure: DeskhandError | None = None
    for config in configs:
        named = str(config.get("connection") or gateway.slug)
        try:
            model = _one(config, gateway, http)
        except (ConfigurationError, ModelError) as error:
            failure = failure or error
            missing.append(told(str(config.get("model") or ""), named, "configuration", error.detail))
            continue
        # Its questions are worded for it alone, and a model that drives could not go on with them.
        if isinstance(model, ConstrainedModel) and not links:
            return model
        links.append(Link(model, named, gateway.chosen(config).breaker))
    if failure is not None and not links:
        raise failure
    return ChainModel(links, triggers=triggers, seconds=gateway.timeout, missing=missing)


def _one(llm_config: Mapping[str, Any], gateway: GatewaySettings, http: HttpClientFactory) -> Model[Any]:
    way = gateway.chosen(llm_config)
    provider = str(llm_config.get("provider") or "litellm")
    # The installation may call models by names of its own, so that agents need no change when a model is replaced.
    name = way.name_of(str(llm_config.get("model") or ""))
    settings = call_settings(llm_config)
    # Before the check of the provider: an alias may lead an agent of any provider to the embedded model.
    if way.kind == "embedded" or is_embedded(provider, name):
        return _embedded(way, http, settings)
    # The one place where a model is made, so that no run can forget to ask.
    if fault := why_not_here(way, llm_config):
        raise ConfigurationError(fault)
    if provider not in PROVIDERS:
        raise ConfigurationError(f"'{provider}' serves no models; {what_exists(provider, PROVIDERS)}.")
    if not name:
        raise ConfigurationError("The agent's llm_config names no model. Set llm_config.model, for example 'gpt-4'.")
    drops = bool(llm_config.get("drop_params"))
    if way.base_url and way.kind != "litellm_sdk":
        transport = transport_to(way, http, ChatTransport)
        model = GatewayModel(name, transport, settings=settings, drops=drops, places=(place_of(way),))
        return _masked(model, way)
    return _masked(_litellm_sdk(name, way, settings, drops=drops), way)


def _masked(model: Model[Any], way: GatewaySettings) -> Model[Any]:
    # What stays in the house needs no mask, and its models are small ones, which would lose themselves in placeholders.
    return model if way.masker is None or way.stays_in_the_house else Masked(model, way.masker)


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


def _litellm_sdk(name: str, gateway: GatewaySettings, settings: ModelSettings, *, drops: bool) -> Model[Any]:
    # Looked for and not imported, because the SDK takes seconds to load.
    if importlib.util.find_spec("litellm") is None:
        raise ConfigurationError(NO_WAY.format(name=name))
    return LiteLLMModel(
        name,
        api_key=gateway.api_key,
        api_base=gateway.base_url,
        timeout=gateway.timeout,
        settings=settings,
        drops=drops,
        places=(place_of(gateway),),
    )


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
        drops: bool = False,
        places: tuple[Place, ...] = (),
    ) -> None:
        self._name = name
        self.places = places
        self._drops = drops
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
        native = parameters.output_mode == "native"
        options = openai_chat.request_options(self._name, settings, parameters)
        chat = openai_chat.to_messages(messages, parameters)
        answer, dropped = await self._ask(chat, options, native=native)
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
            provider_details=details(cost, call_id=answer.headers.get("x-litellm-call-id"), dropped=", ".join(dropped)),
        )

    async def _ask(
        self, chat: list[openai_chat.Message], options: dict[str, Any], *, native: bool
    ) -> tuple[ChatAnswer, list[str]]:
        """The answer, and which of the agent's parameters had to be left out for it."""
        dropped: list[str] = []
        ours = {"tools", "tool_choice", *(("response_format",) if native else ())}
        while True:
            body = {"model": self._name, "messages": chat, **options}
            try:
                return await self._transport.chat(body, model=self._name, structured=native), dropped
            except ModelBadRequestError as error:
                refused = refused_parameter(options.keys() - ours, error.detail)
                # The others of its kind are about the whole request, whatever they quote of it.
                if refused is None or type(error) is not ModelBadRequestError:
                    raise
                may_drop = self._drops and refused not in _KEPT and is_unsupported(error.detail)
                if not may_drop or len(dropped) >= MOST_DROPPED:
                    raise _about(refused, error) from error
                options = {key: value for key, value in options.items() if key != refused}
                dropped.append(refused)


def _about(parameter: str, error: ModelBadRequestError) -> ModelBadRequestError:
    hint = "leave it out or set drop_params" if is_unsupported(error.detail) else "give it another value"
    return ModelBadRequestError(f"The parameter '{parameter}' of llm_config is not taken; {hint}. {error.detail}")

"""Optional: the LiteLLM SDK in this process, for installations without a gateway (extra ``deskhand[litellm]``).

Imported on the first call only: it takes about 10 s of CPU and 180 MB. Keys are passed per call and
never put into the environment. Its exceptions are classified by our own rules, because it reports a
missing key or a dead host as a retryable server error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from deskhand.kit.storable import storable
from deskhand.llm import openai_chat
from deskhand.llm.chat import accept
from deskhand.llm.completion import read_cost
from deskhand.llm.details import details
from deskhand.llm.errors import ModelError, ModelTimeoutError, ModelUnavailableError, redacted
from deskhand.llm.modelinfo import price_of, profile_of
from deskhand.llm.places import Place
from deskhand.llm.transport import classify


@cache
def _litellm() -> Any:
    # Without it the import fetches its price list from the network.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm  # noqa: PLC0415 - optional extra, 10 s of CPU to import

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm


@dataclass(init=False)
class LiteLLMModel(Model[Any]):
    """One model through ``litellm.acompletion``.

    Args:
        name: As LiteLLM routes it, for example ``ollama/llama3`` or ``anthropic/claude-...``.
        api_key: The vendor's key, given with each call.
        api_base: The vendor's address, where it is not the usual one.
        timeout: Seconds one call may take.
        settings: Defaults of each call.
        drops: Leave out what the SDK knows that the vendor does not take.
    """

    def __init__(
        self,
        name: str,
        *,
        api_key: str | None = None,
        api_base: str | None = None,
        timeout: float = 120.0,
        settings: ModelSettings | None = None,
        drops: bool = False,
        places: tuple[Place, ...] = (),
    ) -> None:
        self._name = name
        self.places = places
        self._drops = drops
        self._key = api_key
        self._base = api_base
        self._timeout = timeout
        super().__init__(settings=settings, profile=profile_of(name, settings))

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return "deskhand-litellm"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        settings, parameters = self.prepare_request(model_settings, model_request_parameters)
        options = openai_chat.request_options(self._name, settings, parameters)
        chat = openai_chat.to_messages(messages, parameters)
        answer = await self._complete(chat, options)
        native = parameters.output_mode == "native"
        body = storable(answer.model_dump())
        completion = accept(
            body,
            request=[openai_chat.countable(chat), options],
            where="the vendor",
            model=self._name,
            structured=native,
            secrets=[self._key],
        )
        hidden: Mapping[str, Any] = getattr(answer, "_hidden_params", {})
        cost = read_cost(hidden.get("response_cost"))
        return ModelResponse(
            parts=completion.parts,
            model_name=completion.model or self._name,
            provider_name="deskhand-litellm",
            provider_response_id=completion.ident or None,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            provider_details=details(price_of(self._name, completion.usage) if cost is None else cost),
        )

    async def _complete(self, messages: list[openai_chat.Message], options: dict[str, Any]) -> Any:
        litellm = _litellm()
        # ollama/ sends tools as text to /api/generate; ollama_chat/ has real ones (BerriAI/litellm#35711).
        name = self._name.replace("ollama/", "ollama_chat/", 1) if "tools" in options else self._name
        try:
            return await litellm.acompletion(
                model=name,
                messages=messages,
                api_key=self._key,
                api_base=self._base,
                timeout=self._timeout,
                # The runner alone tries again: it knows the run's time and journal, and the SDK does not.
                num_retries=0,
                **({"drop_params": True} if self._drops else {}),
                **_arguments(options),
            )
        except litellm.exceptions.Timeout as error:
            raise ModelTimeoutError(f"'{self._name}' did not answer within {self._timeout:g} s.") from error
        except litellm.exceptions.APIConnectionError as error:
            raise ModelUnavailableError(f"Could not reach the vendor of '{self._name}': {self._said(error)}") from error
        except tuple(litellm.LITELLM_EXCEPTION_TYPES) as error:
            raise self._classified(error) from error

    def _said(self, error: BaseException) -> str:
        return redacted(str(error), [self._key])

    def _classified(self, error: BaseException) -> ModelError:
        said = self._said(error)
        if "Connection error" in said or "Cannot connect" in said:
            return ModelUnavailableError(f"Could not reach the vendor of '{self._name}': {said}")
        status = int(getattr(error, "status_code", None) or 500)
        # Its way to say that it knows no such model; as a 500 it would be tried again for nothing.
        if "LLM Provider NOT provided" in said:
            status, said = 404, f"model_not_found: {said}"
        return classify(status, said, where="the vendor", model=self._name)


# What ``acompletion`` takes by name and passes on itself; any other key would configure the SDK instead of the call.
_BY_NAME = frozenset({
    "temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "stop", "max_tokens",
    "max_completion_tokens", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort",
    "user", "logit_bias", "verbosity", "service_tier", "thinking", "top_k",
})  # fmt: skip


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    named = {key: value for key, value in options.items() if key in _BY_NAME}
    more = {key: value for key, value in options.items() if key not in _BY_NAME}
    return named | ({"extra_body": more} if more else {})

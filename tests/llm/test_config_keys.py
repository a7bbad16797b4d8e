"""What an agent's ``llm_config`` takes reaches the wire on every adapter, or is refused when it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.llm.conftest import ANSWER

from deskhand.agents.llm_config import LLMConfig
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.config_keys import PROVIDERS, is_embedded
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask, run_agent
from deskhand.llm.reasoning import is_reasoning
from deskhand.simulators.models import LlmSimulator

ADAPTERS = {
    "answers by a tool": {"model": "gpt-4"},
    "answers by our schema": {"model": "gpt-4o"},
    "thinks first": {"model": "gpt-5"},
    "embedded": {"provider": "embedded", "model": "auto"},
}
VALUES: dict[str, Any] = {
    "temperature": 0.3,
    "max_tokens": 77,
    "top_p": 0.5,
    "frequency_penalty": 0.25,
    "presence_penalty": -0.25,
    "stop_sequences": ["END"],
    "response_format": {"type": "text"},
    "seed": 7,
    "top_k": 40,
    "reasoning_effort": "low",
    "max_completion_tokens": 99,
    "unset_by_name": None,
}
OTHER_NAMES = {"stop_sequences": ("stop",), "max_tokens": ("max_tokens", "max_completion_tokens")}
REFUSED = {("thinks first", "temperature"), ("embedded", "response_format")}


def test_every_key_that_has_a_field_is_tried() -> None:
    ours = {"provider", "model", "connection", "fallbacks", "fallback_on", "drop_params", "local_only"}
    assert LLMConfig.model_fields.keys() - ours <= VALUES.keys()


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("key", VALUES)
async def test_a_key_is_sent_or_refused(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, adapter: str, key: str
) -> None:
    sent = {**ADAPTERS[adapter], key: VALUES[key]}
    if (adapter, key) in REFUSED:
        with pytest.raises(ValidationError, match=key):
            LLMConfig.model_validate(sent)
        return
    stored = LLMConfig.model_validate(sent).as_stored()
    assert LLMConfig.model_validate(stored).as_stored() == stored  # what is shown can be sent back
    endpoint = EmbeddedEndpoint(gateway.base_url or "", gateway.api_key or "", "simulated-model")
    here = GatewaySettings(base_url=gateway.base_url, api_key=gateway.api_key, timeout=5.0, embedded=lambda: endpoint)
    await run_agent(AgentTask("Be brief.", "Which?", ANSWER), build_model(stored, here, http), None)
    body = simulator.chats[0].body
    assert VALUES[key] in [body.get(name, ...) for name in OTHER_NAMES.get(key, (key,))], body


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"provider": "litelm", "model": "gpt-4"}, "there are 'litellm', 'embedded'; did you mean 'litellm'"),
        ({"provider": "embedded", "model": "gpt-4"}, "'gpt-4' is not an embedded model; there are 'auto'"),
        ({"model": "gpt-4", "temprature": 1}, "did you mean 'temperature'"),
        ({"model": "gpt-4", "stop": ["x"], "stop_sequences": ["y"]}, "two names of one setting"),
        ({"model": "gpt-4", "max_tokens": 5, "max_completion_tokens": 5}, "two names of one setting"),
        ({"model": "gpt-4", "extra_body": {"temperature": 1}}, "has a field of its own"),
        ({"model": "gpt-4", "extra_body": {"top_k": 1}, "top_k": 2}, "has a field of its own"),
        ({"model": "gpt-4", "extra_body": {"extra_body": {}}}, "has a field of its own"),
        ({"model": "gpt-4", "extra_body": [1]}, "must be an object"),
        ({"model": "gpt-4", "extra_body": {"api_base": "x"}}, "the installation decides"),
        ({"model": "auto", "grammar": "root ::= x"}, "'grammar' is decided by Deskhand"),
        ({"model": "gpt-4", **{f"key_{number}": 1 for number in range(101)}}, "more than 100 keys"),
        ({"model": "gpt-4", "metadata": {"x": "y" * 40_000}}, "larger than"),
        ({"model": "gpt-44"}, "Closest: gpt-4"),
    ],
)
def test_what_would_not_be_done_is_refused_in_words(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LLMConfig.model_validate(config)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["top_k", "top_a", "min_tokens", "repetition_penalty", "logit_bias", "stop"])
def test_keys_of_providers_are_no_slips_of_ours(name: str) -> None:
    assert LLMConfig.model_validate({"model": "gpt-4", name: 1}).as_stored()[name] == 1


def test_defaults_that_a_model_would_not_be_sent_are_not_stored() -> None:
    assert "temperature" not in LLMConfig.model_validate({"model": "gpt-5"}).as_stored()
    assert LLMConfig.model_validate({"model": "gpt-4"}).as_stored()["temperature"] == 0.7
    assert "max_tokens" not in LLMConfig.model_validate({"model": "gpt-4", "max_completion_tokens": 5}).as_stored()


@pytest.mark.parametrize(
    ("model", "thinks", "here"),
    [
        ("o3-mini", True, False),
        ("gpt-5-mini", True, False),
        ("openai/o1", True, False),
        ("gpt-4o", False, False),
        ("ollama/llama3", False, False),
        ("auto", False, True),
        ("qwen2.5-coder-0.5b", False, True),
    ],
)
def test_families_of_models(model: str, *, thinks: bool, here: bool) -> None:
    assert (is_reasoning(model), is_embedded("litellm", model)) == (thinks, here)
    assert is_embedded("embedded", model)
    assert PROVIDERS == ("litellm", "embedded")

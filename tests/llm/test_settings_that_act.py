"""Every accepted key of ``llm_config`` is sent, or refused when it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from tests.llm.conftest import ANSWER

from deskhand.agents.llm_config import LLMConfig
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask, run_agent
from deskhand.simulators.models import LlmSimulator

SENT: dict[str, Any] = {
    "temperature": 0.3,
    "max_tokens": 77,
    "top_p": 0.5,
    "frequency_penalty": 0.25,
    "presence_penalty": -0.25,
    "seed": 7,
    "reasoning_effort": "low",
    "verbosity": "low",
    "top_k": 40,
    "min_p": 0.1,
    "parallel_tool_calls": False,
    "user": "desk-42",
    "logit_bias": {"50256": -100},
    "metadata": {"team": "desk"},
    "response_format": {"type": "json_object"},
    "max_completion_tokens": 99,
    "chat_template_kwargs": {"enable_thinking": False},
    "a_key_of_tomorrow": [1, {"a": None}],
}
REFUSED = ["messages", "tools", "tool_choice", "stream", "n", "functions", "api_base", "base_url",
           "extra_headers", "timeout", "mock_response", "custom_llm_provider", "api_key", "clientSecret",
           "Stream"]  # fmt: skip


@pytest.mark.parametrize("key", SENT)
async def test_an_accepted_key_reaches_the_gateway(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory, key: str
) -> None:
    stored = LLMConfig.model_validate({"model": "gpt-4", key: SENT[key]}).as_stored()
    await run_agent(AgentTask("Be brief.", "Which?", ANSWER), build_model(stored, gateway, http), None)
    body = simulator.chats[0].body
    assert body[key] == SENT[key]
    assert body["model"] == "gpt-4"
    assert body["tools"]


async def test_stop_sequences_are_sent_under_the_name_they_have_there(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    stored = LLMConfig.model_validate({"model": "gpt-4", "stop_sequences": ["END"]}).as_stored()
    await run_agent(AgentTask("Be brief.", "Which?", ANSWER), build_model(stored, gateway, http), None)
    assert simulator.chats[0].body["stop"] == ["END"]


async def test_members_of_extra_body_are_sent_beside_the_others(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    stored = LLMConfig.model_validate({"model": "gpt-4", "extra_body": {"top_k": 3}}).as_stored()
    await run_agent(AgentTask("Be brief.", "Which?", ANSWER), build_model(stored, gateway, http), None)
    assert simulator.chats[0].body["top_k"] == 3
    with pytest.raises(ValueError, match="'stream'"):
        LLMConfig.model_validate({"model": "gpt-4", "extra_body": {"stream": True}})


@pytest.mark.parametrize("key", REFUSED)
def test_what_others_decide_is_refused_by_its_name(key: str) -> None:
    with pytest.raises(ValueError, match=f"'{key}'"):
        LLMConfig.model_validate({"model": "gpt-4", key: "x"})

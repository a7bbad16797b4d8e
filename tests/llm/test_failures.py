"""What a model server's refusal is called, what an agent's settings send, and what calls and prices come to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.usage import RequestUsage

from deskhand.agents.llm_config import LLMConfig
from deskhand.llm.call_settings import KNOWN, call_settings
from deskhand.llm.calls import distinct
from deskhand.llm.config_keys import refusal
from deskhand.llm.details import details
from deskhand.llm.errors import (
    ContextTooLongError,
    ModelAuthError,
    ModelBadRequestError,
    ModelError,
    ModelQuotaError,
    ModelRateLimitedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnknownModelError,
)
from deskhand.llm.modelinfo import price_of, profile_of
from deskhand.llm.transport import classify

WHERE = "the model gateway at Llm.corp.test:4000"


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (401, "", ModelAuthError),
        (403, "", ModelAuthError),
        (500, "litellm.AuthenticationError: no key", ModelAuthError),  # LiteLLM answers 500 for a missing vendor key
        (400, "Incorrect API key provided", ModelAuthError),
        (429, "You exceeded your current quota", ModelQuotaError),
        (400, "ExceededBudget: budget_exceeded", ModelQuotaError),
        (429, "slow down", ModelRateLimitedError),
        (500, "RateLimitError: rate limited", ModelRateLimitedError),
        (400, "rate limit is a word of the prompt", ModelBadRequestError),
        (413, "", ContextTooLongError),
        (400, "This model's maximum context length is 8192", ContextTooLongError),
        (404, "The model `x` does not exist", UnknownModelError),
        (500, "model not found", ModelUnavailableError),
        (408, "", ModelTimeoutError),
        (504, "", ModelTimeoutError),
        (503, "", ModelUnavailableError),
        (400, "content_filter: jailbreak", ModelRefusedError),
        (404, "", ModelBadRequestError),
        (302, "", ModelBadRequestError),
        (422, "bad tool", ModelBadRequestError),
    ],
)
def test_a_failure_is_named_by_its_words_where_gateways_disagree_about_the_status(
    status: int, said: str, error: type[ModelError]
) -> None:
    named = classify(status, said, where=WHERE, model="{gpt}")
    assert type(named) is error
    assert "Llm.corp.test:4000" in named.detail
    assert said in named.detail


@given(st.integers(300, 599), st.text(max_size=40))
def test_every_answer_has_a_name(status: int, said: str) -> None:
    assert isinstance(classify(status, said, where=WHERE, model="m"), ModelError)


def test_how_long_to_wait_goes_with_what_passes_by_itself() -> None:
    assert classify(429, "", where=WHERE, model="m", retry_after=7).retry_after == 7
    assert classify(503, "", where=WHERE, model="m", retry_after=7).retry_after == 7
    assert classify(401, "", where=WHERE, model="m", retry_after=7).retry_after is None


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        ({"provider": "litellm", "model": "m", "temperature": 0.0}, {"temperature": 0.0}),
        ({"top_p": None, "seed": 5}, {"seed": 5}),
        ({"reasoning_effort": "low"}, {"extra_body": {"reasoning_effort": "low"}}),
        ({"extra_body": {"thinking": {"budget": 5}}}, {"extra_body": {"thinking": {"budget": 5}}}),
        ({"extra_body": "odd", "top_k": 3}, {"extra_body": {"top_k": 3}}),
        # a known key means the same beside the others and among "these too"; the outer one is the one that is shown
        ({"extra_body": {"seed": 5, "top_k": 1}}, {"seed": 5, "extra_body": {"top_k": 1}}),
        ({"seed": 1, "extra_body": {"seed": 5}}, {"seed": 1}),
        ({"seed": None, "extra_body": {"seed": 5}}, {}),
        # what a version of long ago may still hold
        ({"api_key": "x", "messages": [], "base_url": "http://x"}, {}),
        ({}, {}),
    ],
)
def test_every_key_of_an_agent_goes_with_the_call_or_may_not_stand_there(
    config: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert dict(call_settings(config)) == sent


@pytest.mark.parametrize("name", ["temperature", "max_tokens", "model", "stop_sequences"])
def test_a_field_cannot_be_set_a_second_time_where_it_would_not_be_sent(name: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' has a field of its own"):
        LLMConfig.model_validate({"model": "gpt-4", "extra_body": {name: 1}})


@pytest.mark.parametrize("key", [*KNOWN, "reasoning_effort", "top_k", "response_format", "max_completion_tokens"])
def test_what_words_an_answer_is_the_agents(key: str) -> None:
    assert refusal(key) is None


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("messages", "decided by Deskhand"),
        (" Tools ", "decided by Deskhand"),
        ("STREAM", "decided by Deskhand"),
        ("api_base", "where or how"),
        ("extra_headers", "where or how"),
        ("api_key", "credential"),
        ("azure_ad_token", "credential"),
        ("clientSecret", "credential"),
    ],
)
def test_what_is_not_the_agents_is_refused_with_its_reason(key: str, why: str) -> None:
    assert why in str(refusal(key))


def _call(ident: str) -> ToolCallPart:
    return ToolCallPart("search", {"q": "x"}, tool_call_id=ident)


def test_calls_that_a_gateway_numbers_from_zero_each_turn_have_ids_of_their_own() -> None:
    first = distinct([_call("call_0"), _call("call_0"), TextPart("and")], [])
    second = distinct([_call("call_0")], [ModelResponse(parts=first)])
    ids = [part.tool_call_id for part in (*first, *second) if isinstance(part, ToolCallPart)]
    assert ids[0] == "call_0"
    assert len(set(ids)) == 3
    assert all(ident.isalnum() and len(ident) == 9 for ident in ids[1:])
    assert first[2] == TextPart("and")


def test_the_same_answer_gets_the_same_ids_when_a_run_is_resumed() -> None:
    spoken = [ModelResponse(parts=[_call("a")])]
    assert distinct([_call("a"), _call("")], spoken) == distinct([_call("a"), _call("")], spoken)


@given(st.lists(st.sampled_from(["", "a", "b", "call_0"]), max_size=12))
def test_no_id_is_used_twice(wanted: list[str]) -> None:
    spoken: list[ModelResponse] = []
    for ident in wanted:
        spoken.append(ModelResponse(parts=distinct([_call(ident), _call(ident)], spoken)))
    ids = [part.tool_call_id for message in spoken for part in message.parts if isinstance(part, ToolCallPart)]
    assert len(set(ids)) == len(ids)
    assert all(ids)


def test_money_is_never_a_float_and_an_unknown_price_never_zero() -> None:
    assert details(Decimal("0.0000001"), model="m", reason=None) == {"model": "m", "cost_usd": "0.0000001"}
    assert details(None) == {}
    assert price_of("nobody/knows-this", RequestUsage(input_tokens=10)) is None
    assert price_of("gpt-4", RequestUsage()) is None
    price = price_of("gpt-4", RequestUsage(input_tokens=1000, output_tokens=100))
    assert price is not None
    assert price > 0


def test_a_model_nobody_knows_is_asked_for_structure_by_a_tool() -> None:
    assert profile_of("nobody/knows-this")["default_structured_output_mode"] == "tool"
    assert profile_of("nobody/knows-this")["supports_tools"]

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.llm.conftest import ANSWER, KEY, TICKET_ARGS, lookup

from deskhand.errors import ConfigurationError
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings, list_models, open_client
from deskhand.llm.errors import (
    ContextTooLongError,
    InvalidOutputError,
    ModelAuthError,
    ModelBadRequestError,
    ModelError,
    ModelQuotaError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnknownModelError,
)
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentOutcome, AgentTask, run_agent
from deskhand.simulators.models import LlmSimulator, Reply

OK = Reply(content={"category": "access"})


async def ask(
    gateway: GatewaySettings, http: HttpClientFactory, *, model: str = "gpt-4o", calls: Any = None, **config: Any
) -> AgentOutcome:
    built = build_model({"provider": "litellm", "model": model, **config}, gateway, http)
    tools = [lookup(calls)] if calls is not None else []
    return await run_agent(AgentTask("Be brief.", "Which category?", ANSWER, tools=tools), built, None)


async def test_a_call_carries_key_settings_and_schema(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.append(OK)
    outcome = await ask(
        gateway, http, temperature=0.2, max_tokens=300, top_p=0.9, frequency_penalty=0.5, stop_sequences=["END"]
    )
    assert outcome.output == {"category": "access"}
    (request,) = simulator.chats
    body = request.body
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Which category?"},
    ]
    sent = {key: body[key] for key in ("model", "temperature", "max_tokens", "top_p", "frequency_penalty", "stop")}
    assert sent == {
        "model": "gpt-4o",
        "temperature": 0.2,
        "max_tokens": 300,
        "top_p": 0.9,
        "frequency_penalty": 0.5,
        "stop": ["END"],
    }
    assert body["response_format"]["json_schema"]["schema"]["properties"] == ANSWER["properties"]


async def test_tools_are_called_and_their_results_go_back(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.extend([Reply(tool_calls=(("get_ticket", {"ticket_id": "INC-7"}),)), OK])
    calls: list[dict[str, Any]] = []
    outcome = await ask(gateway, http, calls=calls)
    assert calls == [{"ticket_id": "INC-7"}]
    assert (outcome.usage.requests, outcome.usage.tool_calls) == (2, 1)
    first, second = simulator.chats
    assert first.body["tools"][0]["function"]["parameters"] == TICKET_ARGS
    assistant, result = second.body["messages"][-2:]
    assert assistant["tool_calls"][0]["id"] == result["tool_call_id"]
    assert "subject of INC-7" in result["content"]


async def test_a_model_without_json_schema_answers_through_a_tool(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    outcome = await ask(gateway, http, model="gpt-4")
    assert outcome.output == {"category": "network"}  # the simulator takes the first of the enum
    assert outcome.usage.tool_calls == 0  # giving the answer is not a tool call of the task
    body = simulator.chats[0].body
    assert "response_format" not in body
    assert body["tool_choice"] == "required"


async def test_the_gateways_own_cost_wins(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.append(Reply(content=OK.content, headers={"x-litellm-response-cost": "0.00123"}))
    assert (await ask(gateway, http)).cost_usd == Decimal("0.00123")


async def test_without_it_the_catalogue_price_counts(gateway: GatewaySettings, http: HttpClientFactory) -> None:
    outcome = await ask(gateway, http)
    usage = outcome.usage
    assert outcome.cost_usd == usage.tokens_in * Decimal("0.0000025") + usage.tokens_out * Decimal("0.00001")


async def test_an_unknown_price_is_none(gateway: GatewaySettings, http: HttpClientFactory) -> None:
    outcome = await ask(gateway, http, model="our-own-finetune")
    assert outcome.cost_usd is None
    assert outcome.usage.tokens_in > 0


async def test_a_retired_name_goes_where_the_alias_says(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    aliased = GatewaySettings(
        base_url=gateway.base_url, api_key=KEY, aliases={"claude-3-5-sonnet": "claude-sonnet-4-5"}
    )
    await ask(aliased, http, model="claude-3-5-sonnet")
    assert simulator.chats[0].body["model"] == "claude-sonnet-4-5"


async def test_reasoning_models_get_the_parameter_they_accept(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    await ask(gateway, http, model="gpt-5", max_tokens=99, temperature=0.1)
    body = simulator.chats[0].body
    assert body["max_completion_tokens"] == 99
    assert not {"max_tokens", "temperature"} & body.keys()


LEAK = "sk-live-abcdef123456"
FAULTS: list[tuple[Reply, type[ModelError], bool]] = [
    (Reply(status=401, error={"message": f"Incorrect API key provided: {LEAK}"}), ModelAuthError, False),
    (Reply(status=403, error={"message": "key not allowed to access model"}), ModelAuthError, False),
    (Reply(status=500, error={"message": "litellm.AuthenticationError: missing key"}), ModelAuthError, False),
    (Reply(status=429, error={"message": "Rate limit reached"}), ModelRateLimitedError, True),
    (Reply(status=429, error={"message": "no money", "code": "insufficient_quota"}), ModelQuotaError, False),
    (Reply(status=400, error={"message": "Budget has been exceeded! Current cost: 1"}), ModelQuotaError, False),
    (
        Reply(status=400, error={"message": "maximum context length is 8192", "code": "context_length_exceeded"}),
        ContextTooLongError,
        False,
    ),
    (Reply(status=404, error={"message": "The model `x` does not exist"}), UnknownModelError, False),
    (Reply(status=404, raw=b"<html>nothing here</html>"), ModelBadRequestError, False),
    (Reply(status=400, error={"message": "temperature must be below 2"}), ModelBadRequestError, False),
    (Reply(status=500, error={"message": "boom"}), ModelUnavailableError, True),
    (Reply(status=503, raw=b"upstream down"), ModelUnavailableError, True),
    (Reply(raw=b"<html>a login page</html>"), ModelUnavailableError, True),
    (Reply(raw=b'{"choices": []}'), ModelUnavailableError, True),
    (Reply(raw=b'{"error": {"message": "Rate limit", "code": "rate_limit"}}'), ModelRateLimitedError, True),
    (Reply(hang_up=True), ModelUnavailableError, True),
]


@pytest.mark.parametrize(("reply", "expected", "retryable"), FAULTS)
async def test_every_fault_has_a_name_a_host_and_no_key(
    simulator: LlmSimulator,
    gateway: GatewaySettings,
    http: HttpClientFactory,
    reply: Reply,
    expected: type[ModelError],
    retryable: bool,
) -> None:
    simulator.replies.append(reply)
    with pytest.raises(ModelError) as caught:
        await ask(gateway, http)
    assert type(caught.value) is expected
    assert caught.value.retryable is retryable
    assert "127.0.0.1:" in caught.value.detail
    assert KEY not in caught.value.detail
    assert LEAK not in caught.value.detail


async def test_retry_after_is_passed_on(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.append(Reply(status=429, headers={"retry-after": "17"}, error={"message": "slow down"}))
    with pytest.raises(ModelRateLimitedError) as caught:
        await ask(gateway, http)
    assert caught.value.retry_after == 17.0


async def test_a_wrong_key_is_refused_by_the_gateway(simulator: LlmSimulator, http: HttpClientFactory) -> None:
    wrong = GatewaySettings(base_url=simulator.base_url, api_key="sk-wrong")
    with pytest.raises(ModelAuthError, match="DESKHAND_LLM_API_KEY"):
        await ask(wrong, http)


async def test_no_answer_in_time(simulator: LlmSimulator, http: HttpClientFactory) -> None:
    simulator.replies.append(Reply(delay=60))
    hasty = GatewaySettings(base_url=simulator.base_url, api_key=KEY, timeout=0.2)
    with pytest.raises(ModelTimeoutError, match=r"did not answer within 0\.2 s"):
        await ask(hasty, http)


async def test_nobody_listens(http: HttpClientFactory) -> None:
    async with LlmSimulator() as gone:
        url = gone.base_url
    with pytest.raises(ModelUnavailableError, match="DESKHAND_LLM_BASE_URL"):
        await ask(GatewaySettings(base_url=url), http)


async def test_a_shared_client_is_used_and_left_open(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    client = open_client(gateway, http)
    async with client:
        shared = GatewaySettings(base_url=gateway.base_url, api_key=KEY, client=client)
        await ask(shared, http)
        await ask(shared, http)
        assert not client.is_closed
    assert len(simulator.chats) == 2


async def test_models_of_the_gateway(gateway: GatewaySettings, http: HttpClientFactory) -> None:
    assert await list_models(gateway, http) == ["simulated-model"]
    assert await list_models(GatewaySettings(), http) == []


def test_what_cannot_be_built_says_what_to_set(http: HttpClientFactory) -> None:
    with pytest.raises(ConfigurationError, match="deskhand models pull"):
        build_model({"provider": "embedded", "model": "auto"}, GatewaySettings(), http)
    with pytest.raises(ConfigurationError, match="'litellm', 'embedded'"):
        build_model({"provider": "magic", "model": "x"}, GatewaySettings(), http)
    with pytest.raises(ConfigurationError, match="names no model"):
        build_model({"provider": "litellm"}, GatewaySettings(base_url="http://127.0.0.1:1/v1"), http)


def test_keys_do_not_show_in_reprs(gateway: GatewaySettings) -> None:
    assert KEY not in repr(gateway)


async def test_output_is_corrected_twice_and_then_given_up(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.extend([Reply(content={"category": "plumbing"}), OK])
    assert (await ask(gateway, http)).output == {"category": "access"}
    assert '"plumbing" is not one of' in simulator.chats[1].body["messages"][-1]["content"]

    simulator.replies.extend([Reply(content={"category": "plumbing"})] * 3)
    with pytest.raises(InvalidOutputError, match="after 2 corrections"):
        await ask(gateway, http)
    assert len(simulator.chats) == 5


async def test_wrong_arguments_go_back_to_the_model(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    simulator.replies.extend([Reply(tool_calls=(("get_ticket", {"id": 1}),)), OK])
    calls: list[dict[str, Any]] = []
    await ask(gateway, http, calls=calls)
    assert calls == []
    assert "ticket_id" in simulator.chats[1].body["messages"][-1]["content"]


async def test_a_model_is_abandoned_at_the_task_s_deadline(
    simulator: LlmSimulator, gateway: GatewaySettings, http: HttpClientFactory
) -> None:
    model = build_model({"model": "gpt-4o"}, gateway, http)
    with pytest.raises(ModelTimeoutError, match="share of the run's time"):
        await run_agent(AgentTask("Be brief.", "Hello.", ANSWER, deadline=0.0), model, None)
    assert simulator.chats == []

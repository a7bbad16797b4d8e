from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from tests.llm.conftest import ANSWER, KEY, lookup

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.constrained import bounded
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import InvalidOutputError, ModelUnavailableError
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentOutcome, AgentTask, run_agent
from deskhand.simulators.models import LlmSimulator, Reply


async def ask(simulator: LlmSimulator, http: HttpClientFactory, calls: list[Any] | None = None) -> AgentOutcome:
    endpoint = EmbeddedEndpoint(simulator.base_url, KEY, "qwen2.5-coder-1.5b")
    model = build_model({"provider": "embedded", "model": "auto"}, GatewaySettings(embedded=lambda: endpoint), http)
    tools = [] if calls is None else [lookup(calls)]
    return await run_agent(AgentTask("Be brief.", "Which category?", ANSWER, tools=tools), model, None)


async def test_without_tools_the_grammar_is_the_answer_itself(simulator: LlmSimulator, http: HttpClientFactory) -> None:
    outcome = await ask(simulator, http)
    assert outcome.output == {"category": "network"}
    assert outcome.cost_usd == 0  # runs here: nobody bills it
    body = simulator.chats[0].body
    assert body["response_format"]["json_schema"]["schema"]["properties"]["category"]["enum"] == ["network", "access"]
    assert "tools" not in body


async def test_a_server_that_is_gone_sends_nobody_to_a_gateways_settings(http: HttpClientFactory) -> None:
    gone = EmbeddedEndpoint("http://127.0.0.1:9/v1", KEY, "qwen2.5-coder-1.5b")
    model = build_model({"provider": "embedded", "model": "auto"}, GatewaySettings(embedded=lambda: gone), http)
    with pytest.raises(ModelUnavailableError, match="started again by itself") as refused:
        await run_agent(AgentTask("Be brief.", "Which category?", ANSWER), model, None)
    assert "DESKHAND_LLM_BASE_URL" not in str(refused.value)


async def test_a_tool_call_is_one_alternative_of_the_grammar(simulator: LlmSimulator, http: HttpClientFactory) -> None:
    simulator.replies.extend(
        [
            Reply(content={"tool": "get_ticket", "args": {"ticket_id": "INC-7"}}),
            Reply(content={"tool": "answer", "args": {"category": "access"}}),
        ]
    )
    calls: list[dict[str, Any]] = []
    outcome = await ask(simulator, http, calls)
    assert outcome.output == {"category": "access"}
    assert calls == [{"ticket_id": "INC-7"}]
    first, second = (request.body for request in simulator.chats)
    grammar = first["response_format"]["json_schema"]["schema"]
    for valid in (
        {"tool": "get_ticket", "args": {"ticket_id": "1"}},
        {"tool": "answer", "args": {"category": "network"}},
    ):
        jsonschema.validate(valid, grammar)
    for wrong in ({"tool": "delete_all", "args": {}}, {"tool": "answer", "args": {"category": "plumbing"}}, {}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, grammar)
    assert "get_ticket(ticket_id): Read one ticket" in first["messages"][0]["content"]
    called, result = second["messages"][-2:]
    assert json.loads(called["content"]) == {"tool": "get_ticket", "args": {"ticket_id": "INC-7"}}
    assert result["content"].startswith("RESULT ")


async def test_an_answer_that_was_cut_off_is_named(simulator: LlmSimulator, http: HttpClientFactory) -> None:
    simulator.replies.append(Reply(content='{"category": "netw'))
    with pytest.raises(InvalidOutputError, match="not JSON"):
        await ask(simulator, http)


def test_free_strings_get_a_length_and_objects_are_closed() -> None:
    schema = bounded(
        {
            "type": "object",
            "title": "T",
            "properties": {
                "free": {"type": "string", "description": "d"},
                "own": {"type": "string", "maxLength": 9},
                "picked": {"type": "string", "enum": ["a"]},
                "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
            },
        }
    )
    assert schema["additionalProperties"] is False
    assert schema["properties"]["free"] == {"type": "string", "maxLength": 240}
    assert schema["properties"]["own"]["maxLength"] == 9
    assert "maxLength" not in schema["properties"]["picked"]
    assert schema["properties"]["list"]["items"]["additionalProperties"] is False
    assert "title" not in schema

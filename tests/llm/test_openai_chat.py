"""The chat form of a conversation, as OpenAI's reference has it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai.messages import (
    InstructionPart,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition

from deskhand.llm.openai_chat import request_options, to_messages

SEARCH = ToolDefinition(name="search", description="Finds.", parameters_json_schema={"type": "object"})
ANSWER = OutputObjectDefinition(json_schema={"type": "object"}, name="note")


def _parameters(**how: Any) -> ModelRequestParameters:
    return ModelRequestParameters(**how)


def test_a_conversation_keeps_its_order_its_roles_and_the_ids_of_its_calls() -> None:
    call = ToolCallPart("search", {"q": "vpn"}, tool_call_id="c1")
    messages = [
        ModelRequest(parts=[SystemPromptPart("Be short."), UserPromptPart("Help.")]),
        ModelResponse(parts=[ThinkingPart("hm"), TextPart("Let me "), TextPart("look."), call]),
        ModelRequest(parts=[ToolReturnPart("search", {"hits": 2}, tool_call_id="c1")]),
        ModelRequest(parts=[ToolReturnPart("search", "no such id", tool_call_id="c1", outcome="retried")]),
    ]
    chat = to_messages(messages, _parameters())
    assert [one["role"] for one in chat] == ["system", "user", "assistant", "tool", "tool"]
    assert chat[2]["content"] == "Let me look."
    assert chat[2]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q":"vpn"}'}}
    ]
    assert chat[3] == {"role": "tool", "tool_call_id": "c1", "content": '{"hits":2}'}
    assert chat[4]["tool_call_id"] == "c1"
    assert "no such id" in chat[4]["content"]


def test_an_answer_of_calls_alone_has_no_text() -> None:
    [said] = to_messages([ModelResponse(parts=[ToolCallPart("search", "{}", tool_call_id="c")])], _parameters())
    assert said["content"] is None


def test_instructions_come_first_and_are_the_newest() -> None:
    older = ModelRequest(parts=[UserPromptPart("a")], instructions="Old.")
    newer = ModelRequest(parts=[UserPromptPart("b")], instructions="New.")
    assert to_messages([older, newer], _parameters())[0] == {"role": "system", "content": "New."}
    parts = [InstructionPart(content="One."), InstructionPart(content="Two.")]
    assert to_messages([older], _parameters(instruction_parts=parts))[0]["content"] == "One.\n\nTwo."
    assert to_messages([ModelRequest(parts=[UserPromptPart("a")])], _parameters())[0]["role"] == "user"


def test_a_prompt_of_several_parts_is_sent_whole() -> None:
    [asked] = to_messages([ModelRequest(parts=[UserPromptPart(["one", "two"])])], _parameters())
    assert "one" in asked["content"]
    assert "two" in asked["content"]


@pytest.mark.parametrize(
    ("model", "name", "has_temperature"),
    [
        ("gpt-4", "max_tokens", True),
        ("o3-mini", "max_completion_tokens", False),
        ("openai/gpt-5", "max_completion_tokens", False),
        ("azure/o1", "max_completion_tokens", False),
        ("ollama/olmo", "max_tokens", True),
        ("gpt-4o", "max_tokens", True),
    ],
)
def test_a_family_that_refuses_a_key_is_not_sent_it(model: str, name: str, has_temperature: bool) -> None:
    body = request_options(model, {"max_tokens": 10, "temperature": 0.5}, _parameters())
    assert body[name] == 10
    assert ("temperature" in body) is has_temperature
    assert len(body) == 1 + has_temperature


def test_settings_are_sent_as_they_are_and_what_is_not_set_is_the_models_own() -> None:
    settings: Any = {"seed": 5, "top_p": None, "stop_sequences": ["END"], "extra_body": {"top_k": 3, "seed": 9}}
    assert request_options("m", settings, _parameters()) == {"top_k": 3, "seed": 5, "stop": ["END"]}
    assert request_options("m", None, _parameters()) == {}
    both: Any = {"max_tokens": 10, "extra_body": {"max_completion_tokens": 7}}
    assert request_options("m", both, _parameters()) == {"max_completion_tokens": 7}


def test_tools_are_offered_and_an_answer_is_demanded_where_text_is_none() -> None:
    free = request_options("m", None, _parameters(function_tools=[SEARCH], allow_text_output=True))
    assert (free["tool_choice"], free["tools"][0]["function"]["name"]) == ("auto", "search")
    bound = request_options("m", None, _parameters(output_tools=[SEARCH], allow_text_output=False))
    assert bound["tool_choice"] == "required"


def test_a_model_that_takes_a_schema_is_given_it_and_another_is_not() -> None:
    parameters = _parameters(
        function_tools=[SEARCH], output_mode="native", output_object=ANSWER, allow_text_output=False
    )
    body = request_options("m", None, parameters)
    assert body["response_format"]["json_schema"] == {"name": "note", "schema": {"type": "object"}}
    assert body["tool_choice"] == "auto"  # demanded, it could never give the answer
    assert "response_format" not in request_options("m", None, parameters, json_schema=False)

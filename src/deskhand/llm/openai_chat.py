"""The OpenAI chat-completions form of pydantic-ai's messages; ``llm.completion`` reads the answers. No network here.

Source of the wire format: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from deskhand.llm.reasoning import is_reasoning

Message = dict[str, Any]

USUAL_PICTURE_BYTES = 6_000
"""Of a text with about as many tokens as vendors count for a screenshot in detail: 1,100 to 2,000."""
SETTINGS = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")


def to_messages(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> list[Message]:
    """The conversation as chat messages, instructions first."""
    out: list[Message] = []
    instructions = _instructions(messages, parameters)
    if instructions:
        out.append({"role": "system", "content": instructions})
    for message in messages:
        if isinstance(message, ModelRequest):
            out.extend(_request_part(part) for part in message.parts)
        else:
            out.append(_assistant(message))
    return out


def _instructions(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> str:
    if parameters.instruction_parts:
        return "\n\n".join(part.content for part in parameters.instruction_parts)
    # The newest: instructions may change between the steps of one run, and the last ones hold.
    requests = (message for message in reversed(messages) if isinstance(message, ModelRequest))
    return next((request.instructions for request in requests if request.instructions), "")


def _request_part(part: ModelRequestPart) -> Message:
    if isinstance(part, SystemPromptPart):
        return {"role": "system", "content": part.content}
    if isinstance(part, UserPromptPart):
        return {"role": "user", "content": _user_content(part.content)}
    if isinstance(part, ToolReturnPart):
        return {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.model_response_str()}
    if isinstance(part, RetryPromptPart):
        if part.tool_name is None:
            return {"role": "user", "content": part.model_response()}
        # As the answer of the call it is about: servers refuse a conversation in which a call has none.
        return {"role": "tool", "tool_call_id": part.tool_call_id, "content": part.model_response()}
    return {"role": "user", "content": str(getattr(part, "content", ""))}


def _user_content(content: str | Sequence[UserContent]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    # As parts only where there is a picture: some servers take nothing but a text.
    if not any(isinstance(one, BinaryContent) and one.is_image for one in content):
        return json.dumps(content, default=str)
    return [_content_part(one) for one in content]


def _content_part(one: UserContent) -> dict[str, Any]:
    if isinstance(one, BinaryContent) and one.is_image:
        # Whoever asks for words in a picture needs all of it; servers that know no detail leave the word out.
        return {"type": "image_url", "image_url": {"url": one.data_uri, "detail": "high"}}
    return {"type": "text", "text": one if isinstance(one, str) else json.dumps(one, default=str)}


def countable(messages: Sequence[Message]) -> list[Message]:
    """Messages to estimate tokens by: a picture's are not those of its bytes as a text."""
    return [
        {**message, "content": [_weighed(part) for part in message["content"]]}
        if isinstance(message.get("content"), list)
        else message
        for message in messages
    ]


def _weighed(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "image_url", "image_url": "x" * USUAL_PICTURE_BYTES} if part.get("type") == "image_url" else part


def _assistant(message: ModelResponse) -> Message:
    text = "".join(part.content for part in message.parts if isinstance(part, TextPart))
    calls = [
        {
            "id": part.tool_call_id,
            "type": "function",
            "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
        }
        for part in message.parts
        if isinstance(part, ToolCallPart)
    ]
    # Null and not empty beside calls, as the format has it; some servers refuse an empty text.
    out: Message = {"role": "assistant", "content": text or None}
    if calls:
        out["tool_calls"] = calls
    return out


def request_options(
    model: str, settings: ModelSettings | None, parameters: ModelRequestParameters, *, json_schema: bool = True
) -> dict[str, Any]:
    """Everything of the request body besides model and messages."""
    values: Mapping[str, Any] = settings or {}
    body: dict[str, Any] = {name: values[name] for name in SETTINGS if values.get(name) is not None}
    extra = values.get("extra_body")
    if isinstance(extra, dict):
        # What an agent says in settings of its own goes before what it adds to the body.
        body = {**extra, **body}
    if values.get("stop_sequences"):
        body["stop"] = values["stop_sequences"]
    reasoning = is_reasoning(model)
    if reasoning:
        # Reasoning models answer 400 to a temperature, and to max_tokens under its old name.
        body.pop("temperature", None)
    if values.get("max_tokens") and "max_completion_tokens" not in body:
        body["max_completion_tokens" if reasoning else "max_tokens"] = values["max_tokens"]
    tools = [_tool(tool) for tool in (*parameters.function_tools, *parameters.output_tools)]
    if tools:
        body["tools"] = tools
        # Where only a tool may answer, the model must be held to one: it would chat instead.
        body["tool_choice"] = "auto" if parameters.allow_text_output else "required"
    if json_schema and parameters.output_mode == "native" and parameters.output_object is not None:
        if tools:
            body["tool_choice"] = "auto"
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {
                "name": parameters.output_object.name or "output",
                "schema": parameters.output_object.json_schema,
            },
        }
    return body


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description or "",
            "parameters": tool.parameters_json_schema,
        },
    }

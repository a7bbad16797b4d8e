"""Tool calls and structured output for small models that cannot do either by themselves.

Native ``tools`` are broken on the embedded models (their templates ignore them, or they write the call
into the text). What every model can do is fill one JSON schema, because the server's grammar allows
nothing else: so each request offers ``anyOf`` over ``{"tool": name, "args": ...}``, and the one object
that comes back is mapped to a tool call or to the final output. Strings are bounded, because tiny
models ramble; the order of keys is kept, so put what decides first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from deskhand.kit.storable import UnreadableJsonError, read_json
from deskhand.llm import openai_chat
from deskhand.llm.chat import ChatTransport
from deskhand.llm.details import details
from deskhand.llm.errors import InvalidOutputError

FINAL = "answer"
_STRING_LIMIT = 240
_TEXT_LIMIT = 600
_DROPPED = ("title", "description", "default", "examples", "format")
Schema = dict[str, Any]


def bounded(schema: Mapping[str, Any]) -> Schema:
    """The schema with every object closed and every free string given a length."""
    # What only describes is dropped: the grammar has no use for it.
    out: Schema = {key: value for key, value in schema.items() if key not in _DROPPED}
    if isinstance(out.get("properties"), dict):
        out["properties"] = {name: bounded(part) for name, part in out["properties"].items()}
        out.setdefault("additionalProperties", False)
    if isinstance(out.get("items"), dict):
        out["items"] = bounded(out["items"])
    for union in ("anyOf", "oneOf"):
        if isinstance(out.get(union), list):
            out[union] = [bounded(part) for part in out[union]]
    if out.get("type") == "string" and not {"enum", "const", "pattern"} & out.keys():
        out.setdefault("maxLength", _STRING_LIMIT)
    return out


def call_schema(name: str, args: Mapping[str, Any]) -> Schema:
    """One alternative: this tool with these arguments."""
    return {
        "type": "object",
        "properties": {"tool": {"const": name}, "args": bounded(args)},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def answer_schema(parameters: ModelRequestParameters) -> Schema | None:
    """What the final answer may look like, or None if it comes through an output tool."""
    if parameters.output_mode == "native" and parameters.output_object is not None:
        return bounded(parameters.output_object.json_schema)
    if parameters.allow_text_output:
        text = {"type": "string", "maxLength": _TEXT_LIMIT}
        return {"type": "object", "properties": {"text": text}, "required": ["text"], "additionalProperties": False}
    return None


@dataclass(init=False)
class ConstrainedModel(Model[Any]):
    """A small model behind a llama.cpp server; every answer is one JSON object its grammar enforces."""

    def __init__(
        self,
        name: str,
        transport: ChatTransport,
        *,
        settings: ModelSettings | None = None,
        slot: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        self._name = name
        self._slot = slot or asyncio.Semaphore(1)
        self._transport = transport
        profile = ModelProfile(supports_json_schema_output=True, default_structured_output_mode="native")
        super().__init__(settings=settings, profile=profile)

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def system(self) -> str:
        return "deskhand-embedded"

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
        tools = [*parameters.function_tools, *parameters.output_tools]
        final = answer_schema(parameters)
        alternatives = [call_schema(tool.name, tool.parameters_json_schema) for tool in tools]
        if tools and final is not None:
            # The answer is one more alternative, so that the grammar lets the model choose between going on and ending.
            alternatives.append(call_schema(FINAL, final))
        # A schema alone, without tools, is filled directly: two keys less for the model to get through.
        schema = {"anyOf": alternatives} if alternatives else final
        chat = openai_chat.to_messages(messages, parameters)
        body: dict[str, Any] = {
            "model": self._name,
            "messages": _with_tools(chat, parameters, final is not None) if tools else chat,
            "temperature": 0.0,
            "max_tokens": 600,
            # The server keeps the prompt's beginning computed: on a CPU, reading it anew takes longer than the answer.
            "cache_prompt": True,
            **_options(settings),
            "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}},
        }
        # The server has one slot and would let a second call wait while its time runs; a call's time begins here.
        async with self._slot:
            completion = (await self._transport.chat(body, model=self._name, structured=True)).completion
        native, cut = parameters.output_mode == "native", completion.finish_reason == "length"
        return ModelResponse(
            parts=[_to_part(completion.text, wrapped=bool(tools), native=native, cut=cut)],
            model_name=self._name,
            provider_name="deskhand-embedded",
            finish_reason=completion.finish_reason,
            usage=completion.usage,
            provider_details=details(Decimal(0)),  # runs here: nobody bills it
        )


def _options(settings: ModelSettings | None) -> dict[str, Any]:
    values = dict(settings or {})
    extra = values.get("extra_body")
    options = (
        {key: value for key, value in extra.items() if key != "response_format"} if isinstance(extra, dict) else {}
    )
    options |= {key: values[key] for key in openai_chat.SETTINGS if values.get(key) is not None}
    if values.get("max_tokens"):
        options["max_tokens"] = values["max_tokens"]
    if values.get("stop_sequences"):
        options["stop"] = values["stop_sequences"]
    return options


def _to_part(text: str, *, wrapped: bool, native: bool, cut: bool) -> ModelResponsePart:
    try:
        reply = read_json(text)
    except UnreadableJsonError as error:
        why = "it reached max_tokens" if cut else "the server did not hold it to the schema"
        raise InvalidOutputError(f"The embedded model's answer is not JSON: {why}.") from error
    fields = reply if isinstance(reply, dict) else {}
    if not wrapped:
        return TextPart(text if native else str(fields.get("text", text)))
    args, tool = fields.get("args"), fields.get("tool")
    if not isinstance(args, dict) or not isinstance(tool, str):
        raise InvalidOutputError("The embedded model's answer names no tool: the server did not hold it to the schema.")
    if tool == FINAL:
        return TextPart(json.dumps(args) if native else str(args.get("text", "")))
    return ToolCallPart(tool, args)


def _with_tools(
    chat: list[openai_chat.Message], parameters: ModelRequestParameters, can_answer: bool
) -> list[openai_chat.Message]:
    """The conversation in the one form the model answers in, with the tools listed in words."""
    lines = [
        f"- {tool.name}({', '.join(tool.parameters_json_schema.get('properties', {}))}): {tool.description or ''}"
        for tool in (*parameters.function_tools, *parameters.output_tools)
    ]
    if can_answer:
        lines.append(f"- {FINAL}: the final answer, when you know enough")
    system = "\n".join(str(message["content"]) for message in chat if message["role"] == "system")
    rules = 'Reply with ONE JSON object: {"tool": name, "args": {...}}. Tools:'
    first: openai_chat.Message = {"role": "system", "content": "\n".join([system, rules, *lines]).strip()}
    return [first, *(turn for message in chat for turn in _turns(message))]


def _turns(message: openai_chat.Message) -> list[openai_chat.Message]:
    role = message["role"]
    if role == "user":
        return [message]
    if role == "tool":
        # As the user's words: the embedded models' templates ignore tools and what they answer.
        return [{"role": "user", "content": f"RESULT {message['content']}"}]
    if role != "assistant":
        return []
    calls = [
        {"tool": call["function"]["name"], "args": json.loads(call["function"]["arguments"] or "{}")}
        for call in message.get("tool_calls", [])
    ]
    if message.get("content"):
        calls.append({"tool": FINAL, "args": {"text": message["content"]}})
    # The model sees its own calls in the very form it has to write; another form would teach it that one.
    return [{"role": "assistant", "content": json.dumps(call)} for call in calls]

"""The door through which all that is sent to a model goes: masked on its way out, restored on its way back.

``Masked`` stands around the model itself, so that whoever asks it, and however often, sends placeholders. What it
answers keeps them as far as the journal, which therefore holds what the model saw and said; ``Restoring`` puts the true
values back behind the journal, also where the journal answered in the model's place. In between nobody needs to know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model, ModelRequestContext, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_core import to_jsonable_python

from deskhand.kit.masking.masker import EXPLAINED, Masker, tally
from deskhand.kit.storable import UnreadableJsonError, read_json

# Of a JSON schema: words about a value. The rest says what it must look like, and must stay as it is.
_SCHEMA_WORDS = frozenset({"description", "title", "enum", "const", "default", "examples"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A request without what is kept from models.

    Attributes:
        counts: How many different values of each kind were taken out.
    """

    messages: list[ModelMessage]
    parameters: ModelRequestParameters
    counts: dict[str, int]


class Masked(WrapperModel):
    """A model that is shown placeholders.

    Args:
        wrapped: The model.
        masker: The run's.
    """

    def __init__(self, wrapped: Model[Any], masker: Masker) -> None:
        super().__init__(wrapped)
        self.masker = masker

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        shown = shown_to_model(messages, model_request_parameters, self.masker)
        return await super().request(shown.messages, model_settings, shown.parameters)


class Restoring(AbstractCapability[Any]):
    """Puts true values back into each answer, before anybody acts on it.

    Args:
        masker: The run's.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    async def after_model_request(
        self,
        ctx: RunContext[Any],  # noqa: ARG002  (the hook's own signature)
        *,
        request_context: ModelRequestContext,
        response: ModelResponse,
    ) -> ModelResponse:
        # A journal may have answered, and then this masker has not yet seen what was asked.
        shown_to_model(request_context.messages, request_context.model_request_parameters, self._masker)
        return replace(response, parts=[_restored(part, self._masker) for part in response.parts])


def masker_of(model: Model[Any]) -> Masker | None:
    """What keeps values from a model; None from which nothing is kept."""
    # Wrappers pass on what they do not have; a chain says it for its links.
    found = getattr(model, "masker", None)
    return found if isinstance(found, Masker) else None


def shown_to_model(messages: Sequence[ModelMessage], parameters: ModelRequestParameters, masker: Masker) -> Shown:
    """A request as a model is shown it; told what placeholders are where there are any."""
    for message in messages:
        _learn(message, masker)
    if not masker.kinds:
        return Shown(list(messages), parameters, {})
    masked = [_masked_message(message, masker) for message in messages]
    parts = [replace(part, content=masker.mask(part.content)) for part in parameters.instruction_parts or ()]
    tools = [_masked_tool(tool, masker) for tool in parameters.function_tools]
    form = parameters.output_object
    counts = tally([*_texts_of(masked), *(part.content for part in parts), *(str(tool) for tool in tools)])
    if counts:
        masked = [_explained(message) for message in masked]
        parts = parts and [*parts, InstructionPart(EXPLAINED)]
    changed = replace(
        parameters,
        function_tools=tools,
        output_tools=[_masked_tool(tool, masker) for tool in parameters.output_tools],
        output_object=form and replace(form, json_schema=_masked_schema(form.json_schema, masker)),
        instruction_parts=parts or parameters.instruction_parts,
    )
    return Shown(masked, changed, counts)


def _explained(message: ModelMessage) -> ModelMessage:
    if not isinstance(message, ModelRequest) or not message.instructions:
        return message
    return replace(message, instructions=f"{message.instructions}\n\n{EXPLAINED}")


def _masked_tool(tool: ToolDefinition, masker: Masker) -> ToolDefinition:
    return replace(
        tool,
        description=tool.description and masker.mask(tool.description),
        parameters_json_schema=_masked_schema(tool.parameters_json_schema, masker),
    )


def _masked_schema(schema: Any, masker: Masker) -> Any:
    if isinstance(schema, Mapping):
        return {
            key: masker.masked(item)
            # A property may be called "title", and is then a schema of its own.
            if key in _SCHEMA_WORDS and not isinstance(item, Mapping)
            else _masked_schema(item, masker)
            for key, item in schema.items()
        }
    return [_masked_schema(item, masker) for item in schema] if isinstance(schema, list) else schema


def _learn(message: ModelMessage, masker: Masker) -> None:
    if isinstance(message, ModelResponse):
        for answer in message.parts:
            masker.note_said([getattr(answer, "content", None), getattr(answer, "args", None)])
        return
    masker.note_foreign(message.instructions)
    for part in message.parts:
        content = _content(part)
        if isinstance(part, ToolReturnPart):
            masker.learn_people(content)
        masker.note_foreign(content)


def _content(part: ModelRequestPart) -> Any:
    """What a part says, as the JSON that is sent of it."""
    content = getattr(part, "content", None)
    return content if isinstance(content, str) else to_jsonable_python(content, fallback=str)


def _masked_message(message: ModelMessage, masker: Masker) -> ModelMessage:
    if isinstance(message, ModelResponse):
        return replace(message, parts=[_masked_answer(part, masker) for part in message.parts])
    told = message.instructions and masker.mask(message.instructions)
    return replace(message, parts=[_masked_part(part, masker) for part in message.parts], instructions=told)


def _masked_part(part: ModelRequestPart, masker: Masker) -> ModelRequestPart:
    content = _content(part)
    changed: Any = part
    return part if content is None else replace(changed, content=masker.masked(content))


def _masked_answer(part: ModelResponsePart, masker: Masker) -> ModelResponsePart:
    if isinstance(part, TextPart | ThinkingPart):
        return replace(part, content=_through(part.content, masker.masked))
    if isinstance(part, ToolCallPart):
        return replace(part, args=_through(part.args, masker.masked))
    return part


def _restored(part: ModelResponsePart, masker: Masker) -> ModelResponsePart:
    if isinstance(part, TextPart):
        return replace(part, content=_through(part.content, masker.restored))
    if isinstance(part, ToolCallPart):
        return replace(part, args=_through(part.args, masker.restored))
    return part


def _through(value: Any, change: Callable[[Any], Any]) -> Any:
    """A value changed; of a text that is JSON the texts inside, since a value may need escapes there."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return json.dumps(change(read_json(value)), ensure_ascii=False)
        except UnreadableJsonError:
            pass
    return change(value)


def _texts_of(messages: Sequence[ModelMessage]) -> Iterator[str]:
    for message in messages:
        yield (message.instructions or "") if isinstance(message, ModelRequest) else ""
        said = (getattr(part, name, None) for part in message.parts for name in ("content", "args"))
        yield from (one if isinstance(one, str) else json.dumps(one, default=str) for one in said if one is not None)

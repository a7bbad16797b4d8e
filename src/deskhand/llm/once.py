"""One question to a model and one answer in a form: no tools, no corrections. Whoever asks keeps the journal.

For what a run can do without: an answer that is of no use is not asked for again, but what it cost is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, UserContent, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from deskhand.kit.judge import Judge, dotted
from deskhand.kit.purse import Purse
from deskhand.kit.storable import UnreadableJsonError, read_json, storable
from deskhand.llm.completion import json_within
from deskhand.llm.loop import OUTPUT_NAME, OUTPUT_TOOL, payable, within


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked.

    Attributes:
        instructions: The system prompt.
        content: Words and pictures.
        schema: JSON schema of the answer, an object.
        max_tokens: Of the answer.
    """

    instructions: str
    content: Sequence[UserContent]
    schema: Mapping[str, Any]
    max_tokens: int


async def ask_once(question: Question, model: Model[Any], purse: Purse | None, *, deadline: float) -> dict[str, Any]:
    """Ask a question.

    Args:
        question: The question.
        model: From ``gateway.build_model``.
        purse: What the call is paid from.
        deadline: ``time.monotonic()`` at which it is abandoned.

    Returns:
        As the journal keeps a model's step: ``usage``, ``model_name``, ``provider_details``; with ``answer``, which is
        None where it did not have the form, and then ``fault`` says how.

    Raises:
        ModelError: The model could not be used.
    """
    request = ModelRequest(parts=[UserPromptPart(list(question.content))], instructions=question.instructions)
    settings = ModelSettings(max_tokens=question.max_tokens)
    response: ModelResponse = await within(
        deadline, payable(model, purse, deadline).request([request], settings, _parameters(question, model))
    )
    answer, fault = _read(response, Judge(question.schema))
    return {
        "answer": answer,
        **({"fault": fault} if fault else {}),
        "usage": {
            "input_tokens": response.usage.input_tokens,
            "cache_read_tokens": response.usage.cache_read_tokens,
            "output_tokens": response.usage.output_tokens,
            "details": response.usage.details,
        },
        "model_name": response.model_name,
        "provider_response_id": response.provider_response_id,
        "provider_details": response.provider_details or {},
    }


def _parameters(question: Question, model: Model[Any]) -> ModelRequestParameters:
    schema = dict(question.schema)
    # Such a server holds the answer itself to the schema; to others the answer is a tool.
    if model.profile.get("default_structured_output_mode") == "native":
        return ModelRequestParameters(
            output_mode="native", output_object=OutputObjectDefinition(json_schema=schema, name=OUTPUT_NAME)
        )
    tool = ToolDefinition(name=OUTPUT_TOOL, description="Give the answer.", parameters_json_schema=schema)
    return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)


def _read(response: ModelResponse, judge: Judge) -> tuple[dict[str, Any] | None, str]:
    """The answer of the asked form, or what is wrong with what was said."""
    said = next((one.args for one in response.parts if isinstance(one, ToolCallPart)), None)
    if said is None:
        said = "".join(one.content for one in response.parts if isinstance(one, TextPart))
    try:
        value = read_json(json_within(said)) if isinstance(said, str) else storable(said)
    except UnreadableJsonError:
        return None, "it is no JSON"
    faults = judge.faults(value)
    if faults:
        return None, f"{dotted(faults[0].path)}: {faults[0].sentence}"[:300]
    return value, ""

"""Tool calls have ids of their own, whatever the gateway called them.

Some servers number the calls of each answer from zero (``call_0`` in every turn), name a call after its
tool, or give none. The journal, the conversation and pydantic-ai tell calls apart by their id, so a used
one would give a call another call's answer. An id that is the first of its kind in the run stays as the
gateway wrote it; any other is replaced before anybody sees the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings


class DistinctCalls(WrapperModel):
    """A model whose tool calls have ids that no earlier call of the conversation has."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        response = await super().request(messages, model_settings, model_request_parameters)
        return replace(response, parts=distinct(response.parts, messages))


def distinct(parts: Sequence[ModelResponsePart], messages: Iterable[ModelMessage]) -> list[ModelResponsePart]:
    """The parts of an answer, each call with an id that is used nowhere in ``messages`` nor before it."""
    used = {part.tool_call_id for message in messages for part in message.parts if isinstance(part, ToolCallPart)}
    # Derived from the conversation and not drawn at random: a resumed run must give the same call the same id.
    turn = sum(1 for _ in used)
    out: list[ModelResponsePart] = []
    for place, part in enumerate(parts):
        if isinstance(part, ToolCallPart):
            ident = _unused(part.tool_call_id, turn, place, used)
            used.add(ident)
            out.append(replace(part, tool_call_id=ident))
        else:
            out.append(part)
    return out


def _unused(wanted: str, turn: int, place: int, used: set[str]) -> str:
    """Nine letters and digits where the wanted id is taken: the one form that every vendor accepts."""
    ident, again = wanted, 0
    while not ident or ident in used:
        ident = hashlib.sha256(f"{wanted}:{turn}:{place}:{again}".encode()).hexdigest()[:9]
        again += 1
    return ident

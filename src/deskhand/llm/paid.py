"""A model whose every call is paid for: what it may cost is reserved before, what it did cost is settled after.

The bound is one that holds for any tokenizer: a token stands for at least one byte of the request, a picture counts as
with the vendor that counts most (``llm.pictures``), and the answer is no longer than its limit. It is several times
what an ordinary request costs, and held only while the call lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings
from pydantic_core import to_json

from deskhand.kit.purse import Purse
from deskhand.kit.usage import call_id_of
from deskhand.llm import catalogue
from deskhand.llm.errors import ModelError, ModelRefusedError, ModelTimeoutError
from deskhand.llm.masked import masker_of, shown_to_model
from deskhand.llm.pictures import most_tokens_of, without_pictures

LONGEST_ANSWER = 32_000
"""Tokens, where neither the agent nor the catalogue names a limit; an agent can set no higher one."""
LONGEST_CALL = 900.0
"""Seconds after which a call that was not settled belongs to a worker that died in it."""
_NEVER_ARRIVED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL)


class Paid(WrapperModel):
    """Pays for the calls of a model.

    Args:
        wrapped: The model.
        purse: From where.
    """

    def __init__(self, wrapped: Model[Any], purse: Purse) -> None:
        super().__init__(wrapped)
        self._purse = purse

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        settings = {**(self.wrapped.settings or {}), **(model_settings or {})}
        tokens_in, tokens_out = self._most_in(messages, model_request_parameters), _most_out(self.model_name, settings)
        try:
            reservation = await self._purse.reserve(
                model=self.model_name,
                most_usd=_price(self.model_name, tokens_in, tokens_out),
                tokens=tokens_in + tokens_out,
                seconds=LONGEST_CALL,
            )
        except ModelError as error:
            # A chain asks a cheaper model then, and must not blame the connection.
            error.of_budget = True
            raise
        if reservation is None:
            return await super().request(messages, model_settings, model_request_parameters)
        response: ModelResponse | None = None
        cost_nothing = False
        try:
            response = await super().request(messages, model_settings, model_request_parameters)
        except ModelError as error:
            cost_nothing = _cost_nothing(error)
            raise
        finally:
            # Whatever ended the call, also the run's own end: what nobody can tell is paid in full.
            if cost_nothing:
                await self._purse.release(reservation)
            else:
                await self._settle(reservation, response)
        return response

    def _most_in(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> int:
        masker = masker_of(self.wrapped)
        if masker is not None:
            # A placeholder is longer than most of what it stands for.
            shown = shown_to_model(messages, parameters, masker)
            messages, parameters = shown.messages, shown.parameters
        return _most_in(messages, parameters)

    async def _settle(self, reservation: UUID, response: ModelResponse | None) -> None:
        if response is None:
            await self._purse.settle(reservation, cost_usd=None, tokens_in=0, tokens_out=0, call_id=None)
            return
        usage, cost = response.usage, (response.provider_details or {}).get("cost_usd")
        await self._purse.settle(
            reservation,
            cost_usd=None if cost is None else Decimal(str(cost)),
            tokens_in=usage.input_tokens,
            tokens_out=usage.output_tokens,
            call_id=call_id_of(response.provider_response_id, response.provider_details),
        )


def _most_in(messages: list[ModelMessage], parameters: ModelRequestParameters) -> int:
    words, pictures = without_pictures(messages)
    tools = [*parameters.function_tools, *parameters.output_tools]
    shapes = [[tool.name, tool.description, tool.parameters_json_schema] for tool in tools]
    form = parameters.output_object.json_schema if parameters.output_object else None
    seen = sum(most_tokens_of(picture) for picture in pictures)
    return len(ModelMessagesTypeAdapter.dump_json(words)) + len(to_json([shapes, form])) + seen


def _most_out(model: str, settings: Mapping[str, Any]) -> int:
    more = settings.get("extra_body")
    named = more.get("max_completion_tokens") if isinstance(more, Mapping) else None
    known = catalogue.facts(model)
    limit = named or settings.get("max_tokens") or (known.max_output_tokens if known else None)
    return int(limit) if isinstance(limit, int | float) and limit > 0 else LONGEST_ANSWER


def _price(model: str, tokens_in: int, tokens_out: int) -> Decimal | None:
    known = catalogue.facts(model)
    return known.price.cost(tokens_in=tokens_in, tokens_out=tokens_out) if known and known.price else None


def _cost_nothing(error: ModelError) -> bool:
    """Whether no model can have worked on a call that failed so."""
    if isinstance(error.__cause__, _NEVER_ARRIVED):
        return True
    # A refusal by status or in words: vendors bill none of them, but for a filter that withheld what was written.
    return error.__cause__ is None and not isinstance(error, (ModelTimeoutError, ModelRefusedError))

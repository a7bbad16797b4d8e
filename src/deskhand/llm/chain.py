"""A chain of models for one call: where the first fails in a way in which another need not, the next is asked.

The whole chain has one deadline, of which each model gets half of what is left and the last all of it, so that one that
hangs leaves time for those behind it. Money is reserved for the model that is called, when it is called: a budget that
is too near its end for a dear model may still pay for a cheap one. What was tried stands in the answer's details,
and so in the journal, in the trace, and in the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings

from deskhand.errors import ConfigurationError
from deskhand.kit.masking.masker import Masker
from deskhand.kit.purse import Purse
from deskhand.llm.breaker import Breaker
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.errors import (
    ContextTooLongError,
    ModelError,
    ModelQuotaError,
    ModelRateLimitedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from deskhand.llm.masked import masker_of
from deskhand.llm.paid import Paid
from deskhand.llm.places import Place, places_of

_KINDS: Mapping[type[ModelError], str] = {
    ModelRateLimitedError: "rate_limit",
    ModelUnavailableError: "unavailable",
    ModelTimeoutError: "timeout",
    ContextTooLongError: "context",
    ModelRefusedError: "filter",
    ModelQuotaError: "budget",
}
RESTING = "resting"
"""Why a model was passed by without being asked: its connection failed again and again."""
FALLBACKS = "fallbacks"
"""Under this name the details of an answer hold the models that did not give it."""
_ASKED = "asked"
_RESTS = "Its connection failed again and again, and is left alone for a while."


@dataclass(frozen=True, slots=True)
class Link:
    """One model of a chain.

    Attributes:
        model: The model.
        connection: What agents call its connection; for people.
        breaker: What is known of the connection.
    """

    model: Model[Any]
    connection: str
    breaker: Breaker


@dataclass(init=False)
class ChainModel(Model[Any]):
    """Models that are asked one after the other.

    Args:
        links: At least one, the first wanted first.
        triggers: Of ``fallbacks.TRIGGERS``: which failures lead to the next.
        seconds: For the whole chain, in each call.
        missing: Those that were to be among them and cannot be asked at all, as they are told.
        until: ``time`` of the event loop at which the task is over; None: nobody says.
        answered: Where it is kept which model answered last; shared with the copies for tasks.
    """

    def __init__(
        self,
        links: Sequence[Link],
        *,
        triggers: Collection[str],
        seconds: float,
        missing: Sequence[Mapping[str, str]] = (),
        until: float | None = None,
        answered: list[str] | None = None,
    ) -> None:
        self._links = tuple(links)
        self._triggers = frozenset(triggers)
        self._seconds = seconds
        self._missing = tuple(missing)
        self._until = until
        self._answered = [] if answered is None else answered
        super().__init__(profile=_common(self._links))

    @property
    def model_name(self) -> str:
        """The one that answered last, or else the one that is asked first."""
        return self._answered[-1] if self._answered else self._links[0].model.model_name

    @property
    def system(self) -> str:
        return "deskhand-chain"

    @property
    def masker(self) -> Masker | None:
        """What keeps values from those of its models that are not local; it is one for all of them."""
        return next((found for link in self._links if (found := masker_of(link.model))), None)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its questions may go, link by link."""
        return tuple(place for link in self._links for place in places_of(link.model))

    def bound(self, purse: Purse | None, until: float | None) -> ChainModel:
        """The same chain for one task: paid from a purse, link by link, and over when the task is."""
        links = self._links
        if purse is not None:
            links = tuple(replace(link, model=_paid(link.model, purse)) for link in links)
        return ChainModel(
            links,
            triggers=self._triggers,
            seconds=self._seconds,
            missing=self._missing,
            until=until,
            answered=self._answered,
        )

    def note_answers(self, messages: Sequence[ModelMessage]) -> None:
        """Read from a task's conversation which model answered last, also where a journal answered for it."""
        details = [one.provider_details or {} for one in messages if isinstance(one, ModelResponse)]
        self._answered[:] = [details[-1][_ASKED]] if details and _ASKED in details[-1] else []

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        now = asyncio.get_running_loop().time
        deadline = now() + self._seconds
        deadline = deadline if self._until is None else min(deadline, self._until)
        tried = [dict(one) for one in self._missing]
        for number, link in enumerate(self._links):
            is_last = number == len(self._links) - 1
            # The last is asked even so: to fail for certain is worse than to fail perhaps.
            if not is_last and not link.breaker.allows():
                tried.append(told(link.model.model_name, link.connection, RESTING, _RESTS))
                continue
            left = max(deadline - now(), 0.0)
            try:
                async with _within(left if is_last else left / 2):
                    response = await link.model.request(messages, model_settings, model_request_parameters)
            except ModelError as error:
                kind = _judged(link.breaker, error)
                if is_last or kind not in self._triggers:
                    raise _after(error, tried) from error
                tried.append(told(link.model.model_name, link.connection, kind, error.detail))
                continue
            link.breaker.succeeded()
            return _marked(response, link, tried)
        raise AssertionError("a chain has at least one model")


def _paid(model: Model[Any], purse: Purse) -> Model[Any]:
    # The embedded model runs here: nobody bills it.
    return model if isinstance(model, ConstrainedModel) else Paid(model, purse)


def _common(links: Sequence[Link]) -> ModelProfile:
    """How to ask any of them for structured output: by schema if all take one, else by a tool.

    Raises:
        ConfigurationError: One takes a schema alone and another a tool alone.
    """
    profiles = [link.model.profile for link in links]
    native = all(profile.get("supports_json_schema_output") for profile in profiles)
    without = [link for link in links if not link.model.profile.get("supports_tools", True)]
    if without and not native:
        raise ConfigurationError(
            f"'{without[0].model.model_name}' calls no tools, and another model of its chain takes no JSON schema: no"
            " question can be put to both. Leave one of them out of llm_config.fallbacks."
        )
    by_schema = native and all(profile.get("default_structured_output_mode") == "native" for profile in profiles)
    return ModelProfile(
        supports_json_schema_output=native,
        supports_tools=not without,
        default_structured_output_mode="native" if by_schema or without else "tool",
    )


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """A block that must end within so many seconds; what it does not finish has timed out."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as late:
        if not limit.expired():
            raise  # somebody else's, for example the purse's database
        raise ModelTimeoutError(f"The model did not answer within its {seconds:.3g} s of the chain.") from late


def _judged(breaker: Breaker, error: ModelError) -> str:
    """What kind of failure it is; the breaker is told whether the connection is to blame."""
    if error.of_budget:
        # Nobody was asked.
        return "budget"
    kind = next((name for one, name in _KINDS.items() if isinstance(error, one)), "")
    if kind in ("unavailable", "timeout"):
        breaker.failed()
    elif kind == "rate_limit":
        breaker.failed(error.retry_after)
    else:
        breaker.succeeded()
    return kind


def told(model: str, connection: str, kind: str, why: str) -> dict[str, str]:
    """One model that did not answer, as the trace has it."""
    return {"model": model, "connection": connection or "installation", "reason": kind, "detail": why}


def _after(error: ModelError, tried: Sequence[Mapping[str, str]]) -> ModelError:
    if not tried:
        return error
    before = "; ".join(f"'{one['model']}' ({one['reason']})" for one in tried)
    return type(error)(f"{error.detail} Before it the chain tried {before}.", retry_after=error.retry_after)


def _marked(response: ModelResponse, link: Link, tried: Sequence[Mapping[str, str]]) -> ModelResponse:
    if not tried:
        return response
    more = {_ASKED: link.model.model_name, FALLBACKS: list(tried)}
    return replace(response, provider_details={**(response.provider_details or {}), **more})

"""HTTP to an OpenAI-compatible server, and the one place where its failures get their names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx2

from deskhand.errors import InvalidInputError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.storable import UnreadableJsonError, read_json, storable_text
from deskhand.kit.times import retry_after_seconds
from deskhand.llm.errors import (
    ContextTooLongError,
    ModelAuthError,
    ModelBadRequestError,
    ModelError,
    ModelQuotaError,
    ModelRateLimitedError,
    ModelRefusedError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnknownModelError,
    redacted,
)
from deskhand.llm.parameters import SAID

_TOO_LONG = ("context_length", "exceed_context_size", "context window", "maximum context", "prompt is too long")
_UNKNOWN = ("model_not_found", "does not exist", "invalid model name", "model not found", "unknown model")
_QUOTA = ("insufficient_quota", "budget_exceeded", "budget has been exceeded", "exceeded your current quota")
_FILTER = ("content_filter", "responsibleaipolicyviolation", "content management policy")
_LIMIT = ("rate_limit", "rate limit", "too many requests", "rate limited")
_AUTH = ("authenticationerror", "invalid_api_key", "incorrect api key", "auth_error")


NO_MODEL = "?"
"""What stands for a model in a sentence about a call that is about none."""


class GatewayTransport:
    """Sends requests to one base URL.

    Args:
        base_url: Up to and with ``/v1``.
        api_key: Sent as a bearer token; never logged and never part of an error.
        timeout: Seconds one call may take.
        factory: Makes clients where no shared one is given.
        client: A shared connection pool.
        what: What the server is called in error sentences.
        advice: What a person does when it cannot be reached, as a sentence.
        key_place: Where its key is kept, for sentences.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        timeout: float,
        factory: HttpClientFactory,
        client: httpx2.AsyncClient | None = None,
        what: str = "model gateway",
        advice: str = "Check that it is running and that DESKHAND_LLM_BASE_URL is right.",
        key_place: str = "DESKHAND_LLM_API_KEY",
    ) -> None:
        self.base_url = base_url.rstrip("/")
        # For sentences, without a user and password that an operator may have put into the address.
        self.host = urlsplit(self.base_url).netloc.rpartition("@")[2] or self.base_url
        self.key = api_key
        self._timeout = timeout
        self._factory = factory
        self._client = client
        self.what = what
        self._advice = advice
        self.key_place = key_place

    async def post(self, path: str, body: dict[str, Any], *, model: str) -> tuple[dict[str, Any], httpx2.Headers]:
        """``POST`` of a JSON object, answered with one and its headers; ``model`` is for sentences."""
        response = await self._send("POST", path, model=model, json=body)
        return self._json(response), response.headers

    async def get(self, path: str) -> dict[str, Any]:
        """``GET`` of a JSON object."""
        return self._json(await self._send("GET", path, model=None))

    async def _send(
        self, method: str, path: str, *, model: str | None, json: dict[str, Any] | None = None
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            async with self._open() as client:
                response = await client.request(
                    method, self.base_url + path, json=json, headers=headers, timeout=self._timeout
                )
        except httpx2.TimeoutException as error:
            raise ModelTimeoutError(
                f"The {self.what} at {self.host} did not answer within {self._timeout:g} s"
                f"{f' (model {model})' if model else ''}. It may be overloaded; DESKHAND_LLM_TIMEOUT sets the limit."
            ) from error
        except httpx2.TransportError as error:
            raise ModelUnavailableError(
                f"Could not reach the {self.what} at {self.host}: {type(error).__name__}. {self._advice}"
            ) from error
        except InvalidInputError as error:
            # The guard of addresses: a tenant may not send us into our own network.
            raise ModelBadRequestError(f"The {self.what} at {self.host} cannot be called: {error.detail}") from error
        except httpx2.InvalidURL as error:
            raise ModelBadRequestError(f"The {self.what}'s address '{self.host}' is not a valid URL.") from error
        if not response.is_success:
            self._fail(response, model=model)
        return response

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[httpx2.AsyncClient]:
        # The shared pool is closed by whoever opened it.
        if self._client is not None:
            yield self._client
            return
        async with self._factory.client(read_timeout=self._timeout) as client:
            yield client

    def _json(self, response: httpx2.Response) -> dict[str, Any]:
        try:
            body = read_json(response.content)
        except UnreadableJsonError as error:
            raise ModelUnavailableError(
                f"The {self.what} at {self.host} answered {response.status_code} with something that is not JSON."
                " Check that its address ends in /v1."
            ) from error
        if not isinstance(body, dict):
            raise ModelUnavailableError(f"The {self.what} at {self.host} answered with JSON that is not an object.")
        return body

    def _fail(self, response: httpx2.Response, *, model: str | None) -> NoReturn:
        said = redacted(_vendor_message(response), [self.key])
        raise classify(
            response.status_code,
            said,
            where=f"the {self.what} at {self.host}",
            model=model or NO_MODEL,
            retry_after=_wait(response),
            key_place=self.key_place,
        )


def _wait(response: httpx2.Response) -> float | None:
    return retry_after_seconds(response.headers.get("retry-after"))


def _vendor_message(response: httpx2.Response) -> str:
    try:
        body = read_json(response.content)
    except UnreadableJsonError:
        # The error page of a proxy tells a reader nothing, and fills the run's page.
        return "" if "html" in response.headers.get("content-type", "") else storable_text(response.text)
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return str(error)
    words = [str(error[key]) for key in ("code", "type", "message", "detail") if error.get(key)]
    return ": ".join(dict.fromkeys(words))


@dataclass(frozen=True, slots=True)
class _Rule:
    """First rule that fits wins: by words if ``words`` are said, by status if it is one of ``statuses``.

    With both, both must fit.
    """

    error: type[ModelError]
    sentence: str
    statuses: range | tuple[int, ...] = ()
    words: tuple[str, ...] = ()

    def fits(self, status: int, said: str) -> bool:
        by_status = not self.statuses or status in self.statuses
        by_words = not self.words or any(word in said for word in self.words)
        return by_status and by_words


_KEY = "{Where} refused the key{for_model}. Check {key_place}."
FILTERED = "The provider's content filter withheld the answer of '{model}' at {where}."
_LONG = "The prompt is longer than '{model}' can read at {where}."
# Gateways disagree about statuses (LiteLLM answers 500 for a missing vendor key), so words come first.
_RULES = (
    _Rule(ModelRefusedError, FILTERED, words=_FILTER),
    # Before the rate limit, whose status 429 it shares: to wait helps against that one and never against this.
    _Rule(ModelQuotaError, "The budget of the key for {where} is used up.", words=_QUOTA),
    _Rule(ModelAuthError, _KEY, statuses=(401, 403)),
    _Rule(ModelAuthError, _KEY, words=_AUTH),
    _Rule(ContextTooLongError, _LONG, statuses=(413,)),
    _Rule(ContextTooLongError, _LONG, words=_TOO_LONG),
    _Rule(
        UnknownModelError,
        "There is no model '{model}' at {where}. Check the agent's llm_config.model.",
        statuses=(400, 404, 422),
        words=_UNKNOWN,
    ),
    _Rule(ModelRateLimitedError, "Too many requests for '{model}' at {where}.", statuses=(429,)),
    # Some gateways wrap their vendor's 429 into a 500.
    _Rule(ModelRateLimitedError, "Too many requests for '{model}' at {where}.", statuses=range(500, 600), words=_LIMIT),
    _Rule(ModelTimeoutError, "'{model}' at {where} timed out.", statuses=(408, 504, 524)),
    _Rule(ModelUnavailableError, "{Where} answered {status}.", statuses=range(500, 600)),
    _Rule(
        ModelBadRequestError,
        "Nothing there at {where} ({status}). Check that its address ends in /v1.",
        statuses=(404, *range(300, 400)),
    ),
    _Rule(ModelBadRequestError, "{Where} refused the request for '{model}' ({status})."),
)


def classify(
    status: int,
    said: str,
    *,
    where: str,
    model: str,
    retry_after: float | None = None,
    key_place: str = "DESKHAND_LLM_API_KEY",
) -> ModelError:
    """Name a failure by its status and, where gateways disagree about the status, by its words.

    Args:
        status: HTTP status.
        said: The vendor's message, already redacted.
        where: For the sentence: which server, at which host.
        model: The model that was asked for.
        retry_after: Seconds, if the server named them.
        key_place: Where the key is kept, for the sentence.
    """
    # The last rule fits everything, so there is always one.
    rule = next(rule for rule in _RULES if rule.fits(status, said.lower()))
    # Where it was asked what there is, no model is meant.
    for_model = "" if model == NO_MODEL else f" for '{model}'"
    sentence = rule.sentence.format(
        for_model=for_model, where=where, Where=capitalised(where), model=model, status=status, key_place=key_place
    )
    quote = SAID + said if said else ""
    # Only what is tried again has a use for the time that the server named.
    if issubclass(rule.error, ModelRateLimitedError | ModelUnavailableError | ModelTimeoutError):
        return rule.error(sentence + quote, retry_after=retry_after)
    return rule.error(sentence + quote)


def capitalised(where: str) -> str:
    return where[:1].upper() + where[1:]  # str.capitalize would lower the rest of the host

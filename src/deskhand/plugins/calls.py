"""One HTTP call to a desk, with everything that can go wrong on the wire already translated.

A call is one attempt: waiting and retrying is decided by the caller of the plugin, who sees the
error class and ``retry_after``. A vendor's own error codes are read by its plugin first;
``error_for_status`` is what remains when the body says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import httpx2

from deskhand.errors import InvalidInputError
from deskhand.kit.answers import AnswerTooLargeError
from deskhand.kit.clock import utc_now
from deskhand.kit.storable import UnreadableJsonError, read_json, storable_text
from deskhand.kit.times import bounded_number, retry_after_seconds
from deskhand.plugins.credentials import sent_credentials, without
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskConflictError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskValidationError,
)
from deskhand.plugins.oauth import AccessToken

P = ParamSpec("P")
T = TypeVar("T")

ANSWER_DEPTH = 200
"""Levels of nesting in an answer: a rich text format nests four for each level of a list, and Pydantic stops at 255."""
_LONGEST_TOKEN_LIFE = 30 * 86_400.0

_BY_STATUS: dict[int, type[DeskError]] = {
    401: DeskAuthError,
    403: DeskPermissionError,
    404: DeskNotFoundError,
    408: DeskUnavailableError,
    409: DeskConflictError,
    410: DeskNotFoundError,
    412: DeskConflictError,
    425: DeskUnavailableError,
    429: DeskRateLimitedError,
}


async def send(client: httpx2.AsyncClient, method: str, url: str, *, desk: str, **kwargs: Any) -> httpx2.Response:
    """Make one request.

    Args:
        client: From ``HttpClientFactory``.
        method: HTTP method.
        url: Absolute, or relative to the client's base.
        desk: Product name for messages.
        **kwargs: As for ``httpx2.AsyncClient.request``.

    Raises:
        DeskUnavailableError: No connection, no answer in time, or the answer broke off.
        DeskValidationError: The address is not allowed or not an address.
    """
    try:
        return await client.request(method, url, **kwargs)
    # A protocol error and not "unavailable": the answer would be as large the next time.
    except AnswerTooLargeError as error:
        raise DeskProtocolError(f"{desk} cannot be read: {error}.") from error
    except httpx2.TimeoutException as error:
        raise DeskUnavailableError(f"{desk} did not answer in time ({type(error).__name__}).") from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise DeskValidationError(f"{desk} cannot be called: {error}", fields=("url",)) from error
    except httpx2.TransportError as error:
        raise DeskUnavailableError(f"{desk} cannot be reached: {_words_of(error)}.") from error
    except UnicodeEncodeError as error:
        # The error would name the header's value; ``from None`` keeps it out of every log.
        raise DeskValidationError(
            f"{desk} cannot be called: a credential has a character that a header cannot carry ({error.reason})."
        ) from None
    except InvalidInputError as error:
        raise DeskValidationError(error.detail, fields=("url",)) from error


def _words_of(error: httpx2.TransportError) -> str:
    """What went wrong on the wire; a header that was refused stands in its own error."""
    if isinstance(error, httpx2.LocalProtocolError):
        return "the request could not be written; look for a line break in its credentials"
    return str(error) or type(error).__name__


def json_object(response: httpx2.Response, *, desk: str) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        DeskProtocolError: The body is something else, e.g. the login page of a proxy.
    """
    value = json_value(response, desk=desk)
    if not isinstance(value, dict):
        raise DeskProtocolError(f"{desk} answered {response.status_code} with a JSON {type(value).__name__}.")
    return value


def json_list(response: httpx2.Response, *, desk: str) -> list[dict[str, Any]]:
    """The objects of a JSON array (a few addresses answer without an envelope).

    Raises:
        DeskProtocolError: The body is something else.
    """
    value = json_value(response, desk=desk)
    if not isinstance(value, list):
        raise DeskProtocolError(f"{desk} answered with a JSON {type(value).__name__} instead of a list.")
    return [row for row in value if isinstance(row, dict)]


def json_value(response: httpx2.Response, *, desk: str) -> Any:
    """The JSON in an answer, whose every text can be stored.

    Raises:
        DeskProtocolError: The body is no JSON, or nested without measure.
    """
    try:
        return _read(response, max_depth=ANSWER_DEPTH)
    except UnreadableJsonError as error:
        kind = clean_text(response, response.headers.get("content-type", "no content type"))
        raise DeskProtocolError(
            f"{desk} answered {response.status_code} with {kind} that cannot be read as JSON."
        ) from error


def _read(response: httpx2.Response, *, max_depth: int) -> Any:
    # Taken out before the text is parsed into values, so that no plugin can forget to.
    credentials = _credentials(response)
    return read_json(
        response.content,
        charset=response.charset_encoding,
        max_depth=max_depth,
        clean=lambda text: without(text, credentials),
    )


def _credentials(response: httpx2.Response) -> tuple[str, ...]:
    try:
        request = response.request
    except RuntimeError:  # an answer that no request led to, as an outside plugin's tests may make one
        return ()
    return sent_credentials(request)


def clean_text(response: httpx2.Response, text: str) -> str:
    """A text out of an answer, e.g. a header, fit to be stored and without the credentials that its request carried."""
    return without(storable_text(text), _credentials(response))


def error_body(response: httpx2.Response) -> dict[str, Any]:
    """The object in the answer to a refused call; empty where there is none, since the status alone says enough."""
    try:
        value = _read(response, max_depth=ANSWER_DEPTH)
    except UnreadableJsonError:
        return {}
    return value if isinstance(value, dict) else {}


async def read_aside(read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Turn what a desk answered into our values beside the event loop.

    A ticket's text is as long and as odd as anybody made it, and reading it must not hold up the other tenants' runs.

    Raises:
        DeskProtocolError: The answer has a shape that the vendor does not document.
    """
    try:
        return await asyncio.to_thread(read, *args, **kwargs)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise DeskProtocolError(f"The desk's answer has an unknown shape ({type(error).__name__}: {error}).") from error


def plain_words(response: httpx2.Response, limit: int) -> str:
    """The beginning of an answer in plain text; nothing of JSON or of the page of a proxy."""
    text = " ".join(clean_text(response, response.text).split())
    # A person reads it in a sentence; markup would fill the run's page and tell nothing.
    is_prose = "<" not in text and text[:1] not in {"[", "{", '"'}
    return text[:limit] if is_prose else ""


def access_token(body: Mapping[str, Any], *, life: float) -> AccessToken | None:
    """The token in the answer of a token endpoint, or None if it has none.

    Args:
        body: The answer.
        life: Seconds that the vendor's tokens last unless the answer says otherwise.
    """
    token = body.get("access_token")
    if not isinstance(token, str) or not token:
        return None
    # Bounded: a vendor's mistake of a century would keep a token in the cache that the desk has long refused.
    seconds = bounded_number(body.get("expires_in"), default=life, low=0, high=_LONGEST_TOKEN_LIFE)
    return AccessToken(token, utc_now() + timedelta(seconds=seconds or life))


def error_for_status(
    response: httpx2.Response,
    message: str,
    *,
    vendor_code: str | None = None,
    fields: tuple[str, ...] = (),
    scope: str | None = None,
    kind: type[DeskError] | None = None,
) -> DeskError:
    """The error an answer stands for.

    Args:
        response: The answer; its status and ``Retry-After`` count.
        message: Sentence with the vendor's words.
        vendor_code: The vendor's own code.
        fields: Vendor fields at fault.
        scope: What a rate limit covers.
        kind: Class decided by the vendor's code; else the HTTP status decides.
    """
    chosen = kind or class_for_status(response.status_code)
    # Everything of the vendor's is cleaned here, in the one place that every refusal passes: some desks echo
    # credentials.
    return chosen(
        clean_text(response, message),
        retry_after=retry_after_seconds(response.headers.get("retry-after")),
        vendor_code=None if vendor_code is None else clean_text(response, vendor_code),
        fields=tuple(clean_text(response, name) for name in fields),
        scope=scope,
    )


def class_for_status(status: int) -> type[DeskError]:
    """Error class of an HTTP status."""
    if status >= 500:
        return DeskUnavailableError
    if status >= 400:
        # A refusal without a class of its own lies in what we sent: to repeat it would be refused again.
        return _BY_STATUS.get(status, DeskValidationError)
    return DeskProtocolError

"""One HTTP call to a desk, with everything that can go wrong on the wire already translated.

A call is one attempt: waiting and retrying is decided by the caller of the plugin, who sees the
error class and ``retry_after``. A vendor's own error codes are read by its plugin first;
``error_for_status`` is what remains when the body says nothing.
"""

from __future__ import annotations

from typing import Any

import httpx2

from deskhand.errors import InvalidInputError
from deskhand.kit.http import retry_after_seconds
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
    except httpx2.TimeoutException as error:
        raise DeskUnavailableError(f"{desk} did not answer in time ({type(error).__name__}).") from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise DeskValidationError(f"{desk} cannot be called: {error}", fields=("url",)) from error
    except httpx2.TransportError as error:
        raise DeskUnavailableError(f"{desk} cannot be reached: {str(error) or type(error).__name__}.") from error
    except InvalidInputError as error:
        raise DeskValidationError(error.detail, fields=("url",)) from error


def json_object(response: httpx2.Response, *, desk: str) -> dict[str, Any]:
    """The JSON object in an answer.

    Raises:
        DeskProtocolError: The body is something else, e.g. the login page of a proxy.
    """
    try:
        value = response.json()
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")
        raise DeskProtocolError(f"{desk} answered {response.status_code} with {kind} instead of JSON.") from error
    if not isinstance(value, dict):
        raise DeskProtocolError(f"{desk} answered {response.status_code} with a JSON {type(value).__name__}.")
    return value


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
    return chosen(
        message,
        retry_after=retry_after_seconds(response.headers.get("retry-after")),
        vendor_code=vendor_code,
        fields=fields,
        scope=scope,
    )


def class_for_status(status: int) -> type[DeskError]:
    """Error class of an HTTP status."""
    if status >= 500:
        return DeskUnavailableError
    if status >= 400:
        return _BY_STATUS.get(status, DeskValidationError)
    return DeskProtocolError

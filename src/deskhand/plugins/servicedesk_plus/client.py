"""The wire: authentication, envelopes, and every vendor error translated in one place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.calls import access_token, error_for_status, json_object, send
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskRateLimitedError,
    DeskUnavailableError,
    DeskValidationError,
)
from deskhand.plugins.oauth import SHARED_TOKENS, AccessToken, TokenCache
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.manifest import DESK

Answer = TypeVar("Answer")

_SUCCESS = {2000, 200}
# Vendor's status table (help page "API v3: response status"); 4000 only wraps the real code.
_BY_CODE: dict[int, type[DeskError]] = {
    4001: DeskValidationError,
    4002: DeskPermissionError,
    4004: DeskUnavailableError,
    4005: DeskValidationError,
    4007: DeskNotFoundError,
    4008: DeskValidationError,
    4009: DeskValidationError,
    4012: DeskValidationError,
    4014: DeskValidationError,
    4015: DeskRateLimitedError,
    4016: DeskValidationError,
    4021: DeskValidationError,
    4022: DeskAuthError,
    7001: DeskPermissionError,
}
_HINTS = {
    4001: "a value is unknown, unused or cannot be set",
    4002: "not permitted: role, scope, a business rule, or the ticket is closed",
    4004: "internal error of the desk",
    4007: "no such ticket or address",
    4009: "the field cannot be edited",
    4012: "a mandatory field is missing",
    4014: "the field is read-only",
    4015: "the API rate limit is reached",
    4022: "the API key or token is not valid",
    7001: "the licence does not allow it",
}
_DEFAULT_TOKEN_LIFE = 3600.0


class ServiceDeskClient:
    """Calls API v3 of one instance. One call is one attempt, apart from one retry with a fresh OAuth token.

    Args:
        config: Address, dialect, credentials.
        http: Makes the outbound client.
        tokens: Cache of access tokens (Cloud).
    """

    def __init__(
        self, config: ServiceDeskPlusConfig, http: HttpClientFactory, tokens: TokenCache = SHARED_TOKENS
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._client = http.client(config.api_url, headers={"Accept": config.servicedesk_accept})

    async def get(self, path: str, input_data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET; ``input_data`` goes into the query, never into a body."""
        params = {"input_data": json.dumps(input_data)} if input_data else None
        return await self._call("GET", path, params=params)

    async def write(self, method: str, path: str, input_data: Mapping[str, Any]) -> dict[str, Any]:
        """POST or PUT with the form field ``input_data``."""
        return await self._call(method, path, data={"input_data": json.dumps(input_data)})

    async def delete(self, path: str, input_data: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """DELETE; ``input_data`` goes into the query."""
        params = {"input_data": json.dumps(input_data)} if input_data else None
        return await self._call("DELETE", path, params=params)

    async def download(self, url: str) -> bytes:
        """The bytes at an address of the desk's own."""
        headers = {"Accept": f"{self._config.servicedesk_accept}, */*"}
        return await self._renewing(read_content, "GET", url, headers=headers)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        return await self._renewing(read_answer, method, path, **kwargs)

    async def _renewing(
        self, read: Callable[[httpx2.Response], Answer], method: str, path: str, **kwargs: Any
    ) -> Answer:
        token = await self._token()
        try:
            return read(await self._attempt(token, method, path, **kwargs))
        except DeskAuthError:
            if not self._config.is_cloud:
                raise
        self._tokens.drop(self._config.token_key(), token)
        # Once: Zoho revokes tokens before their time, and a second refusal of a fresh one is about the credentials.
        return read(await self._attempt(await self._token(), method, path, **kwargs))

    async def _attempt(self, token: str, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        if self._config.is_cloud:
            # In each request and not in the client's defaults: a token ends while the client lives.
            headers = {"Authorization": f"Zoho-oauthtoken {token}"}
        else:
            headers = {self._config.servicedesk_auth_header: token}
        headers |= kwargs.pop("headers", {})
        return await send(self._client, method, path, desk=DESK, headers=headers, **kwargs)

    async def _token(self) -> str:
        if not self._config.is_cloud:
            return self._config.servicedesk_api_key.get_secret_value()
        return await self._tokens.get(self._config.token_key(), self._refresh)

    async def _refresh(self) -> AccessToken:
        url = f"{self._config.servicedesk_accounts_url}/oauth/v2/token"
        response = await send(
            self._client, "POST", url, desk="The Zoho accounts server", data=self._config.token_form()
        )
        # These alone are judged by status: Zoho refuses a bad refresh token with status 200.
        if response.status_code == 429 or response.status_code >= 500:
            raise error_for_status(response, f"The Zoho accounts server answered {response.status_code}.")
        body = json_object(response, desk="The Zoho accounts server")
        token = access_token(body, life=_DEFAULT_TOKEN_LIFE)
        if token is None:
            raise _refresh_error(body)
        return token


def _refresh_error(body: Mapping[str, Any]) -> DeskError:
    """Zoho reports a refused refresh with status 200 and an ``error``; a throttled one as "Access Denied"."""
    reason = str(body.get("error") or "no access_token in the answer")
    detail = str(body.get("error_description") or "")
    if "too many requests" in detail.casefold():
        return DeskRateLimitedError(f"Zoho refuses to refresh the token: {detail}", vendor_code=reason, scope="account")
    return DeskAuthError(f"Zoho refuses to refresh the token: {reason}. {detail}".strip(), vendor_code=reason)


def read_answer(response: httpx2.Response) -> dict[str, Any]:
    """The body of a successful answer.

    ``response_status`` is an object on single answers and an array on lists; the code that matters is in
    ``messages`` of most builds and outside in others.

    Raises:
        DeskError: The class the vendor's code, or else the HTTP status, stands for.
    """
    try:
        body = json_object(response, desk=DESK)
    except DeskProtocolError:
        # A proxy in front of the desk answers its own errors as HTML; a success without JSON is the desk's fault.
        if response.status_code < 400:
            raise
        raise error_for_status(response, f"{DESK} answered {response.status_code} without JSON.") from None
    status = body.get("response_status")
    if isinstance(status, list):
        status = status[0] if status else None
    if not isinstance(status, dict):
        if response.status_code >= 400:
            raise error_for_status(response, f"{DESK} answered {response.status_code}.")
        raise DeskProtocolError(f"{DESK} answered without response_status.")
    # Either may tell of a failure: the HTTP status, or the vendor's own code inside.
    if response.status_code < 400 and status.get("status_code") in _SUCCESS:
        return body
    raise _vendor_error(response, status)


def read_content(response: httpx2.Response) -> bytes:
    """The bytes of a successful download, which comes without an envelope.

    Raises:
        DeskError: The class the vendor's code, or else the HTTP status, stands for.
    """
    # An attached JSON file has a type of its own; in the vendor's type come refusals, with any status.
    in_envelope = "vnd.manageengine" in response.headers.get("content-type", "").casefold()
    if response.status_code == 200 and not in_envelope:
        return response.content
    read_answer(response)
    raise DeskProtocolError(f"{DESK} answered {response.status_code} without the file.")


def _vendor_error(response: httpx2.Response, status: Mapping[str, Any]) -> DeskError:
    messages = [message for message in status.get("messages") or () if isinstance(message, dict)]
    codes = [message.get("status_code") for message in messages] + [status.get("status_code")]
    # The first known code: 4000 outside is only the envelope of the one inside.
    code = next((code for code in codes if code in _BY_CODE), None)
    fields = tuple(str(name) for message in messages for name in _fields_of(message))
    said = "; ".join(str(message["message"]) for message in messages if message.get("message"))
    reason = said or _HINTS.get(code or 0, f"HTTP status {response.status_code}")
    named = f" (fields: {', '.join(fields)})" if fields else ""
    shown = code or status.get("status_code")
    return error_for_status(
        response,
        f"{DESK} refused with {shown}: {reason}{named}.",
        vendor_code=None if shown is None else str(shown),
        fields=fields,
        scope="account" if code == 4015 else None,
        kind=_BY_CODE[code] if code is not None else None,
    )


def _fields_of(message: Mapping[str, Any]) -> list[Any]:
    fields = message.get("fields")
    if isinstance(fields, list):
        return fields
    field = message.get("field")
    return [field] if field else []

"""The wire: authentication, and every error of the platform and of servicedeskapi translated in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.calls import access_token, error_body, error_for_status, json_list, json_object, send
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskError,
    DeskProtocolError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.manifest import DESK
from deskhand.plugins.oauth import SHARED_TOKENS, AccessToken, TokenCache

PLATFORM = "rest/api/3"
SERVICE_DESK = "rest/servicedeskapi"
_TOKENS = "Atlassian's token endpoint"
_DEFAULT_TOKEN_LIFE = 3600.0
# developer.atlassian.com/cloud/jira/platform/rate-limiting, 2026-03-05
_SCOPES = {
    "jira-burst-based": "endpoint",
    "jira-per-issue-on-write": "ticket",
    "jira-quota-global-based": "account",
    "jira-quota-tenant-based": "account",
}
_BY_STATUS: dict[int, type[DeskError]] = {
    410: DeskUnsupportedError,
    413: DeskValidationError,
    422: DeskValidationError,
}
_HINTS = {
    401: "the credentials are not accepted",
    403: "our account may not do this",
    404: "there is no such ticket or address, or our account may not see it",
    409: "somebody else is changing the ticket",
    410: "this address was removed from the API",
    413: "the ticket has reached a limit, e.g. of comments",
    422: "the project's configuration forbids it",
    429: "the rate limit is reached",
}


class JiraClient:
    """Calls one site. One call is one attempt, apart from one retry with a fresh OAuth token.

    Args:
        config: Address and credentials.
        http: Makes the outbound client.
        tokens: Cache of access tokens (OAuth).
    """

    def __init__(self, config: JiraConfig, http: HttpClientFactory, tokens: TokenCache = SHARED_TOKENS) -> None:
        self._config = config
        self._tokens = tokens
        self._client = http.client(f"{config.api_url}/", headers={"Accept": "application/json"})

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """GET an object."""
        return _object(await self._call("GET", path, params=params))

    async def get_list(self, path: str, params: Mapping[str, str | int] | None = None) -> list[dict[str, Any]]:
        """GET an array of objects (a few platform addresses answer without an envelope)."""
        return json_list(await self._call("GET", path, params=params), desk=DESK)

    async def get_bytes(self, path: str, params: Mapping[str, str | int] | None = None) -> bytes:
        """GET what is no JSON."""
        return (await self._call("GET", path, params=params)).content

    async def write(
        self, method: str, path: str, body: Mapping[str, Any], *, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """POST or PUT JSON; an empty answer (204) is an empty object."""
        return _object(await self._call(method, path, json=dict(body), params=params))

    async def delete(self, path: str, params: Mapping[str, str | int] | None = None) -> None:
        """DELETE, which answers with nothing."""
        await self._call("DELETE", path, params=params)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        try:
            return await self._attempt(method, path, **kwargs)
        except DeskAuthError:
            if not self._config.uses_oauth:
                raise
        return await self._attempt(method, path, **kwargs)  # the refused token was dropped: this one is new

    async def _attempt(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        token = ""
        if self._config.uses_oauth:
            token = await self._tokens.get(self._config.token_key(), self._fetch_token)
            authorization = f"Bearer {token}"
        else:
            authorization = self._config.static_authorization()
        response = await send(self._client, method, path, desk=DESK, headers={"Authorization": authorization}, **kwargs)
        if response.status_code < 300:
            return response
        error = read_error(response)
        # A token may be revoked before it ends; the next attempt must not find it in the cache.
        if isinstance(error, DeskAuthError):
            self._tokens.drop(self._config.token_key(), token)
        raise error

    async def _fetch_token(self) -> AccessToken:
        response = await send(
            self._client, "POST", self._config.jira_token_url, desk=_TOKENS, json=self._config.token_request()
        )
        # The token endpoint being busy says nothing about our credentials; "refused" would stop the run for good.
        if response.status_code == 429 or response.status_code >= 500:
            raise error_for_status(response, f"{_TOKENS} answered {response.status_code}.")
        body = json_object(response, desk=_TOKENS)
        token = access_token(body, life=_DEFAULT_TOKEN_LIFE)
        if token is None:
            reason = str(body.get("error") or response.status_code)
            detail = str(body.get("error_description") or "")
            raise DeskAuthError(f"{_TOKENS} refuses: {reason}. {detail}".strip(), vendor_code=reason)
        return token


def read_error(response: httpx2.Response) -> DeskError:
    """The error an answer stands for: platform body, service desk body, or only a status."""
    status = response.status_code
    if status < 400:  # a redirect, usually to a login page
        return DeskProtocolError(f"{DESK} answered {status} with a redirect instead of JSON.", vendor_code=str(status))
    body = error_body(response)
    said, fields, code = _vendor_words(body)
    reason = response.headers.get("ratelimit-reason") if status == 429 else None
    # Jira answers 403 when too many failed logins demand a captcha: that is about us, not about permissions.
    denied = response.headers.get("x-seraph-loginreason", "").startswith("AUTHENTICATION_DENIED")
    words = said or _HINTS.get(status, f"HTTP status {status}")
    # Jira says "does not exist" also of what our account may not see, which is the commoner case.
    hint = f" ({_HINTS[404]})" if status == 404 and said else ""
    return error_for_status(
        response,
        f"{DESK} refused with {status}: {words.rstrip('.')}{hint}.",
        vendor_code=reason or code or str(status),
        fields=fields,
        scope=_SCOPES.get(reason or "", "endpoint") if status == 429 else None,
        kind=DeskAuthError if denied else _BY_STATUS.get(status),
    )


def _vendor_words(body: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str | None]:
    """Sentence, fields at fault and code of either error shape."""
    errors = body.get("errors")
    errors = errors if isinstance(errors, dict) else {}
    messages = body.get("errorMessages")
    said = [str(message) for message in messages if message] if isinstance(messages, list) else []
    said += [f"{name}: {detail}" for name, detail in errors.items()]
    said += [str(body[name]) for name in ("errorMessage", "message") if body.get(name)]
    i18n = body.get("i18nErrorMessage")
    code = str(i18n["i18nKey"]) if isinstance(i18n, dict) and i18n.get("i18nKey") else None
    return "; ".join(said), tuple(str(name) for name in errors), code


def _object(response: httpx2.Response) -> dict[str, Any]:
    """The object of an answer; an empty one where the site has nothing to say."""
    return {} if response.status_code == 204 or not response.content else json_object(response, desk=DESK)

"""The wire: authentication, paging, and every vendor error translated in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.calls import access_token, error_body, error_for_status, json_object, plain_words, send
from deskhand.plugins.cursors import bad_cursor, page_size
from deskhand.plugins.errors import DeskAuthError, DeskError, DeskProtocolError
from deskhand.plugins.oauth import SHARED_TOKENS, AccessToken, TokenCache
from deskhand.plugins.paging import Listing, read_pages
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.manifest import DESK

PAGE = 100
_TOKEN_LIFE = 1800.0  # what Zendesk gives a new client unless it says otherwise
_ONE_TICKET = re.compile(r"/api/v2/tickets/\d+$")
_TEXT_SHOWN = 200

_CURSOR = re.compile(r"[A-Za-z0-9_+/=-]{4,400}", re.ASCII)

Params = Mapping[str, str | int]


class ZendeskClient:
    """Calls API v2 of one account. One call is one attempt, apart from one retry with a fresh access token.

    Args:
        config: Address and credentials.
        http: Makes the outbound client.
        tokens: Cache of access tokens.
    """

    def __init__(self, config: ZendeskConfig, http: HttpClientFactory, tokens: TokenCache = SHARED_TOKENS) -> None:
        self._config = config
        self._tokens = tokens
        self._client = http.client(config.base_url, headers={"Accept": "application/json"})

    async def get(self, path: str, params: Params | None = None) -> dict[str, Any]:
        """GET below ``/api/v2/``."""
        return await self._call("GET", path, params=dict(params or {}))

    async def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PUT below ``/api/v2/``."""
        return await self._call("PUT", path, json=dict(body))

    async def post(self, path: str, body: Mapping[str, Any], *, key: str = "") -> dict[str, Any]:
        """POST below ``/api/v2/``; the desk gives the answer of an earlier call with the same key again."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self._call("POST", path, json=dict(body), more_headers=headers)

    async def pages(self, path: str, key: str, params: Params | None = None) -> Listing[dict[str, Any]]:
        """Every page of a list with cursor paging; the rows are under ``key`` of each page."""

        async def read(after: str) -> tuple[list[dict[str, Any]], str | None]:
            place = {"page[after]": after} if after else {}
            body = await self.get(path, {**(params or {}), "page[size]": PAGE, **place})
            rows(body, key)
            return [body], next_cursor(body)

        return await read_pages(read, "")

    async def download(self, url: str) -> httpx2.Response:
        """GET of the account with our credentials, whatever it answers with: a file, or the address that has it."""
        # Anything, because a file is seldom JSON, and a refusal to send another kind would be the wrong one.
        return await self._signed("GET", url, more_headers={"Accept": "*/*"})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        return json_object(await self._signed(method, f"/api/v2/{path}", **kwargs), desk=DESK)

    async def _signed(self, method: str, url: str, **kwargs: Any) -> httpx2.Response:
        if not self._config.uses_oauth:
            return await self._attempt(self._config.basic_authorization(), method, url, **kwargs)
        token = await self._token()
        try:
            return await self._attempt(f"Bearer {token}", method, url, **kwargs)
        except DeskAuthError:
            self._tokens.drop(self._config.token_key(), token)
        return await self._attempt(f"Bearer {await self._token()}", method, url, **kwargs)

    async def _attempt(
        self,
        authorization: str,
        method: str,
        url: str,
        *,
        more_headers: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> httpx2.Response:
        headers = {"Authorization": authorization, **(more_headers or {})}
        return accepted(await send(self._client, method, url, desk=DESK, headers=headers, **kwargs))

    async def _token(self) -> str:
        return await self._tokens.get(self._config.token_key(), self._fetch_token)

    async def _fetch_token(self) -> AccessToken:
        """Client credentials carry no refresh token: a new access token replaces the old one."""
        response = await send(self._client, "POST", "/oauth/tokens", desk=DESK, json=self._config.token_request())
        if response.status_code >= 400:
            raise _token_error(response)
        body = json_object(response, desk=DESK)
        token = access_token(body, life=_TOKEN_LIFE)
        if token is None:
            raise DeskProtocolError(f"{DESK} gave no access_token.")
        return token


def page_at(cursor: str | None, size: int) -> dict[str, str | int]:
    """Parameters of one page, at a cursor that came back from outside.

    Raises:
        DeskValidationError: It is no cursor of this desk.
    """
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise bad_cursor()
    return {"page[size]": page_size(size), **({"page[after]": cursor} if cursor is not None else {})}


def _token_error(response: httpx2.Response) -> DeskError:
    code, said, _ = _complaint(response)
    refused = response.status_code in {400, 401, 403}  # a wrong client, secret or scope
    return error_for_status(
        response,
        f"{DESK} gives no access token ({response.status_code}): {said}.",
        vendor_code=code,
        scope="account" if response.status_code == 429 else None,
        kind=DeskAuthError if refused else None,
    )


def accepted(response: httpx2.Response) -> httpx2.Response:
    """An answer that is no refusal.

    Raises:
        DeskError: The class the HTTP status stands for, with the vendor's words, code and fields.
    """
    if response.status_code < 400:
        return response
    code, said, fields = _complaint(response)
    raise error_for_status(
        response,
        f"{DESK} refused with {response.status_code}: {said}.",
        vendor_code=code,
        fields=fields,
        scope=_limit_scope(response) if response.status_code == 429 else None,
    )


def _complaint(response: httpx2.Response) -> tuple[str | None, str, tuple[str, ...]]:
    """Code, words and fields of an error; the API has several families of bodies, and plain text for some limits."""
    body = error_body(response)
    if not body:
        return None, plain_words(response, _TEXT_SHOWN).rstrip(".") or f"HTTP status {response.status_code}", ()
    errors = body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _json_api_complaint(errors)
    error = body.get("error")
    if isinstance(error, dict):
        return None, _words(error.get("title"), error.get("message")), ()
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    said = _words(
        None if details else body.get("description") or body.get("error_description") or error, *_described(details)
    )
    return (str(error) if error else None), said, tuple(str(name) for name in details)


def _json_api_complaint(errors: list[dict[str, Any]]) -> tuple[str | None, str, tuple[str, ...]]:
    code = errors[0].get("code")
    said = _words(*(part for error in errors for part in (error.get("title"), error.get("detail"))))
    pointers = (error.get("source") or {} for error in errors)
    named = tuple(str(source["pointer"]) for source in pointers if isinstance(source, dict) and source.get("pointer"))
    return (str(code) if code else None), said, named


def _described(details: Mapping[str, Any]) -> list[str]:
    """``{"status": [{"description": "Status: is invalid"}]}`` as its sentences."""
    lists = (value if isinstance(value, list) else [value] for value in details.values())
    items = (item for group in lists for item in group)
    return [str(item.get("description")) if isinstance(item, dict) else str(item) for item in items]


def _words(*parts: object) -> str:
    said = "; ".join(str(part).rstrip(".") for part in parts if part)
    return said or "no reason given"


def _limit_scope(response: httpx2.Response) -> str:
    """What a 429 is about: 30 updates in 10 minutes for one ticket, an endpoint's own limit, or the account's."""
    named = {name: value for name, value in response.headers.items() if name.startswith("zendesk-ratelimit-")}
    # The header of an endpoint's own limit says so by itself; only then is it sure that the account has some left.
    if any("remaining=0" in value.replace(" ", "").split(";") for value in named.values()):
        return "endpoint"
    request = response.request
    left = response.headers.get("x-rate-limit-remaining")
    # The account has calls left and a ticket's update was refused, so it is the limit on updates of one ticket.
    if request.method == "PUT" and _ONE_TICKET.search(request.url.path) and left not in {None, "0"}:
        return "ticket"
    return "account"


def rows(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list in an answer.

    Raises:
        DeskProtocolError: There is none.
    """
    items = body.get(key)
    if not isinstance(items, list):
        raise DeskProtocolError(f"{DESK} answered without a list of {key}.")
    return [row for row in items if isinstance(row, dict)]


def next_cursor(body: Mapping[str, Any]) -> str | None:
    """``page[after]`` of the next page, or None on the last."""
    meta = body.get("meta")
    # has_more decides: Zendesk gives an after_cursor on the last page as well.
    if not isinstance(meta, dict) or not meta.get("has_more"):
        return None
    return str(meta["after_cursor"]) if meta.get("after_cursor") else None

"""The wire: authentication, paging, and every vendor error translated in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.kit.times import retry_after_seconds
from deskhand.plugins.calls import access_token, error_body, error_for_status, json_object, send
from deskhand.plugins.errors import (
    DeskAuthError,
    DeskError,
    DeskProtocolError,
    DeskUnavailableError,
    DeskValidationError,
)
from deskhand.plugins.oauth import SHARED_TOKENS, AccessToken, TokenCache
from deskhand.plugins.paging import Listing, read_pages
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.manifest import DESK
from deskhand.plugins.servicenow.query import Query

PAGE = 100
_HIDDEN_PAGES = 50
"""Pages in a row without one row we may see, before we give up on finding one."""
_COUNT = re.compile(r"[0-9]{1,12}")
_TOKEN_LIFE = 1799.0  # what the stock application registry gives
_MANDATORY = re.compile(r"mandatory\w*\s*:?\s*(.+)$", re.IGNORECASE | re.DOTALL)
_ANSWER_SHAPE = {"sysparm_display_value": "all", "sysparm_exclude_reference_link": "true"}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows the account may see of one page.

    Attributes:
        next_offset: Where the next page starts; None on the last.
        total: Rows that match, seen or not.
    """

    rows: tuple[dict[str, Any], ...]
    next_offset: int | None
    total: int | None


class ServiceNowClient:
    """Calls the Table API and the Attachment API of one instance.

    One call is one attempt, apart from one retry with a fresh access token.

    Args:
        config: Address and credentials.
        http: Makes the outbound client.
        tokens: Cache of access tokens.
    """

    def __init__(self, config: ServiceNowConfig, http: HttpClientFactory, tokens: TokenCache = SHARED_TOKENS) -> None:
        self._config = config
        self._tokens = tokens
        self._client = http.client(config.servicenow_instance_url, headers={"Accept": "application/json"})

    async def get(self, table: str, sys_id: str, fields: Sequence[str]) -> dict[str, Any]:
        """One record; unknown fields are missing from it."""
        params = {**_ANSWER_SHAPE, "sysparm_fields": ",".join(fields)}
        return _record(json_body(await self._call("GET", f"table/{table}/{sys_id}", params=params)))

    async def patch(self, table: str, sys_id: str, body: Mapping[str, str], fields: Sequence[str]) -> dict[str, Any]:
        """Save fields in one go and read the record back; unknown fields are ignored by the instance."""
        params = {**_ANSWER_SHAPE, "sysparm_fields": ",".join(fields)}
        return _record(json_body(await self._call("PATCH", f"table/{table}/{sys_id}", params=params, json=dict(body))))

    async def post(self, table: str, body: Mapping[str, str], fields: Sequence[str]) -> dict[str, Any]:
        """Create a record and read it back."""
        params = {**_ANSWER_SHAPE, "sysparm_fields": ",".join(fields)}
        return _record(json_body(await self._call("POST", f"table/{table}", params=params, json=dict(body))))

    async def delete(self, table: str, sys_id: str) -> None:
        """Delete a record."""
        await self._call("DELETE", f"table/{table}/{quote(sys_id, safe='')}")

    async def page(
        self, table: str, query: Query, fields: Sequence[str], *, limit: int = PAGE, offset: int = 0
    ) -> Page:
        """The next page with a row we may see.

        The limit counts rows before access control hides some, so a page may come short or empty without
        being the last: what follows is read from the headers, and empty pages are passed over.

        Raises:
            DeskProtocolError: A row does not satisfy the query, or there is no end to hidden rows.
        """
        for _ in range(_HIDDEN_PAGES):
            page = await self._one_page(table, query, fields, limit, offset)
            if page.rows or page.next_offset is None:
                return page
            offset = page.next_offset
        raise DeskProtocolError(f"{DESK} hides {_HIDDEN_PAGES} pages of {table} in a row from this account.")

    async def all(self, table: str, query: Query, fields: Sequence[str]) -> Listing[dict[str, Any]]:
        """Every row, page by page."""

        async def read(offset: int) -> tuple[list[dict[str, Any]], int | None]:
            page = await self.page(table, query, fields, offset=offset)
            return list(page.rows), page.next_offset

        return await read_pages(read, 0)

    async def attachments(self, query: Query, *, limit: int) -> Listing[dict[str, Any]]:
        """Rows of the Attachment API, which knows no list of fields; cut where there are more of them."""
        params = {"sysparm_query": query.encode(), "sysparm_limit": str(limit)}
        response = await self._call("GET", "attachment", params=params)
        rows = json_body(response).get("result")
        if not isinstance(rows, list):
            raise DeskProtocolError(f"{DESK} answered without a list of attachments.")
        more = _goes_on(response, len(rows), limit, 0, _total(response))
        return Listing([row for row in rows if isinstance(row, dict)], is_cut=more)

    async def download(self, sys_id: str) -> bytes:
        """The bytes of an attachment."""
        path = f"attachment/{sys_id}/file"
        # Its own type is what the instance answers with, and asked for JSON it would refuse.
        return (await self._call("GET", path, headers={"Accept": "*/*"})).content

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _one_page(self, table: str, query: Query, fields: Sequence[str], limit: int, offset: int) -> Page:
        # The query's own fields come along, because each row is checked against it (query.py).
        names = dict.fromkeys((*fields, *query.fields()))
        params = {
            **_ANSWER_SHAPE,
            "sysparm_query": query.encode(),
            "sysparm_fields": ",".join(names),
            "sysparm_limit": str(limit),
            "sysparm_offset": str(offset),
        }
        response = await self._call("GET", f"table/{table}", params=params)
        rows = json_body(response).get("result")
        if not isinstance(rows, list):
            raise DeskProtocolError(f"{DESK} answered without a list of {table}.")
        visible_rows = tuple(row for row in rows if isinstance(row, dict))
        for row in visible_rows:
            query.check(row)
        count = _total(response)
        following = offset + limit if _goes_on(response, len(rows), limit, offset, count) else None
        return Page(visible_rows, following, count)

    async def _call(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        if not self._config.uses_oauth:
            return await self._attempt(self._config.basic_authorization(), method, path, **kwargs)
        token = await self._token()
        try:
            return await self._attempt(f"Bearer {token}", method, path, **kwargs)
        except DeskAuthError:
            # This token and no other: another call may have fetched a fresh one meanwhile.
            self._tokens.drop(self._config.account_key(), token)
        return await self._attempt(f"Bearer {await self._token()}", method, path, **kwargs)

    async def _attempt(self, authorization: str, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        headers = {"Authorization": authorization, **kwargs.pop("headers", {})}
        response = await send(self._client, method, f"/api/now/{path}", desk=DESK, headers=headers, **kwargs)
        if response.status_code >= 400:
            raise vendor_error(response)
        return response

    async def _token(self) -> str:
        return await self._tokens.get(self._config.account_key(), self._fetch_token)

    async def _fetch_token(self) -> AccessToken:
        """Client credentials carry no refresh token: a new access token replaces the old one."""
        response = await send(self._client, "POST", "/oauth_token.do", desk=DESK, data=self._config.token_form())
        if response.status_code >= 400:
            raise _token_error(response)
        body = json_object(response, desk=DESK)
        token = access_token(body, life=_TOKEN_LIFE)
        if token is None:
            raise DeskProtocolError(f"{DESK} gave no access_token.")
        return token


def _total(response: httpx2.Response) -> int | None:
    count = response.headers.get("x-total-count", "")
    return int(count) if _COUNT.fullmatch(count) else None


def _goes_on(response: httpx2.Response, rows: int, limit: int, offset: int, total: int | None) -> bool:
    """True if there is a further page: by ``Link``, else by the count, else by a full page."""
    if response.headers.get("link"):
        return "next" in response.links
    if total is not None:
        return offset + limit < total
    return rows >= limit


def json_body(response: httpx2.Response) -> dict[str, Any]:
    """The body of a successful answer.

    Raises:
        DeskUnavailableError: The instance stopped half-way; it then says so in the body of a 200.
        DeskProtocolError: It is no JSON object, e.g. the page of a hibernating developer instance.
    """
    body = json_object(response, desk=DESK)
    # The instance has sent status 200 by the time its transaction is cancelled.
    if isinstance(body.get("error"), dict):
        raise DeskUnavailableError(f"{DESK} broke off its answer: {_words(body['error'])}.")
    return body


def _record(body: Mapping[str, Any]) -> dict[str, Any]:
    record = body.get("result")
    if not isinstance(record, dict):
        raise DeskProtocolError(f"{DESK} answered without a record.")
    return record


def vendor_error(response: httpx2.Response) -> DeskError:
    """The error of a refused call: ``{"error": {"message", "detail"}, "status": "failure"}``."""
    error = _error_of(response)
    said = _words(error) or f"HTTP status {response.status_code}"
    detail = str(error.get("detail") or "")
    policy = "data policy" in detail.casefold()  # refused values come as 403, like missing rights
    rule = response.headers.get("x-ratelimit-rule")
    named = f" (rate rule {rule})" if rule and response.status_code == 429 else ""
    failure = error_for_status(
        response,
        f"{DESK} refused with {response.status_code}: {said}{named}.",
        vendor_code=str(error["message"]) if error.get("message") else None,
        fields=_mandatory_fields(detail) if policy else (),
        scope="account" if response.status_code == 429 else None,
        kind=DeskValidationError if policy else None,
    )
    if response.status_code == 429 and failure.retry_after is None:
        failure.retry_after = _until_reset(response)
    return failure


def _token_error(response: httpx2.Response) -> DeskError:
    said = error_body(response)
    reason = str(said.get("error") or f"HTTP status {response.status_code}")
    detail = str(said.get("error_description") or "")
    return error_for_status(
        response,
        f"{DESK} gives no access token: {reason}. {detail}".strip(),
        vendor_code=reason,
        kind=DeskAuthError if response.status_code in {400, 401, 403} else None,
    )


def _error_of(response: httpx2.Response) -> dict[str, Any]:
    error = error_body(response).get("error")
    return error if isinstance(error, dict) else {}


def _words(error: Mapping[str, Any]) -> str:
    parts = (str(error.get(name) or "").strip().rstrip(".") for name in ("message", "detail"))
    return "; ".join(dict.fromkeys(part for part in parts if part))


def _mandatory_fields(detail: str) -> tuple[str, ...]:
    """A data policy names fields by label; the stock labels are the names with blanks."""
    sentence = _MANDATORY.search(detail)
    labels = sentence.group(1).split(",") if sentence else []
    return tuple(label.strip(" .\n").casefold().replace(" ", "_") for label in labels if label.strip(" .\n"))


def _until_reset(response: httpx2.Response) -> float | None:
    # The vendor names the instant in seconds since 1970; the reader knows it from a wait by its size.
    return retry_after_seconds(response.headers.get("x-ratelimit-reset"))

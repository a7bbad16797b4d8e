"""Calls the operations of an OpenAPI document: checked against it, to its one server, with the credential for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import httpx2

from deskhand.connectors.errors import (
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreachableError,
)
from deskhand.connectors.openapi.sending import Request, build_request
from deskhand.connectors.values import Connection, Credential, CredentialKind, SourceCaller, SourceOperation
from deskhand.errors import InvalidInputError, UnavailableError
from deskhand.kit.answers import AnswerTooLargeError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.payloads.holding import check_schema
from deskhand.kit.storable import UnreadableJsonError, read_json, storable_text
from deskhand.plugins.credentials import sent_credentials, without

WORDS = 600
MOST_TEXT = 200_000
_AWAY = frozenset({408, 425})


class OpenApiCaller:
    """The caller of one source.

    Args:
        connection: The source.
        client: To call with.
    """

    def __init__(self, connection: Connection, client: httpx2.AsyncClient) -> None:
        self._connection = connection
        self._client = client
        self._base = httpx2.URL(str(connection.configuration["server"]))

    async def check(self, operation: SourceOperation, arguments: Mapping[str, Any]) -> None:
        """Hold arguments to the document."""
        try:
            await check_schema(dict(arguments), dict(operation.call["schema"]))
        except InvalidInputError as error:
            faults = "; ".join(f"{one.pointer or 'the arguments'} {one.detail}" for one in error.errors[:5])
            raise SourceRefusedError(
                f"'{operation.name}' does not take these arguments: {faults or 'they take too long to be checked'}."
            ) from error
        except UnavailableError as error:
            raise SourceRefusedError(f"'{operation.name}' could not be checked in time: send less.") from error
        self._address(build_request(operation.call, arguments))

    async def call(self, operation: SourceOperation, arguments: Mapping[str, Any], *, mark: str) -> dict[str, Any]:
        """Send one request and read its answer."""
        request = self._request(build_request(operation.call, arguments), mark)
        response = await self._send(request)
        return self._read(response, self._secrets(request))

    def _address(self, built: Request) -> httpx2.URL:
        try:
            url = httpx2.URL(str(self._base).rstrip("/") + built.target)
        except httpx2.InvalidURL as error:
            raise SourceRefusedError("These arguments make no address.") from error
        # Whatever a path or an argument holds: the credential goes to the one server and to no other.
        if (url.scheme, url.host, url.port) != (self._base.scheme, self._base.host, self._base.port):
            raise SourceRefusedError("These arguments would lead to another server.")
        return url

    def _request(self, built: Request, mark: str) -> httpx2.Request:
        ours: dict[str, str] = {}
        if (name := self._connection.configuration.get("idempotency_header")) and mark:
            ours[name] = mark
        extensions: dict[str, Any] = {}
        credential = self._connection.credential
        url = self._address(_without(built, credential))
        if credential is not None and credential.kind is CredentialKind.QUERY:
            # Beside the address and not in it: the address is logged.
            join = b"&" if b"?" in url.raw_path else b"?"
            pair = f"{quote(credential.name, safe='')}={quote(credential.secret, safe='')}".encode()
            extensions["target"] = url.raw_path + join + pair
        elif credential is not None and credential.kind is CredentialKind.HEADER:
            ours[credential.name] = credential.secret
        elif credential is not None and credential.kind is CredentialKind.BEARER:
            ours["Authorization"] = f"Bearer {credential.secret}"
        # In whatever case an argument spells it: a second header of the name would stand beside ours, or before it.
        taken = {name.lower() for name in ours}
        theirs = {name: value for name, value in built.headers.items() if name.lower() not in taken}
        headers = {"Accept": "application/json, text/*;q=0.5", **theirs, **ours}
        request = self._client.build_request(
            built.method, url, headers=headers, content=built.content or None, extensions=extensions
        )
        if credential is not None and credential.kind is CredentialKind.BASIC:
            request = next(httpx2.BasicAuth(credential.user, credential.secret).auth_flow(request))
        return request

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        name = self._connection.name
        try:
            return await self._client.send(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise SourceUnreachableError(f"{name} cannot be reached.") from error
        except AnswerTooLargeError as error:
            raise SourceError(f"The answer of {name} cannot be read: {error}.") from error
        except httpx2.TransportError as error:
            raise SourceUnavailableError(f"{name} did not answer ({type(error).__name__}).") from error
        except InvalidInputError as error:
            raise SourceRefusedError(f"{name} may not be called: {error.detail}") from error

    def _secrets(self, request: httpx2.Request) -> Sequence[str]:
        credential = self._connection.credential
        if credential is None:
            return ()
        secret = credential.secret
        return (*sent_credentials(request), secret, quote(secret, safe=""), quote_plus(secret))

    def _read(self, response: httpx2.Response, secrets: Sequence[str]) -> dict[str, Any]:
        name, status = self._connection.name, response.status_code
        body = _body(response, secrets)
        if 200 <= status < 300:
            return {"status": status, **({"body": body} if body != "" else {})}
        words = f"{name} answered {status}: {str(body)[:WORDS]}".rstrip(": ")
        if status in (401, 403):
            raise SourceRefusedError(f"{words} (its credential may not do this; an administrator can change it)")
        if status >= 500 or status in _AWAY:
            raise SourceUnavailableError(words)
        if status >= 400:
            raise SourceRefusedError(words)
        # A redirect is not followed, and says nothing about whether a write happened.
        raise SourceError(f"{name} answered {status}, which leads elsewhere and is not followed.")


def _without(built: Request, credential: Credential | None) -> Request:
    """A request in which no argument stands where the credential of its query goes."""
    path, _, query = built.target.partition("?")
    if credential is None or credential.kind is not CredentialKind.QUERY or not query:
        return built
    pairs = [one for one in query.split("&") if unquote_plus(one.partition("=")[0]) != credential.name]
    return replace(built, target="?".join(filter(None, (path, "&".join(pairs)))))


def _body(response: httpx2.Response, secrets: Sequence[str]) -> Any:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not response.content:
        return ""
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return read_json(
                response.content, charset=response.charset_encoding, clean=lambda text: without(text, secrets)
            )
        except UnreadableJsonError as error:
            return f"(JSON that cannot be read: {storable_text(str(error))[:200]})"
    if kind.startswith("text/") or kind == "":
        return without(storable_text(response.text[:MOST_TEXT]), secrets)
    return f"({storable_text(kind)[:100]}, {len(response.content)} bytes, not shown)"


@asynccontextmanager
async def opened(connection: Connection, http: HttpClientFactory) -> AsyncIterator[SourceCaller]:
    """A source for one run; nothing is asked of it before the first call."""
    async with http.client() as client:
        yield OpenApiCaller(connection, client)

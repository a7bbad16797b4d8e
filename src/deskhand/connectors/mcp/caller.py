"""A run's way to the tools of an MCP server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Tool

from deskhand.connectors.errors import SourceError, SourceRefusedError
from deskhand.connectors.mcp.content import answer_from
from deskhand.connectors.mcp.listing import operations_from, visible
from deskhand.connectors.mcp.server import CALL_SECONDS, McpServer
from deskhand.connectors.mcp.stdio import over_stdio
from deskhand.connectors.mcp.wire import ANSWER_BYTES, Seen, wire_client
from deskhand.connectors.values import Connection, Credential, CredentialKind, Described, SourceCaller, SourceOperation
from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.payloads.holding import check_schema
from deskhand.kit.storable import UnreadableJsonError
from deskhand.plugins.credentials import sent_credentials, without

_FAULTS = 3


class McpCaller:
    """Calls the tools of one server, for one run."""

    def __init__(self, server: McpServer) -> None:
        self._server = server

    async def check(self, operation: SourceOperation, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that do not fit the tool's schema.

        Raises:
            SourceRefusedError: Says what is wrong with them.
        """
        try:
            await check_schema(dict(arguments), dict(operation.call["schema"]))
        except InvalidInputError as error:
            faults = "; ".join(map(_worded, error.errors[:_FAULTS])) or error.detail
            raise SourceRefusedError(f"The arguments do not fit: {faults}.") from error

    async def call(self, operation: SourceOperation, arguments: Mapping[str, Any], *, mark: str) -> dict[str, Any]:
        """Do it once, and say what came of it.

        Raises:
            SourceRefusedError: It was surely not done.
            SourceError: Anything else.
        """
        described = operation.call
        result = await self._server.call(
            described["tool"],
            arguments,
            digest=described["digest"],
            mark=mark if operation.is_write else "",
        )
        try:
            return answer_from(result, self._server.clean)
        except UnreadableJsonError as error:
            raise SourceError(f"Its answer cannot be read: {error}") from error


async def described(connection: Connection, http: HttpClientFactory) -> Described:
    """What a server lists.

    Raises:
        SourceError: It cannot be listed, or lists without measure.
    """
    server = server_at(connection, http)
    tools = await server.tools()
    # Thousands of schemas may be in it.
    return Described(operations=await asyncio.to_thread(_offered, tools, server))


@asynccontextmanager
async def opened(connection: Connection, http: HttpClientFactory) -> AsyncIterator[SourceCaller]:
    """Open a server for one run; nothing is asked of it before the first call."""
    yield McpCaller(server_at(connection, http))


def server_at(connection: Connection, http: HttpClientFactory) -> McpServer:
    """The server of a connection: at an address, or behind a command that the installation lists.

    Args:
        connection: As it is stored, with its credential.
        http: The installation's way out; a connection without an address names one of its commands.
    """
    if "command" in connection.configuration:
        name = connection.configuration["command"]
        return McpServer(connection.name, lambda _seen: over_stdio(name, commands=http.commands), lambda text: text)
    url = connection.configuration["url"]
    headers = _headers(connection.credential)
    # By a request of its own: what the SDK adds, such as the protocol's version, is no secret.
    credentials = sent_credentials(httpx2.Request("POST", url, headers=headers))

    def reach(seen: Seen) -> AbstractAsyncContextManager[Any]:
        return _over_http(url, seen, http=http, headers=headers)

    return McpServer(connection.name, reach, lambda text: without(text, credentials))


@asynccontextmanager
async def _over_http(
    url: str, seen: Seen, *, http: HttpClientFactory, headers: Mapping[str, str]
) -> AsyncIterator[Any]:
    client = wire_client(http, seen, headers=headers, seconds=CALL_SECONDS)
    async with client, streamable_http_client(url, http_client=client, max_sse_event_size=ANSWER_BYTES) as streams:
        yield streams


def _offered(tools: Sequence[Tool], server: McpServer) -> list[SourceOperation]:
    """What is kept of a list.

    Raises:
        SourceRefusedError: Our credential is in it.
    """
    for tool in tools:
        said = json.dumps(tool.model_dump(mode="json"), ensure_ascii=False)
        # Refused whole: left in, every viewer and every model would read it; taken out, the tool would be another than
        # the one that is called.
        if any(server.clean(text) != text for text in (said, visible(said))):
            raise SourceRefusedError(f"{server.name}: it repeats our credential in what it says of a tool")
    return operations_from(tools)


def _headers(credential: Credential | None) -> dict[str, str]:
    """The header in which a credential goes along."""
    if credential is None:
        return {}
    if credential.kind is CredentialKind.BEARER:
        return {"Authorization": f"Bearer {credential.secret}"}
    if credential.kind is CredentialKind.BASIC:
        pair = base64.b64encode(f"{credential.user}:{credential.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    if credential.kind is CredentialKind.HEADER:
        return {credential.name: credential.secret}
    # The protocol forbids it, and whoever logs addresses would log the credential.
    raise InvalidInputError("An MCP server takes no credential in its address: use 'bearer', 'basic' or 'header'.")


def _worded(fault: FieldProblem) -> str:
    return f"{fault.pointer or 'they'}: {fault.detail}"

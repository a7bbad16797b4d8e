"""One MCP server as it is talked to. Each question is a conversation of its own, from greeting to farewell.

A run may be resumed by another worker at any step, so nothing may hang on a session that lives from step to step: a
server that was started again meanwhile is no other case than one that was not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    TextContent,
    Tool,
)

from deskhand.connectors.errors import SourceError, SourceRefusedError, SourceUnreachableError, ToolChangedError
from deskhand.connectors.mcp.failures import FAILURES, UNFINISHED, explained, first_of
from deskhand.connectors.mcp.listing import digest_of, one_line
from deskhand.connectors.mcp.wire import Seen, SessionGoneError
from deskhand.connectors.values import MOST_OPERATIONS
from deskhand.errors import DeskhandError

T = TypeVar("T")
Reach = Callable[[Seen], AbstractAsyncContextManager[Any]]
"""Connects: of what it learns on the way, to the SDK's two streams."""

LIST_SECONDS = 20.0
CALL_SECONDS = 60.0
CLOSING_SECONDS = 3.0
"""For the farewell; a server that lets it wait is left without one."""
MOST_PAGES = 50
MARK = "com.deskhand/idempotency-key"
"""In a call's ``_meta``: the same on every attempt at one write. MCP knows no such key, and a server may still look."""
_US = Implementation(name="deskhand", title="Deskhand", version="0.1.0")
_WORDS = 500

# The SDK logs what servers send, which may be our own credential, and takes the name "client" for some of it. What
# matters is in the errors here, cleaned.
for _name in ("mcp", "client"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class McpServer:
    """Talks to one server.

    Args:
        name: Of the source, for messages.
        reach: Connects.
        clean: Takes our credential out of a text.
    """

    def __init__(self, name: str, reach: Reach, clean: Callable[[str], str]) -> None:
        self.clean = clean
        self.name = name
        self._reach = reach

    async def tools(self) -> list[Tool]:
        """Everything it lists.

        Raises:
            SourceError: It cannot be listed, or lists without measure.
        """

        async def act(client: Client, _seen: Seen) -> list[Tool]:
            return await _all_tools(client)

        return await self._talk(act, seconds=LIST_SECONDS)

    async def call(self, tool: str, arguments: Mapping[str, Any], *, digest: str, mark: str) -> CallToolResult:
        """Call one tool, if the server still says of it what was accepted.

        Args:
            tool: Its name at the server.
            arguments: Checked already.
            digest: Of what was accepted.
            mark: Of a write; empty of a read.

        Raises:
            ToolChangedError: It says something else by now; it was not called.
            SourceRefusedError: It was surely not done.
            SourceError: Anything else.
        """

        async def act(client: Client, seen: Seen) -> CallToolResult:
            _ensure_accepted(tool, await _all_tools(client), digest)
            seen.is_sent = True
            return await _called(client, seen, tool, dict(arguments), mark)

        return await self._talk(act, seconds=CALL_SECONDS)

    async def _talk(self, act: Callable[[Client, Seen], Awaitable[T]], *, seconds: float) -> T:
        deadline = asyncio.get_running_loop().time() + seconds
        seen = Seen()
        try:
            return await self._once(act, seen, deadline)
        except FAILURES as error:
            failure = seen.failure or first_of(error)
        if isinstance(failure, SessionGoneError):
            # What it does not know the session of, it has not done.
            return await self._again(act, deadline)
        raise self._explained(failure, seen)

    async def _again(self, act: Callable[[Client, Seen], Awaitable[T]], deadline: float) -> T:
        seen = Seen()
        try:
            return await self._once(act, seen, deadline)
        except FAILURES as error:
            failure = seen.failure or first_of(error)
        raise self._explained(failure, seen)

    async def _once(self, act: Callable[[Client, Seen], Awaitable[T]], seen: Seen, deadline: float) -> T:
        async with asyncio.timeout_at(deadline + CLOSING_SECONDS):
            # No callbacks: what a server asks of us (our model, our user, our files) is refused by the SDK. No cache:
            # the list is read to see whether it is still the accepted one.
            async with Client(self._reach(seen), mode="auto", cache=None, client_info=_US) as client:
                async with asyncio.timeout_at(deadline):
                    return await act(client, seen)

    def _explained(self, failure: Exception, seen: Seen) -> DeskhandError:
        error = explained(failure, seen)
        if not isinstance(error, SourceError):
            return error
        # What failed before the call left leaves nothing in doubt, whatever it was.
        is_said = seen.is_sent or error.certainly_not_done
        kind = type(error) if is_said else SourceUnreachableError
        # Before it is cut as well: half a credential would not be known as one.
        words = self.clean(one_line(f"{self.name}: {self.clean(error.detail)}", _WORDS))
        return kind(words, retry_after=error.retry_after)


async def _all_tools(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        if len(tools) > MOST_OPERATIONS:
            raise SourceRefusedError(f"it lists more than {MOST_OPERATIONS:,} tools, which nobody can look at")
        if not page.next_cursor:
            return tools
        cursor = page.next_cursor
    raise SourceRefusedError(f"its list of tools does not end after {MOST_PAGES} pages")


def _ensure_accepted(name: str, tools: list[Tool], digest: str) -> None:
    """The tool is listed once, and as it was accepted.

    Raises:
        ToolChangedError: It is not.
    """
    listed = [tool for tool in tools if tool.name == name]
    if not listed:
        raise ToolChangedError(f"it does not list '{name}' any more")
    if len(listed) > 1 or digest_of(listed[0]) != digest:
        raise ToolChangedError(
            f"what it says of '{name}' has changed since that was accepted, so it is not called until an administrator"
            " has read the change and accepted it"
        )


async def _called(client: Client, seen: Seen, tool: str, arguments: dict[str, Any], mark: str) -> CallToolResult:
    params = CallToolRequestParams.model_validate(
        {"name": tool, "arguments": arguments} | ({"_meta": {MARK: mark}} if mark else {})
    )
    try:
        # Not the SDK's own call_tool: it would hold the answer to the server's schema with regular expressions that
        # backtrack, and throw an answer away that was given.
        return await client.session.send_request(CallToolRequest(params=params), CallToolResult)
    except MCPError as error:
        if seen.status != 200 or error.code in UNFINISHED:
            raise
        # Its own word that it failed is an answer, and the model can mend what it asked.
        return CallToolResult(content=[TextContent(text=f"{error.code}: {error.message}")], is_error=True)

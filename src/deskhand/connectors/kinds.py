"""What each kind of source does for itself: everything else is the same for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module

from deskhand.connectors.mcp import changes
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.openapi import caller as openapi_caller
from deskhand.connectors.openapi.reading import ready
from deskhand.connectors.values import Connection, Described, Opener, Reader, SourceCaller, SourceOperation
from deskhand.kit.http import HttpClientFactory

Prepare = Callable[[ToolSource, Sequence[SourceOperation]], Sequence[SourceOperation]]
"""Makes operations ready that are switched on: their schemas, and how they are called. May take a second; pure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfSource:
    """One kind.

    Attributes:
        open: Opens a source for one run.
        read: Asks a source what it can do.
        prepare: Makes operations ready; left out, they are as they were read.
    """

    open: Opener
    read: Reader | None = None
    prepare: Prepare | None = None


# The MCP SDK takes as long to import as a tenth of the product, and an API or a command seldom needs it: it is imported
# beside the event loop, when the first server is talked to.
_MCP_CALLER = "deskhand.connectors.mcp.caller"


async def _read_mcp(connection: Connection, http: HttpClientFactory) -> Described:
    caller = await asyncio.to_thread(import_module, _MCP_CALLER)
    described: Described = await caller.described(connection, http)
    return described


@asynccontextmanager
async def _open_mcp(connection: Connection, http: HttpClientFactory) -> AsyncIterator[SourceCaller]:
    caller = await asyncio.to_thread(import_module, _MCP_CALLER)
    async with caller.opened(connection, http) as opened:
        yield opened


KINDS: Mapping[SourceKind, KindOfSource] = {
    SourceKind.OPENAPI: KindOfSource(open=openapi_caller.opened, prepare=ready),
    SourceKind.MCP: KindOfSource(open=_open_mcp, read=_read_mcp, prepare=changes.ready),
}
"""Every kind that can be called."""

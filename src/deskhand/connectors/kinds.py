"""What each kind of source does for itself: everything else is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deskhand.connectors.mcp import caller as mcp_caller
from deskhand.connectors.mcp import changes
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.connectors.openapi import caller as openapi_caller
from deskhand.connectors.openapi.reading import ready
from deskhand.connectors.values import Opener, Reader, SourceOperation

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


KINDS: Mapping[SourceKind, KindOfSource] = {
    SourceKind.OPENAPI: KindOfSource(open=openapi_caller.opened, prepare=ready),
    SourceKind.MCP: KindOfSource(open=mcp_caller.opened, read=mcp_caller.described, prepare=changes.ready),
}
"""Every kind that can be called."""

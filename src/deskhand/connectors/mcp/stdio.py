"""MCP servers as a process of this machine: only what the installation lists, word for word."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TextIO

from mcp.client.stdio import StdioServerParameters, stdio_client

from deskhand.connectors.errors import SourceRefusedError

_CHILD = Path(__file__).with_name("child.py")  # its file: of this very installation, and without the package's imports


@asynccontextmanager
async def over_stdio(name: str, *, commands: Mapping[str, Sequence[str]]) -> AsyncIterator[Any]:
    """Start a listed command for one conversation; whoever names it adds nothing to it.

    Raises:
        SourceRefusedError: The installation lists no such command, or cannot promise its end.
    """
    command = commands.get(name)
    if command is None:
        raise SourceRefusedError(f"this installation lists no command '{name}' (DESKHAND_MCP_COMMANDS)")
    if sys.platform != "linux":
        raise SourceRefusedError("commands are started on Linux alone, where their end can be promised")
    # The SDK passes HOME, PATH and the like on; the child between passes nothing on.
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-I", str(_CHILD), str(os.getpid()), *command],
        encoding_error_handler="replace",
    )
    with _nowhere() as errlog:
        async with stdio_client(parameters, errlog=errlog) as streams:
            yield streams


@contextmanager
def _nowhere() -> Iterator[TextIO]:
    # Our own standard error is our log, and nobody else writes into it.
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        yield stream

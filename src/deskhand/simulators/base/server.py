"""Runs an ASGI app on a real socket: in this process for tests and the demo, or as a command."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp


class _QuietServer(uvicorn.Server):
    """Leaves signal handlers alone; they belong to the process that embeds it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class RunningServer:
    """A server on loopback that can be stopped and started again on the same port: a true outage.

    Args:
        app: What to serve.
        host: Address to bind.
        port: 0 picks a free one.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self._host = host
        self.port = port
        self._server: _QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://{self._host}:{self.port}"

    async def start(self) -> None:
        """Listen; returns when connections are accepted."""
        listener = socket.create_server((self._host, self.port), backlog=512)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(self._app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise RuntimeError("The server ended before it accepted connections.")
            await asyncio.sleep(0.005)  # uvicorn offers no event to wait for

    async def stop(self) -> None:
        """Close the socket; later connections are refused."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
            self._server = self._task = None


@asynccontextmanager
async def run_in_process(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[RunningServer]:
    """Serve an app on loopback for the length of a ``with`` block, in the running event loop."""
    server = RunningServer(app, host=host, port=port)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def serve(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, log_level: str = "info") -> None:
    """Serve an app until the process is told to stop."""
    uvicorn.run(app, host=host, port=port, log_level=log_level)

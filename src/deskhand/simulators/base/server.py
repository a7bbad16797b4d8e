"""Runs an ASGI app on a real socket: in this process for tests and the demo, or as a command."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HANG_UP = "deskhand.hang_up"


class _Connection(HttpToolsProtocol):
    """Lets an app close the connection it is asked on; ASGI has no word for that."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        served = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[_HANG_UP] = transport.close
            await served(scope, receive, send)

        self.app = app


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the caller's connection without an answer; the app returns after this and sends nothing.

    Args:
        scope: Of a request whose body was read, served by this module.
        receive: Of the same request.
    """
    scope["extensions"][_HANG_UP]()
    while (await receive())["type"] != "http.disconnect":
        pass  # an app that returned before the server knew would be answered for with a 500


class _QuietServer(uvicorn.Server):
    """Leaves signal handlers alone; they belong to the process that embeds it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listener(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once.

    asyncio turns Nagle's algorithm off where a socket says that it is TCP, and ``socket.create_server`` leaves that
    open; an answer of two pieces then waited 40 ms for the client's delayed acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener


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
        # Bound here and not by uvicorn, so that the port is known before the first connection; the backlog takes a
        # storm's burst.
        listener = _listener(self._host, self.port)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http=_Connection,
            log_level="critical",
            access_log=False,
            # Longer than any client keeps its own, as vendors' front doors do; else requests are lost in between.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
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
    uvicorn.run(app, http=_Connection, host=host, port=port, log_level=log_level)

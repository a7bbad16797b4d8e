"""A worker's own small page: ``/metrics`` for Prometheus, and ``/healthz``.

A worker serves no API, so what it measured can be read nowhere else; each worker process is scraped by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deskhand.engine.queue import queue_depth
from deskhand.errors import ConfigurationError
from deskhand.kit.telemetry import Telemetry

log = structlog.get_logger(__name__)


class FiguresPage:
    """Serves the figures of one worker.

    Args:
        telemetry: Its figures.
        pool: Where the queue's depth is counted at each scrape.
        healthy: Whether the worker can do its work now.
    """

    def __init__(
        self, telemetry: Telemetry, pool: asyncpg.Pool[asyncpg.Record], *, healthy: Callable[[], bool]
    ) -> None:
        self._telemetry = telemetry
        self._pool = pool
        self._healthy = healthy
        # Starlette without FastAPI: two addresses that take no input need no more.
        routes = [Route("/metrics", self._metrics), Route("/healthz", self._health)]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)

    async def serve(self, listener: socket.socket) -> None:
        """Answer on a listening socket until ``request_stop``."""
        host, port = listener.getsockname()[:2]
        log.info("figures_served", url=f"http://{host}:{port}/metrics")
        await self._server.serve(sockets=[listener])

    def request_stop(self) -> None:
        """Finish the answers that are under way and end."""
        self._server.should_exit = True

    async def _metrics(self, request: Request) -> Response:
        # Counted when somebody asks: a gauge that a timer fed would show the past while the database is away.
        self._telemetry.queue_depth(await queue_depth(self._pool))
        body, content_type = self._telemetry.render(request.headers.get("accept", ""))
        return Response(body, media_type=content_type)

    async def _health(self, _request: Request) -> Response:
        healthy = self._healthy()
        # A worker that the database has not heard answers 503 and lives on: its supervisor restarts only what answers
        # nobody, because a restart does not bring the database back.
        return JSONResponse({"status": "ok" if healthy else "cut off"}, status_code=200 if healthy else 503)


class _Server(uvicorn.Server):
    """A server beside other work: the signals belong to the worker."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Take a worker's address, before it takes work.

    Args:
        host: Address to listen on.
        port: 0 picks a free one.

    Raises:
        ConfigurationError: It cannot be had.
    """
    try:
        # Bound before any work is taken: a worker that fails on its port later would drop the runs it had begun.
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            f"The worker's figures cannot be served at {host}:{port} ({error.strerror or error}). Set"
            " DESKHAND_WORKER_METRICS_PORT to a free port, or to 0, which picks one."
        ) from error

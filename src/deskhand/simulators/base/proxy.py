"""Makes a real server fail on demand: a forwarding app with the fault layer in front.

For desks whose peer in the tests is the vendor's own program (Roundup), which cannot be asked to answer
429 or to cut the connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deskhand.kit.clock import Clock, utc_now
from deskhand.kit.http import HttpClientFactory
from deskhand.simulators.base.faults import Fault, FaultLayer, FaultList

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-encoding"}
_OURS = {"host", "content-length", "accept-encoding"}


class FaultyProxy:
    """Forwards everything to ``upstream`` unless a fault hits.

    Args:
        upstream: Base address of the real server.
        render: The vendor's body for a ``status`` fault; None answers with an empty one.
        clock: Ends faults that were given a duration.
    """

    def __init__(
        self,
        upstream: str,
        *,
        render: Callable[[Fault, Request], Response] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.faults = FaultList(clock)
        self._upstream = upstream.rstrip("/")
        self._render = render or (lambda fault, _request: Response(status_code=fault.status))

    def build(self) -> Starlette:
        """The ASGI app."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with HttpClientFactory(allow_private=True).client(self._upstream) as client:
                app.state.client = client
                yield

        layer = Middleware(FaultLayer, faults=self.faults, render=self._render)
        route = Route("/{path:path}", self._forward, methods=_METHODS)
        return Starlette(routes=[route], middleware=[layer], lifespan=lifespan)

    async def _forward(self, request: Request) -> Response:
        # As it was sent: decoding would turn a quoted slash into another address.
        target = request.scope["raw_path"].decode("ascii") + (f"?{request.url.query}" if request.url.query else "")
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP | _OURS}
        answer = await request.app.state.client.request(
            request.method, target, headers=headers, content=await request.body()
        )
        # The answer is decoded already, so its length and encoding are no longer true.
        passed_on = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP | _OURS}
        return Response(answer.content, status_code=answer.status_code, headers=passed_on)

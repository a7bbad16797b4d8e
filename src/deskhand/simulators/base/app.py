"""The part of a desk simulator that does not depend on the vendor, served."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskhand.simulators.base.control import control_routes
from deskhand.simulators.base.desk import SimulatedDesk
from deskhand.simulators.base.faults import FaultLayer
from deskhand.simulators.base.pages import page_routes


class DeskSimulator(SimulatedDesk):
    """A simulated desk with its control endpoints and its page; vendors subclass this."""

    def build(self) -> Starlette:
        """The ASGI application: control endpoints, web page, and behind the fault layer the vendor's API."""

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            yield
            await self.sender.stop()

        vendor = Mount(
            "/",
            app=Router(self.routes()),
            middleware=[
                Middleware(_CallLog, calls=self.calls),
                Middleware(FaultLayer, faults=self.faults, render=self.render_fault),
            ],
        )
        app = Starlette(routes=[*control_routes(self), *page_routes(self), vendor], lifespan=lifespan)
        app.state.simulator = self
        return app


class _CallLog:
    """Notes every vendor call and the status it was answered with (0: the connection was cut)."""

    def __init__(self, app: ASGIApp, calls: deque[dict[str, Any]]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry: dict[str, Any] = {"method": scope.get("method"), "path": scope.get("path"), "status": 0}
        self._calls.append(entry)
        cut = False

        async def watch(message: Message) -> None:
            nonlocal cut
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            cut = message.get("more_body", False)
            await send(message)

        await self._app(scope, receive, watch)
        if cut:
            entry["status"] = 0

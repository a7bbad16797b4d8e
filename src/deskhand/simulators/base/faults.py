"""Things that go wrong on purpose: a rule list, and the ASGI layer that applies it.

The layer works in front of any ASGI app, so a real server behind ``proxy_app`` can be made to fail
in the same ways as a simulator.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskhand.kit.clock import Clock


class Fault(BaseModel):
    """One rule. It ends after ``count`` calls or ``seconds``, whichever is given; else on ``DELETE``.

    Attributes:
        kind: ``status`` answers with an HTTP status, ``slow`` waits first, ``outage`` cuts the connection,
            ``garbage`` answers 200 with something that is not JSON.
        status: For ``status``.
        headers: Sent with it; the vendor's usual ones are added by the simulator.
        delay: Seconds of waiting for ``slow``.
        count: How many calls.
        seconds: For how long (of the simulator's clock).
        method: Only this HTTP method.
        writes_only: Only methods other than GET.
        path: Only paths in which this regular expression is found.
        after_effect: Do the work first, then fail: the caller cannot know that it took effect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["status", "slow", "outage", "garbage"] = "status"
    status: int = Field(default=500, ge=400, le=599)
    headers: dict[str, str] = {}
    delay: float = Field(default=1.0, ge=0, le=3600)
    count: int | None = Field(default=None, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    method: str | None = None
    writes_only: bool = False
    path: str | None = None
    after_effect: bool = False


class FaultList:
    """Rules in force.

    Args:
        clock: Ends rules that were given a duration.
        spared: Paths (regular expression) that only a rule with its own ``path`` touches, e.g. token endpoints.
    """

    def __init__(self, clock: Clock, *, spared: str | None = None) -> None:
        self._clock = clock
        self._spared = re.compile(spared) if spared else None
        self._rules: list[tuple[Fault, datetime | None, list[int]]] = []

    def add(self, fault: Fault) -> None:
        """Put a rule in force."""
        ends = None if fault.seconds is None else self._clock() + timedelta(seconds=fault.seconds)
        self._rules.append((fault, ends, [fault.count or 0]))

    def clear(self) -> None:
        """Heal everything."""
        self._rules.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Rules in force, with what is left of them."""
        return [{**fault.model_dump(), "left": left[0] if fault.count else None} for fault, _, left in self._rules]

    def take(self, method: str, path: str) -> Fault | None:
        """The rule that hits this call, used up by one."""
        now = self._clock()
        # Thrown away here and by no timer, so that the simulator's own clock decides in tests.
        self._rules = [rule for rule in self._rules if rule[1] is None or now < rule[1]]
        rule = next((rule for rule in self._rules if self._hits(rule[0], method, path)), None)
        if rule is None:
            return None
        fault, _, left = rule
        left[0] -= 1  # a rule without a count starts at zero and never comes back to it
        if left[0] == 0:
            self._rules.remove(rule)
        return fault

    def _hits(self, fault: Fault, method: str, path: str) -> bool:
        if fault.method is not None and fault.method.upper() != method:
            return False
        if fault.writes_only and method in {"GET", "HEAD"}:
            return False
        if fault.path is not None:
            return re.search(fault.path, path) is not None
        return self._spared is None or self._spared.search(path) is None


Render = Callable[[Fault, Request], Response]


class FaultLayer:
    """ASGI layer in front of the vendor's routes.

    Args:
        app: What is made to fail.
        faults: The rules.
        render: The vendor's own body and headers for a ``status`` fault.
    """

    def __init__(self, app: ASGIApp, faults: FaultList, render: Render) -> None:
        self._app = app
        self._faults = faults
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._faults.take(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.kind == "slow":
            await asyncio.sleep(fault.delay)
            await self._app(scope, receive, send)
            return
        # The work is done and its answer lost: the case in which a client must ask before it writes again.
        if fault.after_effect:
            await self._app(scope, receive, _discard)
        if fault.kind == "outage":
            await _cut(send)
            return
        await self._answer(fault, Request(scope))(scope, receive, send)

    def _answer(self, fault: Fault, request: Request) -> Response:
        if fault.kind == "garbage":
            return Response("<html><body>Please sign in</body></html>", media_type="text/html")
        response = self._render(fault, request)
        # After the vendor's own, so that a test can replace any of them.
        response.headers.update(fault.headers)
        return response


async def _discard(_message: Message) -> None:
    """The answer nobody gets."""


async def _cut(send: Send) -> None:
    """Promise a body and do not send it: the server then closes the connection on the caller."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})

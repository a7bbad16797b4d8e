"""What RFC 9110 asks of every resource, in one place: HEAD where there is GET, and ``If-None-Match`` heeded."""

from __future__ import annotations

import asyncio
import re
from functools import cache

from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_KEPT_IN_304 = frozenset({"etag", "cache-control", "content-location", "date", "expires", "vary", "x-request-id"})


@cache  # a refusal asks for the pattern of every route
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]


def allowed_methods(routes: list[BaseRoute], scope: Scope) -> list[str]:
    """Every method that the resource at this path has (Starlette names those of the first route only).

    Where a path is one of its own and fits a template too, as `/approvals/approve` and `/approvals/{id}`, it is the
    former's methods that count: the latter's names no such resource.
    """
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    methods: dict[str, set[str]] = {}
    for route in iter_route_contexts(routes):
        template = route.path or ""
        if route.methods:
            if _pattern(template).match(path):
                methods.setdefault(template, set()).update(route.methods)
        # What is mounted decides for itself.
        elif route.original_route.matches(scope)[0] is Match.FULL:
            methods.setdefault(template, set()).update(METHODS)
    closest = min(methods, key=lambda template: template.count("{"), default="")
    known = [method for method in METHODS if method in methods.get(closest, ())]
    return ["HEAD", *known] if "GET" in known else known


class ResourceManners:
    """Answers HEAD as GET without the body, and 304 where the caller already has what it asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, head=scope["method"] == "HEAD", seen=Headers(scope=scope).get("if-none-match"))
        if not answer.head:
            await self.app(scope, receive, answer.send)
            return
        # A stream's head is complete before its body ends, which may be never: the producer stops with the first part.
        producer = asyncio.ensure_future(self.app({**scope, "method": "GET"}, receive, answer.send))
        finished = asyncio.ensure_future(answer.finished.wait())
        try:
            await asyncio.wait({producer, finished}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.is_stream:
                await producer
        finally:
            for task in (producer, finished):
                task.cancel()
            await asyncio.gather(producer, finished, return_exceptions=True)


class _Answer:
    """One answer on its way out, whose body may have to be left out."""

    def __init__(self, send: Send, *, head: bool, seen: str | None) -> None:
        self.head = head
        self.finished = asyncio.Event()
        self.is_stream = False
        self._send = send
        self._seen = seen
        self._bodiless = head

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(self._start(message))
        elif not self._bodiless:
            await self._send(message)
        elif not self.finished.is_set():
            self.is_stream = self.head and bool(message.get("more_body"))
            await self._send({"type": "http.response.body", "body": b""})
            self.finished.set()

    def _start(self, message: Message) -> Message:
        headers = MutableHeaders(raw=list(message.get("headers", ())))
        tag = headers.get("etag")
        if message["status"] != 200 or tag is None or self._seen is None or not _names(self._seen, tag):
            return message
        self._bodiless = True
        kept = [(name, value) for name, value in headers.raw if name.decode("latin-1") in _KEPT_IN_304]
        return {**message, "status": 304, "headers": kept}


def _names(header: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names a tag, by the weak comparison (RFC 9110, section 13.1.2)."""
    wanted = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in wanted or tag.removeprefix("W/") in wanted

"""HEAD answers as GET does without a body, and what a caller has already is not sent again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from deskhand.kit.manners import ResourceManners, allowed_methods

TAG = 'W/"v1"'


def scope_of(method: str, *headers: tuple[str, str], path: str = "/agents/7") -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return {"type": "http", "method": method, "path": path, "headers": raw, "query_string": b"", "root_path": ""}


async def answer_of(app: Any, method: str, *headers: tuple[str, str]) -> tuple[int, httpx2.Headers, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()  # the caller stays
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await ResourceManners(app)(scope_of(method, *headers), receive, send)
    start, *parts = sent
    assert [bool(part.get("more_body")) for part in parts][-1] is False
    return start["status"], httpx2.Headers(start["headers"]), b"".join(part["body"] for part in parts)


def resource(status: int = 200, tag: str | None = TAG) -> PlainTextResponse:
    tagged = {} if tag is None else {"ETag": tag}
    return PlainTextResponse("the agent", status, headers={**tagged, "Cache-Control": "no-cache", "X-Odd": "1"})


@pytest.mark.parametrize(
    ("header", "tag", "status"),
    [
        (TAG, TAG, 304),
        ('"v1"', TAG, 304),
        ('"v0", W/"v1"', '"v1"', 304),
        ("*", TAG, 304),
        (' "v1" ', TAG, 304),
        ('"v2"', TAG, 200),
        ("v1", TAG, 200),
        ('"v1"', None, 200),
        ("", TAG, 200),
        ('W/"V1"', TAG, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_the_caller_has_is_not_sent_again(header: str, tag: str | None, status: int, method: str) -> None:
    code, headers, body = await answer_of(resource(tag=tag), method, ("if-none-match", header))
    assert code == status
    assert body == (b"the agent" if (status, method) == (200, "GET") else b"")
    if status == 304:
        assert headers["etag"] == tag
        assert headers["cache-control"] == "no-cache"
        assert not {"content-length", "content-type", "x-odd"} & set(headers)


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("DELETE", 200), ("GET", 404), ("GET", 412)])
async def test_changes_and_refusals_are_sent_whole(method: str, status: int) -> None:
    code, headers, body = await answer_of(resource(status), method, ("if-none-match", TAG))
    assert (code, body) == (status, b"the agent")
    assert headers["content-length"] == "9"


async def test_head_has_the_heads_of_get() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])
        await resource()(scope, receive, send)

    assert (await answer_of(app, "GET"))[:2] == (await answer_of(app, "HEAD"))[:2]
    assert (await answer_of(app, "HEAD"))[2] == b""
    assert set(seen) == {"GET"}


async def test_the_head_of_a_stream_without_end_is_answered_and_its_producer_stops() -> None:
    stopped = asyncio.Event()

    async def parts() -> Any:
        try:
            while True:
                yield "tick\n"
                await asyncio.sleep(0)
        finally:
            stopped.set()

    code, headers, body = await answer_of(StreamingResponse(parts(), media_type="text/event-stream"), "HEAD")
    assert (code, body) == (200, b"")
    assert headers["content-type"].startswith("text/event-stream")
    await asyncio.wait_for(stopped.wait(), 30)


async def test_what_fails_behind_head_fails_as_behind_get() -> None:
    async def app(*_: object) -> None:
        raise LookupError("broken")

    for method in ("GET", "HEAD"):
        with pytest.raises(LookupError, match="broken"):
            await answer_of(app, method)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/agents/7", ["HEAD", "GET", "PATCH", "DELETE"]),
        ("/agents", ["POST"]),
        ("/in/side", ["HEAD", "GET"]),
        ("/nowhere", []),
    ],
)
def test_every_method_of_a_resource_is_named_whichever_route_has_it(path: str, methods: list[str]) -> None:
    routes = [
        Route("/agents/{id}", resource, methods=["GET"]),
        Route("/agents", resource, methods=["POST"]),
        Route("/agents/{id}", resource, methods=["DELETE"]),
        Route("/agents/{id}", resource, methods=["PATCH"]),
        Mount("/in", routes=[Route("/side", resource, methods=["GET"])]),
    ]
    allowed = allowed_methods(routes, scope_of("PUT", path=path))
    if path.startswith("/in/"):
        assert set(allowed) >= set(methods)  # a mount takes every method and answers 405 by itself
    else:
        assert allowed == methods

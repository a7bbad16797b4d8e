"""What a stranger may cost: heads and bodies that never end, too many connections, trailers, bodies without a key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse

from deskhand.errors import RateLimitedError
from deskhand.kit.edge import MAX_BODY_BYTES, STRANGERS_BODY_BYTES, BodyLimit, EdgeLimits, StreamSlots, guarded

NOBODY = ("192.0.2.1",)


async def _echo(scope, receive, send):  # type: ignore[no-untyped-def]
    if scope["type"] != "http":
        return
    request = Request(scope, receive)
    body = await request.body()
    await JSONResponse({"bytes": len(body), "names": sorted(request.headers)})(scope, receive, send)


@asynccontextmanager
async def serving(**limits: object) -> AsyncIterator[int]:
    edge = EdgeLimits(**{"trusted_proxies": NOBODY, **limits})  # type: ignore[arg-type]
    config = uvicorn.Config(BodyLimit(_echo, limits=edge), port=0, http=guarded(edge), lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def send(port: int, data: bytes) -> bytes:
    """The whole answer; empty where the connection was cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close one side; the server may have cut it already."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def head(method: str = "POST", *more: str) -> bytes:
    return "\r\n".join([f"{method} /x HTTP/1.1", "Host: evil.example", "Connection: close", *more, "", ""]).encode()


@pytest.mark.parametrize(
    "sent", [b"", b"POST /x HTTP/1.1\r\nHost: x\r\nX-A: ", head("POST", "Content-Length: 9") + b"12"]
)
async def test_a_request_that_never_ends_is_cut_off(sent: bytes) -> None:
    async with serving(head_seconds=0.2, body_seconds=0.2) as port:
        assert await send(port, sent) == b""
        assert b"200 OK" in await send(port, head("GET"))


async def test_one_client_has_so_many_connections_and_the_rest_stays_open() -> None:
    async with serving(per_client=2) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await send(port, head("GET")) == b""
        for _, writer in held:
            await close(writer)
        async with asyncio.timeout(30):
            while b"200 OK" not in await send(port, head("GET")):
                await asyncio.sleep(0.01)


async def test_a_full_house_drops_whoever_has_not_asked_anything() -> None:
    async with serving(connections=2, trusted_proxies=("127.0.0.1",)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(6)]
        assert b"200 OK" in await send(port, head("GET"))
        for _, writer in held:
            await close(writer)


async def test_a_full_house_drops_whoever_has_been_answered_and_asks_no_more() -> None:
    async with serving(connections=2, trusted_proxies=("127.0.0.1",)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, writer in held:
            writer.write(head("GET").replace(b"Connection: close\r\n", b""))
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            # Its answer is read whole, so the connection rests.
            assert await reader.readuntil(b"}")
        assert b"200 OK" in await send(port, head("GET"))
        for _, writer in held:
            await close(writer)


async def test_one_key_and_one_address_have_so_many_requests_a_minute() -> None:
    mine, another = "Authorization: Bearer a", "Authorization: Bearer b"
    async with serving(key_minute=3) as port:
        answers = [(await send(port, head("GET", mine))).split(b" ", 2)[1] for _ in range(4)]
        assert answers == [b"200"] * 3 + [b"429"]
        assert b"200 OK" in await send(port, head("GET", another)), "another key has its own"
        assert b"200 OK" in await send(port, head("GET")), "and so has who shows none"
        assert b"Retry-After: 20" in (await send(port, head("GET", mine))).replace(b"retry-after", b"Retry-After")
    async with serving(address_minute=2, key_minute=1) as port:
        answers = [(await send(port, head("GET", f"Cookie: deskhand_session={n}"))).split(b" ", 2)[1] for n in range(3)]
        assert answers == [b"200", b"200", b"429"], "who invents sessions is one address"
        webhook = head("POST", "Content-Length: 0").replace(b"/x", b"/webhooks/acme/jira")
        assert b"200 OK" in await send(port, webhook), "a vendor's address delivers for many tenants"
    async with serving(address_minute=1, trusted_proxies=("127.0.0.1",)) as port:
        assert [b"200 OK" in await send(port, head("GET")) for _ in range(3)] == [True] * 3, "a proxy is many people"


@pytest.mark.parametrize("large", [f"X-A: {'a' * 40_000}", "\r\n".join(f"X-{i}: {'a' * 100}" for i in range(400))])
async def test_a_large_head_is_refused(large: str) -> None:
    async with serving() as port:
        assert b" 431 " in await send(port, head("GET", large))


async def test_trailers_are_no_headers() -> None:
    async with serving() as port:
        body = b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\nCookie: a=b\r\n\r\n"
        answer = await send(port, head("POST", "Transfer-Encoding: chunked") + body)
        assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["names"] == ["connection", "host", "transfer-encoding"]


@pytest.mark.parametrize(("credential", "limit"), [((), STRANGERS_BODY_BYTES), (("Authorization: x",), MAX_BODY_BYTES)])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_read_up_to_its_bound(credential: tuple[str, ...], limit: int, chunked: bool) -> None:
    async with serving() as port:
        # What is far over the bound is still on its way when it is refused: the refusal arrives all the same.
        for size, status in ((limit, b" 200 "), (limit + 1, b" 413 "), (9 * MAX_BODY_BYTES, b" 413 ")):
            how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size) if chunked else b"x" * size
            answer = await send(port, head("POST", how, *credential) + body)
            assert status in answer.split(b"\r\n")[0]


async def test_a_refused_body_that_never_ends_is_cut_off() -> None:
    async with serving(body_seconds=0.2) as port:
        answer = await send(port, head("POST", f"Content-Length: {9 * MAX_BODY_BYTES}") + b"x")
        assert not answer or b" 413 " in answer.split(b"\r\n")[0]
        assert b"200 OK" in await send(port, head("GET"))


def test_streams_have_places_of_the_server_the_tenant_and_the_viewer() -> None:
    slots = StreamSlots(4, per_tenant=3, per_viewer=2)
    with slots.take("acme", "ines"), slots.take("acme", "ines"):
        for tenant, viewer, free in (("acme", "ines", False), ("acme", "bo", True), ("globex", "ines", True)):
            if free:
                slots.check(tenant, viewer)
            else:
                with pytest.raises(RateLimitedError, match="viewer"):
                    slots.check(tenant, viewer)
        with slots.take("acme", "bo"), pytest.raises(RateLimitedError, match="tenant"):
            slots.check("acme", "cy")
        with slots.take("globex", "a"), slots.take("globex", "b"), pytest.raises(RateLimitedError, match="server"):
            slots.check("initech", "a")
    slots.check("acme", "ines")


@pytest.mark.parametrize(
    ("client", "trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),  # the same proxy, seen by a socket for both families
        ("2001:db8::7", True),
        (None, True),
        ("11.1.2.3", False),
        ("::ffff:11.1.2.3", False),
        ("::10.1.2.3", False),
        ("2001:db9::7", False),
        ("", False),
        ("proxy.acme.test", False),
        ("10.1.2.3:443", False),
    ],
)
def test_a_proxy_is_known_by_its_address_however_it_is_written(client: str | None, trusted: bool) -> None:
    assert EdgeLimits(trusted_proxies=("10.0.0.0/8", "2001:db8::/32")).trusts(client) is trusted

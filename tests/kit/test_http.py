"""The door out: where it leads, how much comes back through it, and how long that may take."""

from __future__ import annotations

import gzip
import ipaddress
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from deskhand.errors import InvalidInputError
from deskhand.kit.addresses import is_public
from deskhand.kit.http import HttpClientFactory

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Answers every request as told, on loopback."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *args: object) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def body(content: bytes, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        try:
            handler.wfile.write(content)
        except OSError:
            return

    return answer


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.0.1", "192.88.99.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "ff0e::1", "::ffff:10.0.0.1"),
        *("64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "::127.0.0.1"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "5f00::1", "100::1"),
        *("2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:7f00:1"),
    ],
)
def test_addresses_inside_are_known_in_every_spelling(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]
)
def test_addresses_outside_are_let_through(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "[::ffff:127.0.0.1]"])
async def test_a_private_host_is_refused_in_words(host: str) -> None:
    async with HttpClientFactory().client() as client:
        with pytest.raises(InvalidInputError, match="inside this network"):
            await client.get(f"http://{host}:9/")


async def test_a_name_that_does_not_resolve_is_not_let_through() -> None:
    async with HttpClientFactory().client() as client:
        with pytest.raises(httpx2.ConnectError, match="cannot be resolved"):
            await client.get("http://no-such-host.invalid/")


async def test_the_address_that_was_judged_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch, serve: Callable[[Answer], str]
) -> None:
    """A name that is public when it is judged and private when it is connected to reaches nobody."""
    port = int(serve(body(b"secret")).rsplit(":", 1)[1].strip("/"))
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *args: object, **kwargs: object) -> object:
        if host != "rebind.test":
            return real(host, *args, **kwargs)  # type: ignore[arg-type]
        asked.append(host)
        address = "192.0.2.1" if len(asked) > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    async with HttpClientFactory(connect_timeout=0.5).client() as client:
        with pytest.raises(InvalidInputError):
            await client.get(f"http://rebind.test:{port}/")
    assert asked == ["rebind.test"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "identity"])
async def test_an_answer_is_unpacked(serve: Callable[[Answer], str], coding: str) -> None:
    text = b'{"a": 1}' * 50_000
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = {
        "gzip": gzip.compress(text[:1000]) + gzip.compress(text[1000:]),
        "deflate": zlib.compress(text),
        "raw deflate": raw.compress(text) + raw.flush(),
        "identity": text,
    }[coding]
    url = serve(body(packed, content_encoding=coding.removeprefix("raw ")))
    async with HttpClientFactory(allow_private=True).client() as client:
        response = await client.get(url)
    assert response.content == text
    assert response.headers.get("content-encoding") in {None, "identity"}


@pytest.mark.parametrize("coding", ["gzip", "identity", "br", "gzip, gzip"])
async def test_an_answer_without_end_is_broken_off(serve: Callable[[Answer], str], coding: str) -> None:
    content = gzip.compress(b"a" * 5_000_000) if coding != "identity" else b"a" * 5_000_000
    url = serve(body(content, content_encoding=coding))
    async with HttpClientFactory(allow_private=True, answer_bytes=1_000_000).client() as client:
        with pytest.raises(httpx2.RemoteProtocolError, match=r"longer than|not asked for"):
            await client.get(url)


@pytest.mark.parametrize("part", ["headers", "body"])
async def test_an_answer_that_drips_ends_in_time(serve: Callable[[Answer], str], part: str) -> None:
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"" if part == "headers" else b"\r\n"))
        try:
            while not stop.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            return

    url = serve(drip)
    factory = HttpClientFactory(allow_private=True, read_timeout=0.3, answer_timeout=0.6)
    try:
        async with factory.client() as client:
            with pytest.raises(httpx2.ReadTimeout):
                await client.get(url)
    finally:
        stop.set()

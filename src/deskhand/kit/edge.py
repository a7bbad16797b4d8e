"""The edge of the HTTP server: what a stranger may cost before anybody knows who it is.

``guarded`` makes uvicorn's protocol hold what uvicorn itself has no limits for: the time and size of a request's head,
the time of its body, connections in all and per client. ``BodyLimit`` reads a body under a bound before the application
sees it, small where no credential came with the request. Decided in ``docs/adr/0013-edge.md``.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskhand.errors import PayloadTooLargeError, RateLimitedError
from deskhand.kit.addresses import unmapped
from deskhand.kit.problem import problem_response
from deskhand.kit.rates import RateLimiter

MAX_HEAD_BYTES = 32 * 1024
RESERVED_FILES = 100
"""Descriptors that connections leave to the database, the log and the rest."""
MAX_BODY_BYTES = 1024 * 1024
STRANGERS_BODY_BYTES = 64 * 1024
# Only whether there is one: what it is worth the route's guard decides, after the body was read under the bound.
_CREDENTIALS = {b"authorization", b"cookie"}
_WEBHOOKS = re.compile(r"/agents/[^/]+/webhook|/webhooks/[^/]+/[^/]+")
_BUSY = "Too many requests of this client are being answered at once."
_FAST = "Too many requests in a minute of this {whose}; {limit} are allowed."


@dataclass(kw_only=True)
class EdgeLimits:
    """Limits of one API process.

    Attributes:
        head_seconds: For the request line and the headers.
        body_seconds: For the body, from the last header on.
        connections: Open connections in all; fewer where the process may open fewer files.
        per_client: Open connections, and requests at once, of one client.
        key_minute: Requests a minute of one key or session, in this process; 0: any number.
        address_minute: Requests a minute of one client's address, in this process; 0: any number.
        trusted_proxies: Addresses and networks whose connections carry other people's requests; they are told apart
            by ``X-Forwarded-For``.
    """

    head_seconds: float = 10.0
    body_seconds: float = 30.0
    connections: int = 4000
    per_client: int = 200
    key_minute: int = 6000
    address_minute: int = 6000
    trusted_proxies: Sequence[str] = ("127.0.0.1", "::1")
    clients: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._networks = [ipaddress.ip_network(proxy, strict=False) for proxy in self.trusted_proxies]

    def trusts(self, client: str | None) -> bool:
        """Whether an address is a proxy of ours."""
        try:
            address = unmapped(ipaddress.ip_address(client or ""))
        except ValueError:
            return client is None  # a Unix socket
        return any(address in network for network in self._networks)

    @property
    def room(self) -> int:
        """Connections that may be open, by the setting and by the files the process may open."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return max(1, min(self.connections, files - RESERVED_FILES))


def guarded(limits: EdgeLimits) -> type[HttpToolsProtocol]:
    """Uvicorn's protocol under these limits, for ``uvicorn.Config(http=...)``."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})


class _LingeringTransport:
    """A transport as one answer sees it: it closes when the request is read to its end.

    Closed with bytes unread, TCP resets the connection, and the client loses the refusal that says why.
    """

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        self._protocol.close_when_read()


class GuardedProtocol(HttpToolsProtocol):
    """See ``guarded``. A request is in its head, then in its body, then answered; each phase has its end."""

    limits: EdgeLimits
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _in_body = False
    _lingers = False
    _head_bytes = 0
    _came_at = 0.0
    _counted: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._came_at = self.loop.time()
        # Counted by connection and not by request: one that sends nothing costs a descriptor, and those run out first.
        client = self.client[0] if self.client else None
        if client is not None and not self.limits.trusts(client):
            self._counted = client
            self.limits.clients[client] += 1
            if self.limits.clients[client] > self.limits.per_client:
                transport.abort()
                return
        if len(self.connections) > self.limits.room:
            self._make_room()
        self._arm(self.limits.head_seconds)

    def _make_room(self) -> None:
        """Drop the oldest connection that asks nothing, or not yet all of it; if every other is at work, this one."""
        others = (other for other in self.connections if isinstance(other, GuardedProtocol) and other is not self)
        # Never one whose request is being answered: that would hand a flood the power to end other people's work.
        waiting = [other for other in others if other._asks_nothing and not other.transport.is_closing()]
        min(waiting, key=lambda other: other._came_at, default=self).transport.abort()

    @property
    def _asks_nothing(self) -> bool:
        """Whether a request is still in its head, or the last one is answered and none has come since."""
        return self._in_head or self.timeout_keep_alive_task is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self._counted is not None:
            self.limits.clients[self._counted] -= 1
            if self.limits.clients[self._counted] <= 0:
                del self.limits.clients[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The parser keeps an unfinished header to itself, so the bytes are counted on their way in.
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._arm(self.limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_HEAD_BYTES:
            self._refuse_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after a chunked body (trailers) are no headers: no proxy has looked at them
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        # Again, exactly: a head and the next request's can come in one piece of data.
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MAX_HEAD_BYTES:
            self._refuse_head()
            return
        self._arm(self.limits.body_seconds)
        self._in_body = True
        super().on_headers_complete()
        # Before the answer's task has had a turn. None where the connection becomes another protocol's.
        if self.cycle is not None:
            self.cycle.transport = _LingeringTransport(self)  # type: ignore[assignment]  # the part that answers use

    def on_body(self, body: bytes) -> None:
        # None where the head was refused: nobody is there to read the body.
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._disarm()
        self._head_bytes = 0
        self._in_body = False
        if self.cycle is not None:
            super().on_message_complete()
        if self._lingers:
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._lingers:
            self._unset_keepalive_if_required()  # the body's own deadline ends it

    def close_when_read(self) -> None:
        """Close at once, or when the rest of the body is read and thrown away; its time goes on counting."""
        if self._in_body:
            self._lingers = True
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            body = b"The request line and headers are too large."
            head = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: text/plain\r\n"
            self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            self.transport.close()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._out_of_time)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _out_of_time(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


class BodyLimit:
    """Middleware: a body under its bound or 413, and so many requests of one client at once.

    A route's parameters are read before its guard is asked who calls, so the bound has to stand before both. Webhook
    addresses read their bodies themselves, under a bound and a signature of their own.

    Args:
        app: What is behind.
        limits: Those of the process.
    """

    def __init__(self, app: ASGIApp, *, limits: EdgeLimits) -> None:
        self.app = app
        self.limits = limits
        self._at_once: Counter[str] = Counter()
        self._rates = RateLimiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else None
        refusal = self._too_fast(scope, client)
        if refusal is not None:
            await problem_response(Request(scope), refusal)(scope, receive, send)
            return
        # A trusted proxy is thousands of people behind one address; uvicorn has put theirs in its place where the
        # proxy named it.
        if client is None or self.limits.trusts(client):
            await self._serve(scope, receive, send)
            return
        if self._at_once[client] >= self.limits.per_client:
            await problem_response(Request(scope), RateLimitedError(_BUSY, retry_after=1.0))(scope, receive, send)
            return
        self._at_once[client] += 1
        try:
            await self._serve(scope, receive, send)
        finally:
            self._at_once[client] -= 1
            if not self._at_once[client]:
                del self._at_once[client]

    def _too_fast(self, scope: Scope, client: str | None) -> RateLimitedError | None:
        """The refusal of a key, a session or an address that asked too often this minute."""
        # A desk's events have the tenant's own limit, and hundreds of tenants may share a vendor's few addresses.
        if _WEBHOOKS.fullmatch(scope["path"]):
            return None
        asked = []
        if client is not None and not self.limits.trusts(client):
            asked.append(("address", client, self.limits.address_minute))
        # By what was sent, before anybody looks it up: a refusal must cost less than an answer. Who invents
        # credentials is held by the address.
        if sent := b"\n".join(value for name, value in scope["headers"] if name in _CREDENTIALS):
            asked.append(("key", hashlib.sha256(sent).hexdigest(), self.limits.key_minute))
        for whose, name, limit in asked:
            wait = self._rates.wait_for(f"{whose} {name}", per_minute=limit) if limit else 0.0
            if wait:
                return RateLimitedError(_FAST.format(whose=whose, limit=limit), retry_after=wait)
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length")
        has_body = (declared is not None and declared != b"0") or b"transfer-encoding" in headers
        if not has_body or _WEBHOOKS.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        limit = MAX_BODY_BYTES if _CREDENTIALS & headers.keys() else STRANGERS_BODY_BYTES
        body = await _read(receive, limit, declared)
        if body is None:
            error = PayloadTooLargeError(
                f"The body is larger than {limit} bytes"
                + ("." if limit == MAX_BODY_BYTES else " without a credential.")
            )
            await problem_response(Request(scope), error)(scope, receive, send)
            return
        await self.app(scope, _replayed(body, receive), send)


async def _read(receive: Receive, limit: int, declared: bytes | None) -> bytes | None:
    """The whole body; None as soon as it is known to be larger than the limit."""
    if declared is not None and declared.isdigit() and int(declared) > limit:
        return None
    body = bytearray()
    while True:
        message = await receive()
        # The application gets what has come and finds the disconnect by itself; there is nobody to answer.
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        # After the body the application still listens for the client's disconnect, which only the server can tell.
        return whole.pop() if whole else await receive()

    return replay


class StreamSlots:
    """Places of endless answers (event streams): so many in all, of a tenant, and of one viewer.

    Args:
        total: In this process.
        per_tenant: Of one tenant.
        per_viewer: Of one key or person.
    """

    def __init__(self, total: int = 50, *, per_tenant: int = 20, per_viewer: int = 5) -> None:
        self._most = {"server": total, "tenant": per_tenant, "viewer": per_viewer}
        self._taken: Counter[tuple[str, str]] = Counter()

    def check(self, tenant: str, viewer: str) -> None:
        """Refuse where no place is free.

        Raises:
            RateLimitedError: It says whose places are taken.
        """
        for whose, key in self._keys(tenant, viewer):
            if self._taken[whose, key] >= self._most[whose]:
                raise RateLimitedError(
                    f"This {whose} already has its {self._most[whose]} event streams. Close one, or poll"
                    " /api/v1/executions.",
                    retry_after=30,
                )

    @contextmanager
    def take(self, tenant: str, viewer: str) -> Iterator[None]:
        """Hold a place; as ``check``."""
        self.check(tenant, viewer)
        # Checked and taken without an await between them, so no two can take the last place.
        keys = self._keys(tenant, viewer)
        self._taken.update(keys)
        try:
            yield
        finally:
            self._taken.subtract(keys)
            self._taken += Counter()  # forgets who has none

    @staticmethod
    def _keys(tenant: str, viewer: str) -> list[tuple[str, str]]:
        return [("server", ""), ("tenant", tenant), ("viewer", f"{tenant}/{viewer}")]

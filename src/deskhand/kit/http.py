"""The one door out: every outbound HTTP client is made here.

Certificates are always verified; there is no switch to turn that off. A private CA is added
through ``SSL_CERT_FILE``. Addresses that tenants supply pass a guard against server-side request
forgery: loopback, link-local and private ranges are refused unless the installation allows them
(the demo and the tests do, because their desks live on loopback). The guard looks names up itself and
connects to the very address it judged, so a name that points elsewhere a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import httpcore2
import httpx2

from deskhand.errors import InvalidInputError
from deskhand.kit.addresses import is_public
from deskhand.kit.answers import bounded

USER_AGENT = "Deskhand/0.1"


@dataclass(frozen=True, slots=True)
class HttpClientFactory:
    """Makes outbound clients with the installation's policy.

    Attributes:
        allow_private: Permit loopback, link-local and private addresses.
        connect_timeout: Seconds to open a connection.
        read_timeout: Seconds between two bytes of an answer.
        answer_timeout: Seconds for a whole answer, however steadily it drips.
        answer_bytes: Length of an answer, unpacked.
        commands: By name, commands of this machine that may be started and talked to instead of a host.
        before_send: Called just before each request; raises to stop it (a worker checks its claim here).
    """

    allow_private: bool = False
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    answer_timeout: float = 120.0
    answer_bytes: int = 32 * 1024 * 1024
    commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    before_send: Callable[[], None] | None = None

    def client(
        self,
        base_url: str = "",
        *,
        headers: dict[str, str] | None = None,
        read_timeout: float | None = None,
        unbounded: bool = False,
    ) -> httpx2.AsyncClient:
        """A new client; the caller closes it.

        Args:
            base_url: Prefix of every request.
            headers: Sent with every request; never logged.
            read_timeout: Seconds, instead of the factory's own.
            unbounded: For downloads whose reader keeps count itself.

        Raises:
            InvalidInputError: The prefix is no address.
        """
        # Who allows long pauses between two bytes (a model that thinks) must be allowed an answer that has some of
        # them.
        whole = max(self.answer_timeout, 2 * (read_timeout or self.read_timeout))
        timeout = httpx2.Timeout(
            connect=self.connect_timeout,
            read=read_timeout or self.read_timeout,
            write=self.read_timeout,
            pool=self.read_timeout,
        )
        return httpx2.AsyncClient(
            base_url=callable_address(base_url) if base_url else "",
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate", **(headers or {})},
            timeout=timeout,
            # A redirect would take the credentials along to a host that nobody configured and no guard has judged.
            follow_redirects=False,
            transport=_GuardedTransport(
                allow_private=self.allow_private,
                before_send=self.before_send,
                bounds=None if unbounded else (self.answer_bytes, whole),
            ),
        )


def callable_address(url: str) -> str:
    """The address, if a client can read it: ``http://0177.0.0.1`` is one to ``urllib`` and none to a browser.

    Raises:
        InvalidInputError: It is none.
    """
    try:
        httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise InvalidInputError(f"This is no web address that can be called: {error}.") from error
    return url


@cache
def _tls_context() -> ssl.SSLContext:
    """Certificate authorities, read once per process: reading them takes about 50 ms of CPU for each client."""
    return httpx2.create_ssl_context()


class _GuardedTransport(httpx2.AsyncHTTPTransport):
    """Connects to public addresses only, looks at the caller's claim at the last moment, and bounds what comes back."""

    def __init__(
        self,
        *,
        allow_private: bool,
        before_send: Callable[[], None] | None,
        bounds: tuple[int, float] | None,
    ) -> None:
        super().__init__(verify=_tls_context())
        # The backend sits below TLS and HTTP: whatever the library resolves, retries or reuses, it connects through
        # here.
        if not allow_private:
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=_tls_context(),
                max_connections=httpx2.Limits().max_connections or 100,
                max_keepalive_connections=20,
                keepalive_expiry=5.0,
                network_backend=_PublicNetwork(),
            )
        self._before_send = before_send
        self._bounds = bounds

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # The last moment before bytes leave. Earlier, a worker could be frozen between the check and the write.
        if self._before_send is not None:
            self._before_send()
        if self._bounds is None:
            return await super().handle_async_request(request)
        limit, seconds = self._bounds
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                response = await super().handle_async_request(request)
        except TimeoutError as error:
            raise httpx2.ReadTimeout("the answer did not begin in time", request=request) from error
        return bounded(response, limit=limit, deadline=deadline)


class _PublicNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections to addresses outside our own network."""

    def __init__(self) -> None:
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                addresses = await public_addresses(host)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"the name '{host}' was not resolved in time") from error
        # In the resolver's order, as a browser would: a host with a dead IPv6 address is still there on IPv4.
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"'{host}' has no address")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


async def public_addresses(host: str) -> list[str]:
    """Addresses of a host, each of them outside our own network.

    Raises:
        InvalidInputError: One of them is inside; a host with both kinds is a trap.
        httpcore2.ConnectError: The name cannot be resolved.
    """
    try:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise httpcore2.ConnectError(f"the name '{host}' cannot be resolved") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    for address in addresses:
        if not is_public(ipaddress.ip_address(address)):
            raise InvalidInputError(
                f"'{host}' points to {address}, an address inside this network. Use a public address, or let the"
                " operator set DESKHAND_ALLOW_PRIVATE_ADDRESSES=true."
            )
    return addresses

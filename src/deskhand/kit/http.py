"""The one door out: every outbound HTTP client is made here.

Certificates are always verified; there is no switch to turn that off. A private CA is added
through ``SSL_CERT_FILE``. Addresses that tenants supply pass a guard against server-side request
forgery: loopback, link-local and private ranges are refused unless the installation allows them
(the demo and the tests do, because their desks live on loopback).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import httpx2

from deskhand.errors import InvalidInputError

USER_AGENT = "Deskhand/0.1"


@dataclass(frozen=True, slots=True)
class HttpClientFactory:
    """Makes outbound clients with the installation's policy.

    Attributes:
        allow_private: Permit loopback, link-local and private addresses.
        connect_timeout: Seconds to open a connection.
        read_timeout: Seconds between two bytes of an answer.
        before_send: Called just before each request; raises to stop it (a worker checks its claim here).
    """

    allow_private: bool = False
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    before_send: Callable[[], None] | None = None

    def client(
        self, base_url: str = "", *, headers: dict[str, str] | None = None, read_timeout: float | None = None
    ) -> httpx2.AsyncClient:
        """A new client; the caller closes it.

        Args:
            base_url: Prefix of every request.
            headers: Sent with every request; never logged.
            read_timeout: Seconds, instead of the factory's own.
        """
        timeout = httpx2.Timeout(
            connect=self.connect_timeout,
            read=read_timeout or self.read_timeout,
            write=self.read_timeout,
            pool=self.read_timeout,
        )
        return httpx2.AsyncClient(
            base_url=base_url,
            headers={"User-Agent": USER_AGENT, **(headers or {})},
            timeout=timeout,
            follow_redirects=False,
            transport=_GuardedTransport(allow_private=self.allow_private, before_send=self.before_send),
        )


@cache
def _tls_context() -> ssl.SSLContext:
    """Certificate authorities, read once per process: reading them takes about 50 ms of CPU for each client."""
    return httpx2.create_ssl_context()


class _GuardedTransport(httpx2.AsyncHTTPTransport):
    """Checks the address of each request just before it is sent."""

    def __init__(self, *, allow_private: bool, before_send: Callable[[], None] | None) -> None:
        super().__init__(verify=_tls_context())
        self._allow_private = allow_private
        self._before_send = before_send

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self._allow_private:
            await asyncio.to_thread(ensure_public_host, request.url.host)
        if self._before_send is not None:
            self._before_send()
        return await super().handle_async_request(request)


def ensure_public_host(host: str) -> None:
    """Refuse a host that resolves to an address inside our own network.

    Raises:
        InvalidInputError: The host is, or resolves to, a non-global address.
    """
    try:
        infos = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except socket.gaierror:
        return  # let the client report the name as unreachable, in its own words
    for info in infos:
        address = ipaddress.ip_address(info[4][0])
        if not address.is_global:
            raise InvalidInputError(
                f"'{host}' points to {address}, an address inside this network. Use a public address, or let the"
                " operator set DESKHAND_ALLOW_PRIVATE_ADDRESSES=true."
            )

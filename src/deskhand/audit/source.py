"""From where something is done: the address, the program and the request, for every entry of the audit log.

Kept beside the call instead of being handed through every service: a service that forgot to pass it on would write
entries that say nothing, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from deskhand.kit.problem import request_id
from deskhand.kit.storable import storable_text

ADDRESS_LENGTH = 45  # an IPv6 address that carries an IPv4 one
USER_AGENT_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """From where something is done; what is None is not known.

    Attributes:
        address: The client's, behind proxies that are trusted.
        user_agent: What the client says it is, cut short.
        request_id: Of the HTTP request; the same as in its answer and in the log.
    """

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


_NOWHERE = Source()
_current: ContextVar[Source] = ContextVar("source", default=_NOWHERE)


def current_source() -> Source:
    """From where the present call comes; nothing is known of one that a worker makes by itself."""
    return _current.get()


@contextmanager
def acting_from(source: Source) -> Iterator[None]:
    """What is recorded in the block comes from there."""
    token = _current.set(source)
    try:
        yield
    finally:
        _current.reset(token)


def source_of(request: Request) -> Source:
    """From where a request comes; a proxy that is trusted has put its client's address there by now."""
    agent = request.headers.get("user-agent", "")
    return Source(
        address=request.client.host[:ADDRESS_LENGTH] if request.client else None,
        user_agent=storable_text(agent)[:USER_AGENT_LENGTH] or None,
        request_id=request_id(request),
    )


class SourceOfRequests:
    """Middleware: whatever a request records says from where it came."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with acting_from(source_of(Request(scope))):
            await self.app(scope, receive, send)

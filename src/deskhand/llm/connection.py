"""How this installation reaches models, and what its gateway lists. Imports no model library: the API reads this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import httpx2

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import ModelUnavailableError
from deskhand.llm.transport import GatewayTransport

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """How this installation reaches models.

    Attributes:
        base_url: OpenAI-compatible gateway, up to and with ``/v1``; None uses the LiteLLM SDK, if installed.
        api_key: For the gateway; passed per call, never put into the environment.
        timeout: Seconds one model call may take.
        aliases: What a name stands for, for models their vendor retired: ``{"claude-3-5-sonnet": "..."}``.
        embedded: Gives the embedded server's endpoint, or raises ``ModelUnavailableError``.
        embedded_slot: The embedded model's one slot. Calls stand in line for it here, so that the time of a call is not
            used up while others are answered; ``embedded.line`` has one that all processes of a machine share.
        client: A shared connection pool from ``open_client``; None opens a connection per call.
        is_local: What it serves runs in the operator's own house.
        only_local: Why no other model may be asked, in a sentence; empty where any may.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    embedded: Callable[[], EmbeddedEndpoint] | None = None
    embedded_slot: AbstractAsyncContextManager[object] = field(
        default_factory=lambda: asyncio.Semaphore(1), repr=False, compare=False
    )
    client: httpx2.AsyncClient | None = field(default=None, repr=False, compare=False)
    is_local: bool = False
    only_local: str = ""


def open_client(settings: GatewaySettings, http: HttpClientFactory) -> httpx2.AsyncClient:
    """A connection pool to share between models of one process; the caller closes it."""
    return operator_factory(http).client(read_timeout=settings.timeout)


def operator_factory(http: HttpClientFactory) -> HttpClientFactory:
    """The gateway and the embedded server are the operator's own choice, so they may be on a private address."""
    return replace(http, allow_private=True)


async def list_models(gateway: GatewaySettings, http: HttpClientFactory) -> list[str]:
    """Names the configured gateway lists (``GET /models``).

    Raises:
        ModelError: The gateway is not reachable or refuses the key.
    """
    if not gateway.base_url:
        return []
    transport = GatewayTransport(
        gateway.base_url,
        api_key=gateway.api_key,
        timeout=min(gateway.timeout, 20.0),
        factory=operator_factory(http),
        client=gateway.client,
    )
    body = await transport.get("/models")
    entries = body.get("data")
    if not isinstance(entries, list):
        raise ModelUnavailableError(f"The gateway at {transport.host} answered /models with something unreadable.")
    return sorted(
        entry["id"]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and 0 < len(entry["id"]) <= _LONGEST_NAME
    )

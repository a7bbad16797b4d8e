"""How this installation reaches models, and what its gateway lists. Imports no model library: the API reads this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import httpx2

from deskhand.errors import ConfigurationError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.masking.masker import Masker
from deskhand.kit.nearest import what_exists
from deskhand.llm.breaker import Breaker, Breakers
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import ModelUnavailableError
from deskhand.llm.transport import GatewayTransport

_LONGEST_NAME = 200
MOST_LISTED = 5_000
"""Names of models that are kept of a gateway; a proxy to every vendor there is lists three thousand."""
Kind = Literal["", "openai_compatible", "litellm_proxy", "litellm_sdk", "embedded"]


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One way to models, and by name the others that an agent may be sent instead.

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
        region: Where its models run, in its owner's words.
        only_local: Why no other model may be asked, in a sentence; empty where any may.
        slug: What agents call this way; empty for the installation's own settings.
        kind: How it is called; empty: as a gateway where there is an address, else with the SDK.
        is_guarded: A tenant named the address, so it must be a public one.
        ident: Of the connection, for its breaker; empty for the installation's own settings.
        breakers: What this process has learned of its connections.
        rules: ``ModelRules`` of the tenant: what holds for agents that name no fallbacks.
        masker: Keeps the tenant's values from models that are not local; None keeps nothing.
        fault: Why it cannot be used at all, as a sentence; empty where it can.
        others: By their names, the ways that ``llm_config.connection`` may choose.
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
    region: str = ""
    only_local: str = ""
    slug: str = ""
    kind: Kind = ""
    is_guarded: bool = False
    ident: str = ""
    breakers: Breakers = field(default_factory=Breakers, repr=False, compare=False)
    rules: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    masker: Masker | None = field(default=None, repr=False, compare=False)
    fault: str = ""
    others: Mapping[str, GatewaySettings] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def chosen(self, llm_config: Mapping[str, Any]) -> GatewaySettings:
        """The way that an agent's settings choose: the connection they name, or else this one.

        Raises:
            ConfigurationError: There is no such connection, or it cannot be used.
        """
        name = str(llm_config.get("connection") or "")
        found = self.others.get(name) if name else self
        if found is None:
            raise ConfigurationError(
                f"There is no model connection '{name}'; {what_exists(name, sorted(self.others))}."
            )
        if found.fault:
            raise ConfigurationError(found.fault)
        return replace(found, only_local=self.only_local, masker=self.masker, others=self.others)

    @property
    def stays_in_the_house(self) -> bool:
        """Whether what is sent this way goes to no vendor; where there is no address a library chooses one."""
        return self.is_local and bool(self.base_url)

    @property
    def breaker(self) -> Breaker:
        """What this process has learned of this way."""
        return self.breakers.of(self.ident)

    def name_of(self, model: str) -> str:
        """What a model is called at this way."""
        return self.aliases.get(model, model)


def why_not_here(way: GatewaySettings, llm_config: Mapping[str, Any]) -> str:
    """Why an agent's text may not go this way, in sentences; empty where it may."""
    only_local = way.only_local or (
        "The agent's llm_config says local_only" if llm_config.get("local_only") is True else ""
    )
    if not only_local or way.stays_in_the_house:
        return ""
    return (
        f"{only_local}: no model but a local one may read it. Give the agent the embedded model, or set"
        " DESKHAND_LLM_IS_LOCAL where the gateway's models run in your own house (of a connection: `is_local`)."
    )


def open_client(settings: GatewaySettings, http: HttpClientFactory) -> httpx2.AsyncClient:
    """A connection pool to share between models of one process; the caller closes it."""
    return operator_factory(http).client(read_timeout=settings.timeout)


def operator_factory(http: HttpClientFactory) -> HttpClientFactory:
    """The gateway and the embedded server are the operator's own choice, so they may be on a private address."""
    return replace(http, allow_private=True)


Transport = TypeVar("Transport", bound=GatewayTransport)


def transport_to(
    gateway: GatewaySettings, http: HttpClientFactory, kind: type[Transport], *, timeout: float | None = None
) -> Transport:
    """The way itself, ready to be called; it has an address.

    Args:
        gateway: The way.
        http: The one door out.
        kind: What is called there.
        timeout: Seconds a call may take, instead of the way's own.
    """
    assert gateway.base_url is not None
    words: dict[str, str] = {}
    if gateway.slug:
        name = f"model connection '{gateway.slug}'"
        words = {
            "what": name,
            "advice": "Check that it is running and that its address is right.",
            "key_place": f"the key of the {name}",
        }
    return kind(
        gateway.base_url,
        api_key=gateway.api_key,
        timeout=timeout or gateway.timeout,
        factory=http if gateway.is_guarded else operator_factory(http),
        # The pool of the operator's own gateways reaches private addresses, where no tenant may send us.
        client=None if gateway.is_guarded else gateway.client,
        **words,
    )


async def list_models(gateway: GatewaySettings, http: HttpClientFactory) -> list[str]:
    """Names the configured gateway lists (``GET /models``).

    Raises:
        ModelError: The gateway is not reachable or refuses the key.
    """
    if not gateway.base_url:
        return []
    transport = transport_to(gateway, http, GatewayTransport, timeout=min(gateway.timeout, 20.0))
    body = await transport.get("/models")
    entries = body.get("data")
    if not isinstance(entries, list):
        raise ModelUnavailableError(
            f"The {transport.what} at {transport.host} answered /models with something unreadable."
        )
    names = {
        entry["id"]
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and 0 < len(entry["id"]) <= _LONGEST_NAME
    }
    return sorted(names)[:MOST_LISTED]


def lists(names: Collection[str], model: str) -> bool:
    """Whether a gateway that lists these names serves a model; LiteLLM lists all of a vendor as ``openai/*``."""
    return model in names or any(fnmatchcase(model, pattern) for pattern in names if "*" in pattern)

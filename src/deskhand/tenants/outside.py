"""Where a tenant's agents may act outside its desks: channels of chats, receivers of webhooks, hosts.

Stored encrypted with the connections, under the tools' names. Each place has a name, and only the name is ever shown:
whoever knows the address of a chat's webhook can post there, so the whole address is a secret.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from deskhand.errors import FieldProblem, ForbiddenError, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.pointer import fault_sentence, pointer
from deskhand.kit.secret_strength import is_strong
from deskhand.tenants.connections import read_extras
from deskhand.tenants.fields import HTTP, OUTSIDE, PLACE, SLACK, TEAMS, WEBHOOK
from deskhand.tenants.models import TenantConfig

MOST_PLACES = 50
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]!$&'()*+,;=%@]+")
# RFC 9110, 5.6.2; and what frames the message, which a credential must not touch.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_FRAMING = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "content-type", "te", "trailer", "upgrade", "expect")
)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,4000}[\x21-\x7e])?")


def origin_of(url: str) -> str | None:
    """Scheme, host and port of an address, as both readers see it that will handle it; None if it is no plain one."""
    # One character outside these, and two readers may see two hosts: a backslash, a line break, a blank.
    if len(url) > 2_000 or _URL_CHARACTERS.fullmatch(url) is None:
        return None
    try:
        parts, read = urlsplit(url), httpx2.URL(url)
        port = parts.port
    except (ValueError, httpx2.InvalidURL):
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    if (read.scheme, read.host, read.port or None) != (parts.scheme, parts.hostname, _unusual(parts.scheme, port)):
        return None
    unusual = _unusual(parts.scheme, port)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{unusual}" if unusual else "")


def _unusual(scheme: str, port: int | None) -> int | None:
    return None if port == {"http": 80, "https": 443}[scheme] else port


def _check_address(value: SecretStr) -> SecretStr:
    if origin_of(value.get_secret_value()) is None:
        raise ValueError("must be a web address that begins with https://")
    return value


def _check_secret(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith("whsec_") or not is_strong(value.get_secret_value()):
        raise ValueError("must be `whsec_` and 24 or more random bytes in base64")
    return value


def _check_origin(value: str) -> str:
    origin = origin_of(value)
    if origin is None or value.rstrip("/") != origin:
        raise ValueError("must be scheme and host alone, such as https://api.example.com")
    return origin


def _check_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, value in headers.items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower() in _FRAMING:
            raise ValueError("each header must have a name of its own, such as Authorization")
        # A line break in a value would begin another header, or another request.
        if _HEADER_VALUE.fullmatch(value.get_secret_value()) is None:
            raise ValueError("a header's value must be visible characters on one line")
    return headers


PlaceName = Annotated[str, StringConstraints(pattern=PLACE)]
Address = Annotated[SecretStr, AfterValidator(_check_address)]
SigningSecret = Annotated[SecretStr, AfterValidator(_check_secret)]


class OutsideSettings(BaseModel, ABC):
    """What all of them have in common."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @property
    @abstractmethod
    def places(self) -> Sequence[str]:
        """Names that an agent may use, in order."""


class ChatSettings(OutsideSettings):
    """Channels of a chat, by the tenant's own names for them."""

    channels: dict[PlaceName, Address] = Field(min_length=1, max_length=MOST_PLACES)

    @property
    def places(self) -> Sequence[str]:
        """Names of the channels."""
        return sorted(self.channels)


class Receiver(BaseModel):
    """A receiver of signed webhooks; while a secret changes, both sign."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: Address
    secret: SigningSecret
    previous_secret: SigningSecret | None = None


class WebhookSettings(OutsideSettings):
    """Receivers of signed webhooks."""

    endpoints: dict[PlaceName, Receiver] = Field(min_length=1, max_length=MOST_PLACES)

    @property
    def places(self) -> Sequence[str]:
        """Names of the receivers."""
        return sorted(self.endpoints)


class Host(BaseModel):
    """What is sent to one host, and to no other, so that it knows who calls."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    headers: Annotated[dict[str, SecretStr], AfterValidator(_check_headers)] = Field(default_factory=dict, max_length=5)


class HttpSettings(OutsideSettings):
    """Hosts that agents may call."""

    hosts: dict[Annotated[str, AfterValidator(_check_origin)], Host] = Field(min_length=1, max_length=MOST_PLACES)

    @property
    def places(self) -> Sequence[str]:
        """The hosts."""
        return sorted(self.hosts)

    def host_of(self, url: str) -> tuple[str, Host]:
        """The allowed host that an address leads to.

        Raises:
            ForbiddenError: It leads elsewhere, or is none that is read the same way by everyone.
        """
        origin = origin_of(url)
        if origin is None:
            raise ForbiddenError("This is no web address that may be called: scheme, host, path and query alone.")
        if origin not in self.hosts:
            raise ForbiddenError(
                f"The tenant's agents may not call {origin}. Allowed are: {', '.join(self.places[:20])}."
            )
        return origin, self.hosts[origin]


_MODELS: Mapping[str, type[OutsideSettings]] = {
    SLACK: ChatSettings,
    TEAMS: ChatSettings,
    WEBHOOK: WebhookSettings,
    HTTP: HttpSettings,
}


def outside_settings(tenant: TenantConfig, secrets: SecretBox) -> dict[str, OutsideSettings]:
    """By tool, the settings that can be used."""
    extras = read_extras(tenant, secrets)
    return {
        tool: _MODELS[tool].model_validate(extras[tool])
        for tool in OUTSIDE
        if extras.get(tool) and not outside_faults(tool, extras[tool])
    }


def outside_faults(tool: str, stored: Mapping[str, Any]) -> list[FieldProblem]:
    """Everything that is wrong with one tool's settings; no value is quoted, and no name that cannot be one."""
    try:
        _MODELS[tool].model_validate(stored)
    except ValidationError as error:
        return [
            _fault(tool, fault["loc"], fault_sentence(fault))
            for fault in error.errors(include_input=False, include_url=False, include_context=False)
        ]
    return []


def _fault(tool: str, place: Sequence[str | int], sentence: str) -> FieldProblem:
    # A name that cannot be one may be a secret address in the wrong place, so the fault is said of what holds it.
    shown = list(takewhile(_is_name, place))
    return FieldProblem(pointer(["connection_extras", tool, *shown]), f"{'.'.join(map(str, shown))}: {sentence}")


def _is_name(part: str | int) -> bool:
    return isinstance(part, int) or re.fullmatch(PLACE, part) is not None or origin_of(part) == part


def ensure_outside_settings(tenant: TenantConfig, secrets: SecretBox) -> None:
    """Refuse settings that could not be used.

    Raises:
        InvalidInputError: Names every fault.
    """
    extras = read_extras(tenant, secrets)
    faults = [fault for tool in OUTSIDE if tool in extras for fault in outside_faults(tool, extras[tool])]
    if faults:
        raise InvalidInputError("; ".join(fault.detail for fault in faults), errors=faults)


def outside_addresses(settings: OutsideSettings) -> list[tuple[str, str]]:
    """Name and address of each place. The addresses are secrets: for connecting alone."""
    if isinstance(settings, ChatSettings):
        return [(name, url.get_secret_value()) for name, url in sorted(settings.channels.items())]
    if isinstance(settings, WebhookSettings):
        return [(name, one.url.get_secret_value()) for name, one in sorted(settings.endpoints.items())]
    return [(name, name) for name in settings.places]

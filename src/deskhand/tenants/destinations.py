"""Where a tenant's stored credentials go: never to a host they were not given for.

Secrets are write-only. If the address of a connection alone could be changed, whoever may edit a tenant could have its
keys sent to a host of theirs and read them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from deskhand.errors import ConfigurationError, FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.pointer import pointer
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import stored_values
from deskhand.tenants.fields import SECRET_FIELDS
from deskhand.tenants.models import TenantConfig

_HOST_WORDS = ("url", "host", "subdomain", "domain", "instance", "server", "site", "endpoint")


@dataclass(frozen=True, slots=True)
class Destination:
    """Of one desk: the hosts that are called, and what is sent to prove who calls."""

    hosts: Mapping[str, str]
    secrets: Mapping[str, str]


def stored_destinations(tenant: TenantConfig, *, secrets: SecretBox, plugins: PluginManager) -> dict[str, Destination]:
    """Hosts and secrets of each connection of a tenant, complete or not."""
    destinations = {}
    for tool_type in plugins.tool_types:
        try:
            values = stored_values(tenant, tool_type, secrets)
        except ConfigurationError:
            values = {}  # what cannot be decrypted cannot be sent anywhere either
        destinations[tool_type] = _destination(plugins.get_plugin(tool_type).config_model, values)
    return destinations


def ensure_secrets_stay(
    before: Mapping[str, Destination], after: Mapping[str, Destination], *, resent: Set[str]
) -> None:
    """Refuse a change that would send a stored secret to another host.

    Args:
        before: As stored.
        after: As it would be.
        resent: Fields of the request: a secret that came along again is meant for the new host. Of a secret that has
            no column that is ``connection_extras``, all of which came, or the one place in it (``place_of``).

    Raises:
        InvalidInputError: Names each secret that has to be sent again.
    """
    moved = [
        name
        for tool_type, destination in after.items()
        if _moved(before[tool_type].hosts, destination.hosts)
        for name, value in destination.secrets.items()
        # A new value was typed by whoever changes the address, who therefore knows it.
        if before[tool_type].secrets.get(name) == value
        and not resent & ({name} if name in SECRET_FIELDS else {"connection_extras", place_of(tool_type, name)})
    ]
    if moved:
        raise InvalidInputError(
            f"The address of the desk changes, so its credentials must come along: send {', '.join(moved)} again with"
            " the new address.",
            errors=[
                FieldProblem(
                    pointer([name] if name in SECRET_FIELDS else ["connection_extras"]),
                    "is stored for another host; send it again",
                )
                for name in moved
            ],
        )


def place_of(tool_type: str, name: str) -> str:
    """What a request calls a secret of a desk: its column, or its place in the extras."""
    return name if name in SECRET_FIELDS else f"connection_extras/{tool_type}/{name}"


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    return any(before.get(name) != host for name, host in after.items())


def _destination(model: type[BaseModel], values: Mapping[str, Any]) -> Destination:
    secret_names = {name for name, field in model.model_fields.items() if SecretStr in _types(field.annotation)}
    return Destination(
        hosts={
            name: _host(value)
            for name, value in values.items()
            if isinstance(value, str) and name not in secret_names and _is_address(name, value)
        },
        secrets={name: str(value) for name, value in values.items() if name in secret_names and value is not None},
    )


def _types(annotation: object) -> tuple[object, ...]:
    return (annotation, *getattr(annotation, "__args__", ()))


def _is_address(name: str, value: str) -> bool:
    # Plugins from outside name their settings as they like, so both the name and the look of a value count.
    return "://" in value or any(name.endswith(word) for word in _HOST_WORDS)


def _host(value: str) -> str:
    """Scheme, host and port: another path on the same host hears nothing new."""
    try:
        parts = urlsplit(value.strip())
        return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}".lower() if parts.scheme else value.casefold()
    except ValueError:
        return value

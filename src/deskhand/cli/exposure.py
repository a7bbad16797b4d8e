"""Which settings are unsafe once others than this machine's user reach the installation, and what to set instead."""

from __future__ import annotations

import ipaddress
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from deskhand.installation import KEYS_FILE, TENANT_KEY_FILE
from deskhand.settings import Settings

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def is_local(host: str) -> bool:
    """Whether an address is this machine's own, which nobody else reaches."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def is_exposed(settings: Settings) -> bool:
    """Whether others are to reach the installation: it listens to them, or gives out an address that is theirs."""
    given_out = urlsplit(settings.public_url).hostname if settings.public_url else None
    return not is_local(settings.host) or (given_out is not None and not is_local(given_out))


def transport_faults(settings: Settings) -> Iterator[str]:
    """Ways on which a password, a key or a cookie would travel readable."""
    if not is_exposed(settings):
        return
    if not (settings.public_url or "").startswith("https://"):
        address = settings.public_url or f"http://{settings.host}:{settings.port}"
        yield (
            f"{address} is plain HTTP, on which passwords, keys and cookies can be read. Put a proxy with TLS before"
            " the API and set DESKHAND_PUBLIC_URL to its https:// address"
        )
    proxies = [proxy.strip() for proxy in settings.trusted_proxies.split(",") if proxy.strip()]
    # The API itself speaks plain HTTP. Listening to everybody it must at least know which of them is its proxy.
    if not is_local(settings.host) and all(is_local(proxy.partition("/")[0]) for proxy in proxies):
        yield (
            f"the API listens on {settings.host} without TLS and knows no proxy there. Set DESKHAND_TRUSTED_PROXIES to"
            " your proxy's address, or DESKHAND_HOST=127.0.0.1 if it runs on this machine"
        )
    everybody = [proxy for proxy in proxies if proxy.endswith("/0") or proxy == "*"]
    if everybody:
        yield (
            f"DESKHAND_TRUSTED_PROXIES has {everybody[0]}: everybody could write another address into X-Forwarded-For"
            " and pass the limits of an address. Name your proxies"
        )


def debug_faults(settings: Settings) -> Iterator[str]:
    """Modes for developers, which say more than an operator wants said."""
    if not is_exposed(settings):
        return
    if settings.log_level.upper() == "DEBUG":
        yield "DESKHAND_LOG_LEVEL is DEBUG: libraries then log parts of requests. Set INFO"
    if sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG"):
        yield "Python runs in its developers' mode. Unset PYTHONDEVMODE and PYTHONASYNCIODEBUG"


def key_file_faults(data_dir: Path) -> Iterator[str]:
    """Files of keys that others on this machine may read."""
    for name in (KEYS_FILE, TENANT_KEY_FILE):
        path = data_dir / name
        if path.is_file() and path.stat().st_mode & _OTHERS:
            yield f"{path} may be read by other users of this machine: chmod 600 {path}"

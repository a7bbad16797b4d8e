"""Doctor's look outside the desks: each tenant's mail, chats, receivers and hosts, and nothing is sent to them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpcore2

from deskhand.cli.common import database
from deskhand.errors import ConfigurationError, InvalidInputError
from deskhand.installation import Installation
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import public_addresses
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.outside import outside_addresses, outside_settings
from deskhand.tenants.service import TenantService

SECONDS = 5.0
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere outside, as people call it, and where a connection to it goes."""

    name: str
    host: str = field(repr=False)
    port: int


async def outside_faults(installation: Installation) -> tuple[int, list[str]]:
    """How many places there are, and a sentence for each that cannot be reached or read."""
    secrets = SecretBox(installation.encryption_keys)
    allow_private = installation.settings.allow_private_addresses
    places: list[Place] = []
    faults: list[str] = []
    async with database(installation) as db:
        async for tenant in active_tenants(db, secrets):
            try:
                places += _places(tenant, secrets)
            except ConfigurationError:
                faults.append(f"{tenant.tenant_id}: its connections cannot be decrypted")
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(place: Place) -> str:
        async with turns:
            return await _fault(place, allow_private=allow_private)

    faults += [fault for fault in await asyncio.gather(*map(look, places)) if fault]
    return len(places), faults


async def active_tenants(db: Database, secrets: SecretBox) -> AsyncIterator[TenantConfig]:
    """Every tenant that is in use."""
    plugins = PluginManager()
    cursor: str | None = None
    while True:
        async with db.platform_session() as session:
            tenants = TenantService(session, secrets=secrets, plugins=plugins)
            page = await tenants.list_tenants(is_active=True, limit=200, cursor=cursor)
        for tenant in page.items:
            yield tenant
        cursor = page.next_cursor
        if cursor is None:
            return


def _places(tenant: TenantConfig, secrets: SecretBox) -> Iterator[Place]:
    mail = mail_settings(tenant, secrets)
    if mail is not None:
        yield Place(f"{tenant.tenant_id}: the mail server", mail.host, mail.port)
    for tool, settings in outside_settings(tenant, secrets).items():
        for name, url in outside_addresses(settings):
            parts = urlsplit(url)
            port = parts.port or {"http": 80}.get(parts.scheme, 443)
            yield Place(f"{tenant.tenant_id}: {tool} '{name}'", parts.hostname or "", port)


async def _fault(place: Place, *, allow_private: bool) -> str:
    """Why a connection cannot be opened. Nothing is asked of a chat: the question would be a message."""
    try:
        async with asyncio.timeout(SECONDS):
            address = place.host if allow_private else (await public_addresses(place.host))[0]
            _, writer = await asyncio.open_connection(address, place.port)
    except InvalidInputError as error:
        return f"{place.name} must not be called: {error.detail}"
    except (OSError, TimeoutError, httpcore2.ConnectError, socket.gaierror) as error:
        return f"{place.name} does not answer ({type(error).__name__})"
    writer.close()
    return ""

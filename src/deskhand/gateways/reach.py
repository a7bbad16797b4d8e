"""How the agents of one tenant reach models: its own connections, the platform's that it may use, and the settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import cast

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import ConfigurationError
from deskhand.gateways.models import ModelConnection
from deskhand.gateways.repository import Connection
from deskhand.gateways.schemas import INSTALLATION
from deskhand.gateways.service import visible
from deskhand.kit.crypto import SecretBox
from deskhand.llm.connection import GatewaySettings, Kind


async def reach_of(
    session: AsyncSession, tenant_id: str, installation: GatewaySettings, secrets: SecretBox
) -> GatewaySettings:
    """The tenant's default way to models, with all of its ways by name.

    The default is the tenant's own default connection, else the platform's, else what the installation's settings say.

    Args:
        session: Of the tenant.
        tenant_id: The tenant.
        installation: What the settings say.
        secrets: Decrypts keys.
    """
    rows = await visible(session, tenant_id)
    if not rows:
        # With its one name, so that an agent may say it before there is another.
        return replace(installation, others=MappingProxyType({INSTALLATION: installation}))
    ways = {row.slug: way_of(row, installation, secrets) for row in rows}
    others = MappingProxyType({INSTALLATION: installation, **ways})
    # The tenant's own stand first.
    default = next((ways[row.slug] for row in rows if row.is_default), installation)
    return replace(default, only_local=installation.only_local, others=others)


def way_of(row: Connection, installation: GatewaySettings, secrets: SecretBox) -> GatewaySettings:
    """One connection, ready to be used; one whose key cannot be read says so when it is, and stops no other."""
    key, fault = None, ""
    try:
        key = secrets.decrypt(row.api_key_encrypted) if row.api_key_encrypted is not None else None
    except ConfigurationError as error:
        fault = f"The key of the model connection '{row.slug}' cannot be used: {error.detail}"
    return replace(
        installation,
        base_url=row.base_url,
        api_key=key,
        aliases=MappingProxyType(dict(row.aliases)),
        is_local=row.is_local,
        region=row.region,
        slug=row.slug,
        ident=str(row.id),
        kind=cast("Kind", row.kind),
        is_guarded=isinstance(row, ModelConnection),
        fault=fault,
    )


async def offered_names(session: AsyncSession, tenant_id: str) -> frozenset[str]:
    """The models that a tenant's connections are known to serve, under the names that its agents may use."""
    return names_of(await visible(session, tenant_id))


def names_of(rows: Iterable[Connection]) -> frozenset[str]:
    """What these connections list, and what stands for something there."""
    names: set[str] = set()
    for row in rows:
        # A pattern (`openai/*`) is no name that anybody could choose.
        names |= {name for name in row.listed_models if "*" not in name} | row.aliases.keys()
    return frozenset(names)

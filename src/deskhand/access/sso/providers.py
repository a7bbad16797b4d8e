"""Which identity providers there are: set up by a tenant's administrator for the tenant, by a platform administrator
for the installation. The issuer of a provider never changes: people are known by it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.models import IdentityProvider
from deskhand.access.people import repository as people
from deskhand.access.sso import repository
from deskhand.access.sso.schemas import (
    InstallationProviderChange,
    InstallationProviderCreate,
    ProviderChange,
    ProviderCreate,
)
from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.oidc.client import OidcClient
from deskhand.kit.oidc.wire import Relation
from deskhand.kit.page import Page

MOST = 20
"""Providers of one tenant; each is a button and a document that is kept."""


def relation_of(provider: IdentityProvider, secrets: SecretBox) -> Relation:
    """What is needed to talk to a provider.

    Raises:
        ConfigurationError: Its secret cannot be decrypted.
    """
    return Relation(
        name=provider.name,
        issuer=provider.issuer,
        client_id=provider.client_id,
        client_secret=secrets.decrypt(provider.client_secret_encrypted),
        scopes=provider.scopes,
    )


async def list_providers(
    session: AsyncSession, *, tenant_id: str | None, limit: int = 50, cursor: str | None = None
) -> Page[IdentityProvider]:
    """The providers of a tenant, or of the installation.

    Raises:
        NotFoundError: There is no such tenant.
    """
    await _ensure_owner(session, tenant_id)
    return await repository.owned_providers(session, tenant_id, limit=limit, cursor=cursor)


async def get_provider(session: AsyncSession, *, tenant_id: str | None, provider_id: UUID) -> IdentityProvider:
    """One of them.

    Raises:
        NotFoundError: There is none of this id here.
    """
    provider = await repository.owned_provider(session, tenant_id, provider_id)
    if provider is None:
        raise NotFoundError(f"There is no identity provider {provider_id} here.")
    return provider


async def create_provider(
    session: AsyncSession,
    *,
    tenant_id: str | None,
    data: ProviderCreate | InstallationProviderCreate,
    secrets: SecretBox,
    oidc: OidcClient,
    actor: str,
) -> IdentityProvider:
    """Let an identity provider vouch for people.

    Args:
        session: A platform session.
        tenant_id: Whose people; None for the installation's.
        data: What the provider is.
        secrets: Encrypts the client secret.
        oidc: Knows which addresses may be called.
        actor: Who sets it up.

    Raises:
        NotFoundError: There is no such tenant.
        InvalidInputError: The issuer may not be called.
        ConflictError: There are too many.
    """
    await _ensure_owner(session, tenant_id)
    if not oidc.may_call(data.issuer):
        fault = FieldProblem("/issuer", "must begin with https://")
        raise InvalidInputError("The issuer must begin with https://.", errors=[fault])
    if await repository.count_owned(session, tenant_id) >= MOST:
        raise ConflictError(f"There are {MOST} identity providers already; remove one first.")
    values = data.model_dump(exclude={"client_secret"})
    provider = IdentityProvider(
        tenant_id=tenant_id,
        client_secret_encrypted=secrets.encrypt(data.client_secret.get_secret_value()),
        **values,
    )
    session.add(provider)
    await session.flush()
    await session.refresh(provider)
    await _record(session, provider, actor, "identity_provider.create", after=values)
    return provider


async def change_provider(
    session: AsyncSession,
    *,
    tenant_id: str | None,
    provider_id: UUID,
    data: ProviderChange | InstallationProviderChange,
    secrets: SecretBox,
    actor: str,
    now: datetime,
) -> IdentityProvider:
    """Change a provider; one that is switched off ends the sessions it opened.

    Raises:
        NotFoundError: There is none of this id here.
    """
    provider = await get_provider(session, tenant_id=tenant_id, provider_id=provider_id)
    values = data.model_dump(exclude={"client_secret"}, exclude_none=True)
    before = {name: getattr(provider, name) for name in values}
    for name, value in values.items():
        setattr(provider, name, value)
    renewed = {}
    if data.client_secret is not None:
        provider.client_secret_encrypted = secrets.encrypt(data.client_secret.get_secret_value())
        renewed["renewed"] = "client_secret"
    await session.flush()
    await session.refresh(provider)
    if not provider.is_active:
        await sessions.end_sessions_with(session, provider.id, now=now)
    await _record(session, provider, actor, "identity_provider.update", before=before, after=values, **renewed)
    return provider


async def remove_provider(session: AsyncSession, *, tenant_id: str | None, provider_id: UUID, actor: str) -> None:
    """Remove a provider with all it gave: sessions, roles in tenants, the right to administer the platform.

    Raises:
        NotFoundError: There is none of this id here.
    """
    provider = await get_provider(session, tenant_id=tenant_id, provider_id=provider_id)
    await repository.take_back_platform(session, provider.id)
    await repository.drop_provider(session, provider.id)
    before = {name: getattr(provider, name) for name in ("issuer", "role_rules", "email_domains", "is_active")}
    await _record(session, provider, actor, "identity_provider.delete", before=before)


async def _ensure_owner(session: AsyncSession, tenant_id: str | None) -> None:
    if tenant_id is not None and not await people.tenant_exists(session, tenant_id):
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")


async def _record(
    session: AsyncSession,
    provider: IdentityProvider,
    actor: str,
    operation: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **details: str,
) -> None:
    await audit.record(
        session,
        tenant_id=provider.tenant_id if provider.tenant_id is not None else audit.PLATFORM,
        actor=actor,
        operation=operation,
        resource_type="identity_provider",
        resource_id=provider.id,
        before=before,
        after=after,
        details={**details, "name": provider.name},
    )

"""Identity providers through the API: a tenant's own, and the installation's."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response, status

from deskhand.access.guards import Administrator, PeopleSession, PlatformAdmin, PlatformSession, TenantPath
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.models import IdentityProvider
from deskhand.access.sso import providers
from deskhand.access.sso.schemas import (
    InstallationProviderChange,
    InstallationProviderCreate,
    ProviderChange,
    ProviderCreate,
    ProviderResponse,
    RuleResponse,
)
from deskhand.access.sso.signing_in import redirect_uri
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses

router = APIRouter(tags=["people"], route_class=IdempotentRoute)

ProviderId = Annotated[UUID, Path(description="The identity provider.")]
OF_TENANT = "/api/v1/tenants/{tenant_id}/identity-providers"
OF_INSTALLATION = "/api/v1/identity-providers"
_LISTED = problem_responses(NotFoundError, InvalidInputError)
_MADE = problem_responses(NotFoundError, ConflictError, InvalidInputError)


@router.get(OF_TENANT, operation_id="list_tenant_identity_providers", responses=_LISTED)
async def list_of_tenant(
    tenant_id: TenantPath,
    _caller: Administrator,
    session: PeopleSession,
    app: App,
    *,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[ProviderResponse]:
    """List the identity providers with which people sign in to this tenant alone."""
    page = await providers.list_providers(session, tenant_id=tenant_id, limit=limit, cursor=cursor)
    return Page(items=[shown(one, app.public_url) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    OF_TENANT,
    operation_id="create_tenant_identity_provider",
    status_code=status.HTTP_201_CREATED,
    responses=_MADE,
)
async def create_of_tenant(
    tenant_id: TenantPath, data: ProviderCreate, caller: Administrator, session: PeopleSession, app: App
) -> ProviderResponse:
    """Let people sign in to this tenant with an identity provider of its own.

    Who signs in with it is a member of this tenant and of no other, whatever the provider says.
    """
    made = await providers.create_provider(
        session, tenant_id=tenant_id, data=data, secrets=app.secrets, oidc=app.oidc, actor=caller.actor
    )
    return shown(made, app.public_url)


@router.patch(OF_TENANT + "/{provider_id}", operation_id="change_tenant_identity_provider", responses=_LISTED)
async def change_of_tenant(
    tenant_id: TenantPath,
    provider_id: ProviderId,
    *,
    data: ProviderChange,
    caller: Administrator,
    session: PeopleSession,
    app: App,
) -> ProviderResponse:
    """Change an identity provider of the tenant; what is left out stays, the client secret too."""
    changed = await providers.change_provider(
        session,
        tenant_id=tenant_id,
        provider_id=provider_id,
        data=data,
        secrets=app.secrets,
        actor=caller.actor,
        now=app.clock(),
    )
    return shown(changed, app.public_url)


@router.delete(
    OF_TENANT + "/{provider_id}",
    operation_id="delete_tenant_identity_provider",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_LISTED,
)
async def delete_of_tenant(
    tenant_id: TenantPath, provider_id: ProviderId, caller: Administrator, session: PeopleSession
) -> Response:
    """Remove an identity provider; the sessions and roles that it gave go with it."""
    await providers.remove_provider(session, tenant_id=tenant_id, provider_id=provider_id, actor=caller.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get(OF_INSTALLATION, operation_id="list_identity_providers", responses=_LISTED)
async def list_of_installation(
    _caller: PlatformAdmin,
    session: PlatformSession,
    app: App,
    *,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[ProviderResponse]:
    """List the identity providers of the installation, which are offered to everybody on the sign-in page."""
    page = await providers.list_providers(session, tenant_id=None, limit=limit, cursor=cursor)
    return Page(items=[shown(one, app.public_url) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    OF_INSTALLATION,
    operation_id="create_identity_provider",
    status_code=status.HTTP_201_CREATED,
    responses=_MADE,
)
async def create_of_installation(
    data: InstallationProviderCreate, caller: PlatformAdmin, session: PlatformSession, app: App
) -> ProviderResponse:
    """Let people sign in with an identity provider of the installation, in whatever tenants its rules name."""
    made = await providers.create_provider(
        session, tenant_id=None, data=data, secrets=app.secrets, oidc=app.oidc, actor=caller.actor
    )
    return shown(made, app.public_url)


@router.patch(
    OF_INSTALLATION + "/{installation_provider_id}", operation_id="change_identity_provider", responses=_LISTED
)
async def change_of_installation(
    installation_provider_id: ProviderId,
    data: InstallationProviderChange,
    caller: PlatformAdmin,
    session: PlatformSession,
    app: App,
) -> ProviderResponse:
    """Change an identity provider of the installation; what is left out stays, the client secret too."""
    changed = await providers.change_provider(
        session,
        tenant_id=None,
        provider_id=installation_provider_id,
        data=data,
        secrets=app.secrets,
        actor=caller.actor,
        now=app.clock(),
    )
    return shown(changed, app.public_url)


@router.delete(
    OF_INSTALLATION + "/{installation_provider_id}",
    operation_id="delete_identity_provider",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=_LISTED,
)
async def delete_of_installation(
    installation_provider_id: ProviderId, caller: PlatformAdmin, session: PlatformSession
) -> Response:
    """Remove an identity provider; the sessions, roles and platform administrators that it gave go with it."""
    await providers.remove_provider(session, tenant_id=None, provider_id=installation_provider_id, actor=caller.actor)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def shown(one: IdentityProvider, public_url: str) -> ProviderResponse:
    """A provider as it is shown, without its secret."""
    return ProviderResponse(
        id=one.id,
        name=one.name,
        issuer=one.issuer,
        client_id=one.client_id,
        scopes=one.scopes,
        groups_claim=one.groups_claim,
        role_rules=[RuleResponse(**rule) for rule in one.role_rules],
        email_domains=one.email_domains,
        is_active=one.is_active,
        vouches_for_second_factor=one.vouches_for_second_factor,
        redirect_uri=redirect_uri(public_url, one.id),
        sign_in_url=f"{public_url}/login?via={one.id}",
        sign_out_url=f"{public_url}/login",
        created_at=one.created_at,
        updated_at=one.updated_at,
    )

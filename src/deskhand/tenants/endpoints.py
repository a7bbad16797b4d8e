"""Tenants, their connections, and the desks this installation knows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, status

from deskhand.access.guards import (
    AdministeredSession,
    Administrator,
    Authenticated,
    PlatformAdmin,
    PlatformSession,
    TenantPath,
)
from deskhand.access.idempotency import IdempotentRoute
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses
from deskhand.kit.schema import QueryFlag, StorableText
from deskhand.plugins.registry import PluginManager, describe
from deskhand.tenants.connections import check_connection, desk_for, list_connections
from deskhand.tenants.schemas import (
    ConnectionResponse,
    ConnectionTestResponse,
    PluginResponse,
    TenantConfigCreate,
    TenantConfigCreated,
    TenantConfigResponse,
    TenantConfigUpdate,
)
from deskhand.tenants.service import TenantService

router = APIRouter(route_class=IdempotentRoute)
TENANTS = "/api/v1/tenants"
TENANT = TENANTS + "/{tenant_id}"


async def registered_plugins(app: App) -> PluginManager:
    """The plugins of this process."""
    return app.plugins


Plugins = Annotated[PluginManager, Depends(registered_plugins)]


async def platform_tenants(session: PlatformSession, app: App, plugins: Plugins) -> TenantService:
    """Tenants as a platform administrator sees them: all."""
    return TenantService(session, secrets=app.secrets, plugins=plugins)


async def administered_tenants(session: AdministeredSession, app: App, plugins: Plugins) -> TenantService:
    """Tenants as seen from within the one that the path names."""
    return TenantService(session, secrets=app.secrets, plugins=plugins)


ToolPath = Annotated[StorableText, Path(max_length=50, description="The desk: the `tool_type` of a plugin.")]
AllTenants = Annotated[TenantService, Depends(platform_tenants)]
OneTenant = Annotated[TenantService, Depends(administered_tenants)]


@router.post(
    TENANTS,
    operation_id="create_tenant",
    tags=["tenants"],
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def create_tenant(data: TenantConfigCreate, principal: PlatformAdmin, tenants: AllTenants) -> TenantConfigCreated:
    """Create a tenant. A webhook secret that was not given is made, and shown in this answer only."""
    tenant = await tenants.create_tenant(data, actor=principal.actor)
    # Shown only if we made it: whoever sent a secret has it, and an answer may be logged on its way.
    made = "webhook_signing_secret" not in data.model_fields_set
    shown = TenantConfigResponse.model_validate(tenant).model_dump()
    return TenantConfigCreated(
        **shown, webhook_signing_secret=data.webhook_signing_secret.get_secret_value() if made else None
    )


@router.get(TENANTS, operation_id="list_tenants", tags=["tenants"], responses=problem_responses(InvalidInputError))
async def list_tenants(
    tenants: AllTenants,
    *,
    q: Annotated[StorableText | None, Query(max_length=200, description="Words in id or name.")] = None,
    tool_type: Annotated[StorableText | None, Query(max_length=50, description="Default desk.")] = None,
    is_active: Annotated[QueryFlag | None, Query(description="Only active, or only deactivated tenants.")] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[TenantConfigResponse]:
    """List all tenants, in the order of their ids."""
    page = await tenants.list_tenants(q=q, tool_type=tool_type, is_active=is_active, limit=limit, cursor=cursor)
    return Page(items=[TenantConfigResponse.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@router.get(
    TENANT, operation_id="get_tenant", tags=["tenants"], responses=problem_responses(NotFoundError, InvalidInputError)
)
async def get_tenant(tenant_id: TenantPath, tenants: OneTenant) -> TenantConfigResponse:
    """Read a tenant; its secrets appear by name only."""
    return TenantConfigResponse.model_validate(await tenants.get_tenant(tenant_id))


@router.patch(
    TENANT,
    operation_id="update_tenant",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def update_tenant(
    tenant_id: TenantPath, data: TenantConfigUpdate, principal: Administrator, tenants: OneTenant
) -> TenantConfigResponse:
    """Change a tenant. What is left out stays; a connection field set to null is cleared.

    `rate_limits` are changed with a platform key only.
    """
    changed = await tenants.update_tenant(
        tenant_id, data, actor=principal.actor, may_set_limits=principal.may("platform_admin")
    )
    return TenantConfigResponse.model_validate(changed)


@router.post(
    TENANT + "/deactivate",
    operation_id="deactivate_tenant",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def deactivate_tenant(
    tenant_id: TenantPath, principal: PlatformAdmin, tenants: AllTenants
) -> TenantConfigResponse:
    """Stop a tenant: nothing starts for it any more. Its data stays."""
    return TenantConfigResponse.model_validate(await tenants.deactivate_tenant(tenant_id, actor=principal.actor))


@router.post(
    TENANT + "/reactivate",
    operation_id="reactivate_tenant",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def reactivate_tenant(
    tenant_id: TenantPath, principal: PlatformAdmin, tenants: AllTenants
) -> TenantConfigResponse:
    """Let a deactivated tenant work again."""
    return TenantConfigResponse.model_validate(await tenants.reactivate_tenant(tenant_id, actor=principal.actor))


@router.get(
    TENANT + "/connections",
    operation_id="list_connections",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def get_connections(
    tenant_id: TenantPath, tenants: OneTenant, app: App, plugins: Plugins
) -> list[ConnectionResponse]:
    """The tenant's connection to every desk this installation knows, complete or not."""
    tenant = await tenants.get_tenant(tenant_id)
    return list_connections(tenant, secrets=app.secrets, plugins=plugins)


@router.post(
    TENANT + "/connections/{tool_type}/test",
    operation_id="test_connection",
    tags=["tenants"],
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def try_connection(
    tenant_id: TenantPath, tool_type: ToolPath, _caller: Administrator, app: App, plugins: Plugins
) -> ConnectionTestResponse:
    """Try the connection on the real desk: address, credentials, permissions."""
    # The transaction ends before the desk is called: a slow vendor must not hold a database connection.
    async with app.db.tenant_session(tenant_id) as session:
        tenant = await TenantService(session, secrets=app.secrets, plugins=plugins).get_tenant(tenant_id)
    desk = desk_for(tenant, tool_type, secrets=app.secrets, plugins=plugins, http=app.http)
    return await check_connection(desk)


@router.get("/api/v1/plugins", operation_id="list_plugins", tags=["plugins"], responses=problem_responses())
async def list_plugins(_caller: Authenticated, plugins: Plugins) -> list[PluginResponse]:
    """The desks this installation can talk to."""
    return [PluginResponse.model_validate(described) for described in plugins.list_registered_plugins()]


@router.get(
    "/api/v1/plugins/{tool_type}",
    operation_id="get_plugin",
    tags=["plugins"],
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def get_plugin(tool_type: ToolPath, _caller: Authenticated, plugins: Plugins) -> PluginResponse:
    """One desk: what it can do and what a connection to it needs."""
    return PluginResponse.model_validate(describe(plugins.get_plugin(tool_type)))

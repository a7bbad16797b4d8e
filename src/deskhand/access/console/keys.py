"""The page of a tenant's API keys: list, make (shown once), revoke, and change over to a successor."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from deskhand.access import service
from deskhand.access.forms import SafeForm
from deskhand.access.guards import AdministeredSession, Administrator, TenantPath
from deskhand.access.limits import MOST, companies_to_choose
from deskhand.access.models import ApiKey
from deskhand.access.people.schemas import ROLE_WORDS
from deskhand.access.principal import Principal
from deskhand.access.schemas import ApiKeyCreate
from deskhand.appstate import App
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/tenants/{tenant_id}/api-keys",
    route_class=PageRoute,
    include_in_schema=False,
    default_response_class=HTMLResponse,
)

PAGE_SIZE = 50
LIFETIMES = {"30": "30 days", "90": "90 days", "365": "a year", "": "no end"}


@router.get("")
async def keys_page(
    request: Request,
    app: App,
    viewer: Administrator,
    session: AdministeredSession,
    *,
    tenant_id: TenantPath,
    cursor: Annotated[StorableText | None, Query(max_length=500)] = None,
) -> Response:
    return await _keys(request, app, viewer, session, tenant_id, cursor=cursor)


@router.post("")
async def create_key(
    request: Request,
    app: App,
    viewer: Administrator,
    session: AdministeredSession,
    *,
    tenant_id: TenantPath,
    _safe: SafeForm,
    name: Annotated[StorableText, Form(max_length=1000)] = "",
    role: Annotated[StorableText, Form(max_length=20)] = "",
    days: Annotated[StorableText, Form(max_length=3)] = "",
    companies: Annotated[list[StorableText] | None, Form(max_length=MOST)] = None,
) -> Response:
    days = days if days in LIFETIMES else "90"
    typed: dict[str, Any] = {"name": name.strip(), "role": role, "days": days, "companies": companies}
    expires_at = app.clock() + timedelta(days=int(days)) if days else None
    wanted = {"name": name.strip(), "role": role, "companies": companies, "expires_at": expires_at}
    try:
        data = ApiKeyCreate.model_validate(wanted)
        key, plain = await service.create_api_key(session, tenant_id=tenant_id, actor=viewer.actor, data=data)
    except ValidationError as error:
        return await _keys(request, app, viewer, session, tenant_id, typed=typed, error=invalid_input(error))
    except InvalidInputError as error:
        return await _keys(request, app, viewer, session, tenant_id, typed=typed, error=error)
    return await _keys(request, app, viewer, session, tenant_id, made=key, plain=plain)


@router.post("/{key_id}/rotate")
async def rotate_key(
    request: Request,
    app: App,
    viewer: Administrator,
    session: AdministeredSession,
    *,
    tenant_id: TenantPath,
    key_id: UUID,
    _safe: SafeForm,
) -> Response:
    try:
        key, plain = await service.rotate_api_key(
            session, tenant_id=tenant_id, actor=viewer.actor, key_id=key_id, now=app.clock()
        )
    except ConflictError as error:  # ended while the page was open
        return await _keys(request, app, viewer, session, tenant_id, error=error)
    return await _keys(request, app, viewer, session, tenant_id, made=key, plain=plain, is_successor=True)


@router.post("/{key_id}/revoke")
async def revoke_key(
    request: Request,
    app: App,
    viewer: Administrator,
    session: AdministeredSession,
    *,
    tenant_id: TenantPath,
    key_id: UUID,
    _safe: SafeForm,
) -> Response:
    try:
        await service.revoke_api_key(session, tenant_id=tenant_id, actor=viewer.actor, key_id=key_id, now=app.clock())
    except ConflictError as error:
        return await _keys(request, app, viewer, session, tenant_id, error=error)
    return RedirectResponse(f"/tenants/{tenant_id}/api-keys", status_code=303)


async def _keys(
    request: Request,
    app: App,
    viewer: Principal,
    session: AdministeredSession,
    tenant_id: str,
    *,
    cursor: str | None = None,
    made: ApiKey | None = None,
    plain: str = "",
    is_successor: bool = False,
    typed: dict[str, Any] | None = None,
    error: DeskhandError | None = None,
) -> Response:
    page = await service.list_api_keys(session, tenant_id=tenant_id, limit=PAGE_SIZE, cursor=cursor)
    context: dict[str, Any] = {
        "made": made,
        # The one time that it is shown: in this answer, which no cache keeps, and in no address.
        "plain": plain,
        "is_successor": is_successor,
        "typed": typed or {"name": "", "role": "viewer", "days": "90", "companies": None},
        "companies": await companies_to_choose(session, tenant_id),
        "error": error,
    }
    return render(
        request,
        "access/console/keys.html",
        status_code=200 if error is None else error.status,
        viewer=viewer,
        tenant_id=tenant_id,
        page=page,
        roles=ROLE_WORDS,
        lifetimes=LIFETIMES,
        now=app.clock(),
        **context,
    )

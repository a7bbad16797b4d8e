"""A new tenant with its first desk, made in the browser by the platform's administrator, who then joins it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.forms import SafeForm
from deskhand.access.guards import PlatformAdmin, PlatformSession
from deskhand.access.people import administration
from deskhand.access.people.schemas import PersonInvite
from deskhand.access.principal import Principal
from deskhand.appstate import App, AppState
from deskhand.errors import DeskhandError
from deskhand.intake.console.desks import BOX, boxes_of, grouped
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.plugins.registry import describe
from deskhand.tenants.desks.changes import first_connection
from deskhand.tenants.desks.fields import faults_by_field, fields_of, read_form
from deskhand.tenants.endpoints import AllTenants
from deskhand.tenants.schemas import TenantConfigCreate
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/tenants/new", route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse
)

OWN = ("tenant_id", "name")
Named = Annotated[StorableText, Form(max_length=300)]


@router.get("")
async def choose(
    request: Request,
    app: App,
    viewer: PlatformAdmin,
    desk: Annotated[StorableText, Query(max_length=50, description="The desk that is connected first.")] = "",
) -> Response:
    return _page(request, app, viewer, desk)


@router.post("")
async def create(
    request: Request,
    _safe: SafeForm,
    app: App,
    viewer: PlatformAdmin,
    session: PlatformSession,
    tenants: AllTenants,
    *,
    desk: Annotated[StorableText, Form(max_length=50)],
    tenant_id: Named = "",
    name: Named = "",
) -> Response:
    typed = {key: text for key, text in (await request.form()).items() if isinstance(text, str)}
    fields = fields_of(app.plugins.get_plugin(desk))
    read = read_form(fields, {one.name: typed.get(BOX + one.name, "") for one in fields})
    own = {"tenant_id": tenant_id.strip(), "name": name, "tool_type": desk}
    try:
        data = TenantConfigCreate.model_validate({**own, **first_connection(desk, read)})
        # A savepoint: what a service refuses leaves the page's transaction as it was.
        async with session.begin_nested():
            await tenants.create_tenant(data, actor=viewer.actor)
    except ValidationError as error:
        return _page(request, app, viewer, desk, typed=typed, error=invalid_input(error))
    except DeskhandError as error:
        return _page(request, app, viewer, desk, typed=typed, error=error)
    return RedirectResponse(await _onward(session, app, viewer, data.tenant_id), status_code=303)


async def _onward(session: AsyncSession, app: AppState, viewer: Principal, tenant_id: str) -> str:
    """Where it goes on: whoever made the tenant is asked to join it; a key is nobody, and lets people in."""
    if viewer.person is None:
        return f"/tenants/{tenant_id}/people"
    asked = PersonInvite(email=viewer.person.email, role="tenant_admin")
    invited = await administration.invite(
        session, tenant_id=tenant_id, data=asked, actor=viewer.actor, by_platform=True, now=app.clock()
    )
    return invited.link.url("")


def _page(
    request: Request,
    app: AppState,
    viewer: Principal,
    desk: str,
    *,
    typed: Mapping[str, str] | None = None,
    error: DeskhandError | None = None,
) -> Response:
    """The desks to choose from, or the form of the chosen one with what was typed if that was refused."""
    if not desk:
        names = app.plugins.names
        return render(request, "intake/console/new_tenant.html", viewer=viewer, chosen=None, error=None, desks=names)
    plugin = app.plugins.get_plugin(desk)
    fields = fields_of(plugin)
    boxes = None if typed is None else {one.name: typed.get(BOX + one.name, "") for one in fields}
    faults = {fault.pointer.strip("/"): fault.detail for fault in (error.errors if error else ())}
    return render(
        request,
        "intake/console/new_tenant.html",
        status_code=error.status if error else 200,
        viewer=viewer,
        chosen=describe(plugin),
        groups=grouped(fields),
        values=boxes_of(fields, {}, boxes),
        stored=frozenset(),
        own={one: (typed or {}).get(one, "") for one in OWN},
        faults=faults_by_field(fields, error) | {one: faults[one] for one in OWN if one in faults},
        error=error,
        box=BOX,
    )

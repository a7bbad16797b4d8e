"""The tenants of the installation, for platform administrators: whose people to look after."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from deskhand.access.guards import PlatformAdmin
from deskhand.appstate import App
from deskhand.kit.schema import StorableText
from deskhand.tenants.endpoints import AllTenants
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 50


@router.get("/tenants")
async def tenants_page(
    request: Request,
    viewer: PlatformAdmin,
    app: App,
    tenants: AllTenants,
    *,
    q: Annotated[StorableText, Query(max_length=200)] = "",
    cursor: Annotated[StorableText | None, Query(max_length=500)] = None,
) -> Response:
    page = await tenants.list_tenants(q=q or None, limit=PAGE_SIZE, cursor=cursor)
    return render(request, "tenants/tenants.html", viewer=viewer, page=page, q=q, desks=app.plugins.names)

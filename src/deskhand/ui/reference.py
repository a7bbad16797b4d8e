"""The API's reference as a page: Swagger UI, vendored, under the policy of every other page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/docs")
async def api_reference(request: Request) -> HTMLResponse:
    return render(request, "ui/reference.html")

"""What to paste into a desk so that it tells Deskhand what happens there, and whether it was heard.

The set-up text is the plugin's own. The secret that the desk signs with is shown in one answer alone, when it is made.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from deskhand.access.forms import SafeForm
from deskhand.errors import DeskhandError
from deskhand.intake import repository
from deskhand.intake.console.desks import Desk, OneDesk, heard_last, read_tenant
from deskhand.intake.console.explanations import explain
from deskhand.intake.heard import Heard
from deskhand.kit.crypto import new_webhook_secret
from deskhand.kit.schema import StorableText
from deskhand.ui.render import SECURITY_HEADERS, render
from deskhand.ui.routing import PageRoute

router = APIRouter(
    prefix="/tenants/{tenant_id}/desks/{tool_type}",
    route_class=PageRoute,
    include_in_schema=False,
    default_response_class=HTMLResponse,
)

PLACE_OF_SECRET = "YOUR-WEBHOOK-SECRET"  # noqa: S105 - what stands in the text where the secret belongs


@router.get("/setup")
async def setup_page(desk: OneDesk, *, stored: bool = False) -> Response:
    return await _setup(desk, is_stored=stored)


@router.get("/heard")
async def heard_part(desk: OneDesk, *, seen: Annotated[StorableText, Query(max_length=64)] = "") -> Response:
    heard = await newest(desk)
    mark = _mark(heard)
    if seen == mark:
        return Response(status_code=204, headers=SECURITY_HEADERS)
    return render(desk.request, "intake/console/_heard.html", **_told(desk, heard))


@router.post("/secret")
async def make_secret(desk: OneDesk, *, _safe: SafeForm) -> Response:
    secret = new_webhook_secret()
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        await desk.connections(session).set_webhook_secret(desk.tenant_id, secret)
    return await _setup(desk, secret=secret)


@router.post("/store-secret")
async def store_secret(
    desk: OneDesk, *, _safe: SafeForm, secret: Annotated[StorableText, Form(max_length=4096)] = ""
) -> Response:
    try:
        async with desk.app.db.tenant_session(desk.tenant_id) as session:
            await desk.connections(session).set_webhook_secret(desk.tenant_id, secret)
    except DeskhandError as error:
        return await _setup(desk, error=error)
    return RedirectResponse(f"{desk.address}/setup?stored=1", status_code=303)


async def newest(desk: Desk) -> Heard | None:
    """The desk's newest delivery."""
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        known = await repository.newest_by_desk(session)
    return heard_last(desk.app, desk.tenant_id, desk.tool_type, known)


async def _setup(
    desk: Desk, *, secret: str = "", error: DeskhandError | None = None, is_stored: bool = False
) -> Response:
    async with desk.app.db.tenant_session(desk.tenant_id) as session:
        tenant = await read_tenant(desk.app, session, desk.tenant_id)
    url = f"{desk.app.public_url}/webhooks/{desk.tenant_id}/{desk.tool_type}"
    plugin = desk.app.plugins.get_plugin(desk.tool_type)
    return render(
        desk.request,
        "intake/console/setup.html",
        status_code=error.status if error else 200,
        **{**desk.context(tenant), **_told(desk, await newest(desk))},
        guide=plugin.setup_guide(webhook_url=url, secret=secret or PLACE_OF_SECRET),
        url=url,
        secret=secret,
        place=PLACE_OF_SECRET,
        error=error,
        is_stored=is_stored,
    )


def _told(desk: Desk, heard: Heard | None) -> dict[str, Any]:
    return {
        "heard": heard,
        "explained": explain(heard.outcome, heard.reason, heard.http_status) if heard else None,
        "seen": _mark(heard),
        "address": desk.address,
        "now": desk.app.clock(),
    }


def _mark(heard: Heard | None) -> str:
    """What the page has shown, so that it is drawn again when there is more to say."""
    return hashlib.sha256(repr(heard).encode()).hexdigest()[:16]

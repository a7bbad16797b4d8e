"""The page of a link in a mail. Opening it changes nothing: scanners and previews open addresses, too."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from deskhand.approvals import links
from deskhand.approvals.links import Link, Verb
from deskhand.approvals.schemas import ApprovalView, Decline
from deskhand.appstate import App
from deskhand.errors import DeskhandError, InvalidInputError
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.ui.csrf import refuse_cross_site
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/approvals/link")
async def link_page(
    request: Request, app: App, token: Annotated[StorableText, Query(max_length=links.MOST_CHARACTERS)] = ""
) -> Response:
    return await _show(request, app, await links.link_behind(app, token), token)


@router.post("/approvals/link")
async def answer(
    request: Request,
    app: App,
    *,
    token: Annotated[StorableText, Form(max_length=links.MOST_CHARACTERS)] = "",
    verb: Annotated[Verb, Form()] = "decline",
    reason: Annotated[StorableText, Form(max_length=1000)] = "",
) -> Response:
    refuse_cross_site(request, app.public_url)
    link = await links.link_behind(app, token)
    try:
        words = Decline(digest=link.digest, reason=reason).reason if verb == "decline" else ""
    except ValidationError as error:
        return await _show(request, app, link, token, error=invalid_input(error))
    async with app.db.tenant_session(link.tenant_id) as session:
        if not await links.counts_by_itself(session, link, app.sign_in_rules):
            return _to_sign_in(link)
        asked = await links.answer(session, link, verb, reason=words)
    return _page(request, app, link, asked)


async def _show(
    request: Request, app: App, link: Link, token: str, *, error: InvalidInputError | None = None
) -> Response:
    async with app.db.tenant_session(link.tenant_id) as session:
        if not await links.counts_by_itself(session, link, app.sign_in_rules):
            return _to_sign_in(link)
        asked = await links.look(session, link)
    return _page(request, app, link, asked, token=token, error=error)


def _to_sign_in(link: Link) -> Response:
    return RedirectResponse(link.page, status_code=303, headers={"Cache-Control": "no-store"})


def _page(
    request: Request,
    app: App,
    link: Link,
    asked: ApprovalView,
    *,
    token: str = "",
    error: DeskhandError | None = None,
) -> Response:
    return render(
        request,
        "approvals/link.html",
        status_code=error.status if error else 200,
        asked=asked,
        link=link,
        token=token,
        error=error,
        now=app.clock(),
        desks=app.plugins.names,
    )

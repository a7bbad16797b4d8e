"""The page of the link in a mail that stops such mails. Opening it stops nothing: scanners open addresses, too.

A mail program stops them with one click (RFC 8058): its server posts to the same address, with no session and from no
page. Who has the link may use it, and can do nothing else with it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from deskhand.appstate import App
from deskhand.kit.schema import StorableText
from deskhand.notifications import service
from deskhand.notifications.links import MOST_CHARACTERS, StopLinks
from deskhand.ui.csrf import refuse_cross_site
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

Token = Annotated[StorableText, Query(max_length=MOST_CHARACTERS)]
Typed = Annotated[StorableText, Form(alias="token", max_length=MOST_CHARACTERS)]


async def _no_other_site(request: Request, app: App) -> None:
    refuse_cross_site(request, app.public_url)


@router.get("/notifications/stop")
async def link_page(request: Request, app: App, token: Token = "") -> Response:
    subscriber = StopLinks(app.secrets, app.public_url).read(token)
    async with app.db.tenant_session(subscriber.tenant_id) as session:
        email = await service.subscriber_email(session, subscriber)
    return render(request, "notifications/stop.html", email=email, subscriber=subscriber, token=token, done=False)


@router.post("/notifications/stop", dependencies=[Depends(_no_other_site)])
async def stop(request: Request, app: App, token: Token = "", typed: Typed = "") -> Response:
    subscriber = StopLinks(app.secrets, app.public_url).read(token or typed)
    async with app.db.tenant_session(subscriber.tenant_id) as session:
        email = await service.subscriber_email(session, subscriber)
        await service.stop(session, subscriber)
    return render(request, "notifications/stop.html", email=email, subscriber=subscriber, token=token, done=True)

"""The page on which somebody with an account says yes to another tenant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from deskhand.access.cookies import address_of, give_session
from deskhand.access.forms import SafeForm
from deskhand.access.guards import SignedInPerson
from deskhand.access.limits import open_to_limited
from deskhand.access.people.invitations import service
from deskhand.access.people.invitations.service import Answer
from deskhand.access.principal import Principal
from deskhand.appstate import App
from deskhand.errors import DeskhandError, InvalidInputError, RateLimitedError
from deskhand.kit.passwords import MAX_LENGTH, MIN_LENGTH
from deskhand.kit.schema import StorableText
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

Password = Annotated[StorableText, Form(max_length=1000)]


@router.get("/join")
@open_to_limited
async def invitation_page(
    request: Request, app: App, viewer: SignedInPerson, token: Annotated[StorableText, Query(max_length=200)] = ""
) -> Response:
    # Opening the page uses nothing up: mail scanners and previews open addresses, too.
    return await _page(request, app, viewer, token)


@router.post("/join")
@open_to_limited
async def accept(
    request: Request,
    app: App,
    viewer: SignedInPerson,
    *,
    _safe: SafeForm,
    token: Annotated[StorableText, Form(max_length=200)] = "",
    current: Password = "",
    password: Password = "",
    again: Password = "",
) -> Response:
    try:
        if password != again:
            raise InvalidInputError("The two new passwords are not the same.")
        answer = Answer(token=token, current=current, password=password)
        cookie = await service.accept(app, viewer, answer, address=address_of(request))
    except (InvalidInputError, RateLimitedError) as error:
        return await _page(request, app, viewer, token, error=error)
    onward = RedirectResponse("/", status_code=303)
    give_session(onward, app, cookie)
    return onward


async def _page(
    request: Request, app: App, viewer: Principal, token: str, *, error: DeskhandError | None = None
) -> Response:
    return render(
        request,
        "access/people/invitations/join.html",
        status_code=200 if error is None else error.status,
        viewer=viewer,
        offer=await service.offer_behind(app, viewer, token),
        token=token,
        error=error,
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
    )

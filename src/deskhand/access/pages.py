"""The sign-in page, and the way to an identity provider and back."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi import Cookie as CookieValue
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AfterValidator

from deskhand.access import authentication
from deskhand.access.cookies import (
    PROVIDER_COOKIE,
    SSO_COOKIE,
    address_of,
    give_attempt,
    give_provider,
    give_session,
    known_provider,
    take_attempt,
)
from deskhand.access.forms import local_path
from deskhand.access.sso import signing_in
from deskhand.access.sso.signing_in import Answer
from deskhand.appstate import App, AppState
from deskhand.errors import DeskhandError
from deskhand.kit.schema import StorableText
from deskhand.ui.csrf import SESSION_COOKIE, refuse_cross_site
from deskhand.ui.render import render
from deskhand.ui.routing import SECOND_FACTOR, PageRoute

router = APIRouter(route_class=PageRoute, default_response_class=HTMLResponse)
provider_router = APIRouter(
    prefix="/login/sso/{provider_id}",
    route_class=PageRoute,
    include_in_schema=False,
    default_response_class=HTMLResponse,
)

_PAGE = {"content": {"text/html": {"schema": {"type": "string"}}}}
# In the document, because its address is that of an operation: a caller of POST /login may try GET.
_ANSWERS: dict[int | str, dict[str, Any]] = {200: _PAGE, 422: {"description": "Invalid input", **_PAGE}}


LocalPath = Annotated[str, AfterValidator(local_path)]


@router.get("/login", operation_id="show_login", tags=["access"], responses=_ANSWERS)
async def show_login(
    request: Request,
    app: App,
    *,
    next_path: Annotated[StorableText, Query(alias="next", max_length=2000, description="Page to go on to.")] = "/",
    token: Annotated[StorableText, Query(max_length=500, description="A sign-in token, instead of a password.")] = "",
    way: Annotated[Literal["", "key"], Query(alias="with", description="`key` asks for an API key.")] = "",
    via: Annotated[UUID | None, Query(description="An identity provider of one tenant, whose button is shown.")] = None,
    was_set: Annotated[StorableText, Query(alias="set", max_length=20, description="After a password was set.")] = "",
) -> HTMLResponse:
    """The page to sign in to the console on."""
    done = "Your password is set. Sign in with it." if was_set else ""
    return await login_page(request, app, next_path=next_path, token=token, with_key=way == "key", done=done, known=via)


async def login_page(
    request: Request,
    app: AppState,
    *,
    next_path: str,
    token: str = "",
    with_key: bool = False,
    email: str = "",
    problem: str = "",
    done: str = "",
    status_code: int = 200,
    known: UUID | None = None,
) -> HTMLResponse:
    """The form that exchanges a password, a key or a token for a session.

    A token is not used up by opening its address (mail scanners and previews open addresses); the button does it.

    Args:
        request: The request.
        app: The process's shared objects.
        next_path: Page to go on to; checked when the form is sent.
        token: A sign-in token, instead of asking for anything.
        with_key: Ask for an API key instead of a password.
        email: What was typed before.
        problem: Why the last try failed.
        done: What went well before.
        status_code: HTTP status of the answer.
        known: A provider to offer; the one that this browser signed in with last, if none is named.
    """
    known = known or known_provider(app.secrets, request.cookies.get(PROVIDER_COOKIE))
    context = {
        "next_path": next_path,
        "token": "" if problem else token,
        "with_key": with_key,
        "email": email,
        "problem": problem,
        "done": done,
        "providers": await signing_in.offered(app, known),
    }
    return render(request, "access/login.html", status_code=status_code, **context)


def onward_page(request: Request, address: str) -> HTMLResponse:
    """A page that leads on to another site, after a form of ours."""
    return render(request, "access/onward.html", address=address, host=urlsplit(address).hostname or "")


# -- to an identity provider and back; both ways are public, since nobody is signed in yet ----------------------------


@provider_router.post("")
async def depart(
    request: Request,
    app: App,
    provider_id: UUID,
    next_path: Annotated[LocalPath, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    # A form and not a link: another site must not sign somebody in with a provider of its choice.
    refuse_cross_site(request, app.public_url)
    try:
        departure = await signing_in.depart(app, provider_id, next_path=next_path, address=address_of(request))
    except DeskhandError as error:
        return await login_page(
            request, app, next_path=next_path, problem=error.detail, status_code=error.status, known=provider_id
        )
    answer = onward_page(request, departure.address)
    give_attempt(answer, app, departure.secret)
    return answer


@provider_router.get("/callback", operation_id="arrive_from_provider")
async def arrive(
    request: Request,
    app: App,
    provider_id: UUID,
    *,
    state: Annotated[StorableText, Query(max_length=500)] = "",
    code: Annotated[StorableText, Query(max_length=4000)] = "",
    iss: Annotated[StorableText | None, Query(max_length=500)] = None,
    error: Annotated[StorableText, Query(max_length=500)] = "",
    secret: Annotated[str, CookieValue(alias=SSO_COOKIE, max_length=200)] = "",
) -> Response:
    try:
        arrival = await signing_in.arrive(
            app,
            provider_id,
            Answer(state=state, code=code, iss=iss, error=error),
            secret=secret,
            address=address_of(request),
        )
    except DeskhandError as failure:
        return await login_page(
            request, app, next_path="/", problem=failure.detail, status_code=failure.status, known=provider_id
        )
    target = arrival.next_path
    if not arrival.signed_in.is_finished:
        target = f"{SECOND_FACTOR}?next={quote(target, safe='/')}"
    answer = RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})
    give_session(answer, app, arrival.signed_in.cookie)
    give_provider(answer, app, provider_id)
    take_attempt(answer, app)
    if cookie := request.cookies.get(SESSION_COOKIE):  # the session that was open in this browser ends
        await authentication.sign_out(app.db, app.secrets, cookie, now=app.clock())
    return answer

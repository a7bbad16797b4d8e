"""Pages of the second factor: showing a code to finish signing in, and enrolling an authenticator app.

These are the only pages that an unfinished session opens.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Cookie, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from deskhand.access.cookies import DEVICE_COOKIE, address_of, give_device, give_session, known_device
from deskhand.access.forms import SafeForm, local_path
from deskhand.access.guards import ArrivingPerson
from deskhand.access.people.confirmation import asks_for_password
from deskhand.access.people.factor import service
from deskhand.access.people.factor.service import Hindrance, Offer
from deskhand.access.principal import Principal
from deskhand.access.sessions import missing_step
from deskhand.appstate import App
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError, RateLimitedError, UnauthenticatedError
from deskhand.kit.schema import StorableText
from deskhand.ui.render import render
from deskhand.ui.routing import SECOND_FACTOR, PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

NextPath = Annotated[StorableText, Form(alias="next", max_length=2000)]
Code = Annotated[StorableText, Form(max_length=100)]
Way = Literal["app", "recovery"]


@router.get(SECOND_FACTOR)
async def second_factor_page(
    request: Request,
    app: App,
    viewer: ArrivingPerson,
    next_path: Annotated[StorableText, Query(alias="next", max_length=2000)] = "/",
    way: Annotated[Way, Query(alias="with")] = "app",
) -> Response:
    assert viewer.person is not None
    if missing_step(viewer.person, app.sign_in_rules) == "code":
        return _ask(request, viewer, next_path=next_path, way=way)
    hindrance = await service.hindrance(app, viewer)
    offer = service.offer(app, viewer) if hindrance is None else None
    return _enrol(request, app, viewer, offer, hindrance, next_path=next_path)


@router.post(SECOND_FACTOR)
async def show_code(
    request: Request,
    app: App,
    viewer: ArrivingPerson,
    *,
    _safe: SafeForm,
    code: Code = "",
    next_path: NextPath = "/",
    way: Annotated[Way, Form(alias="with")] = "app",
    device: Annotated[str | None, Cookie(alias=DEVICE_COOKIE)] = None,
) -> Response:
    assert viewer.person is not None
    email = viewer.person.email
    known_as = known_device(app.secrets, device, email=email.lower())
    try:
        cookie = await service.finish_sign_in(app, viewer, code, address=address_of(request), device=known_as)
    except (UnauthenticatedError, RateLimitedError) as error:
        return _ask(request, viewer, next_path=next_path, way=way, error=error)
    answer = RedirectResponse(local_path(next_path), status_code=303)
    give_session(answer, app, cookie)
    give_device(answer, app, email=email, device=known_as)
    return answer


@router.post(SECOND_FACTOR + "/app")
async def enrol(
    request: Request,
    app: App,
    viewer: ArrivingPerson,
    *,
    _safe: SafeForm,
    token: Annotated[StorableText, Form(max_length=1000)] = "",
    code: Code = "",
    password: Annotated[StorableText, Form(max_length=1000)] = "",
    next_path: NextPath = "/",
    device: Annotated[str | None, Cookie(alias=DEVICE_COOKIE)] = None,
) -> Response:
    assert viewer.person is not None
    email = viewer.person.email
    try:
        enrolled = await service.enrol(
            app, viewer, token=token, code=code, password=password, address=address_of(request)
        )
    except (InvalidInputError, RateLimitedError, ConflictError) as error:
        # It may have come up since the page was made; then its own words are the ones that help.
        hindrance = await service.hindrance(app, viewer)
        offer = _same_offer(app, viewer, token) if hindrance is None else None
        shown = error if hindrance is None else None
        return _enrol(request, app, viewer, offer, hindrance, next_path=next_path, error=shown, status=error.status)
    answer = recovery_codes_page(request, enrolled.codes, next_path=next_path)
    give_session(answer, app, enrolled.cookie)
    give_device(answer, app, email=email, device=known_device(app.secrets, device, email=email.lower()))
    return answer


def recovery_codes_page(request: Request, codes: list[str], *, next_path: str) -> HTMLResponse:
    """The one time that recovery codes are shown.

    Args:
        request: The request.
        codes: To show.
        next_path: Page to go on to.
    """
    return render(request, "access/people/factor/codes.html", codes=codes, next_path=local_path(next_path))


def _same_offer(app: App, viewer: Principal, token: str) -> Offer:
    # Somebody who mistyped has the app filled already: another secret would make the entry there worthless.
    try:
        return service.offered_again(app, viewer, token)
    except InvalidInputError:
        return service.offer(app, viewer)


def _ask(
    request: Request, viewer: Principal, *, next_path: str, way: Way, error: DeskhandError | None = None
) -> Response:
    assert viewer.person is not None
    return render(
        request,
        "access/people/factor/ask.html",
        status_code=200 if error is None else error.status,
        email=viewer.person.email,
        next_path=local_path(next_path),
        way=way,
        error=error,
    )


def _enrol(
    request: Request,
    app: App,
    viewer: Principal,
    offer: Offer | None,
    hindrance: Hindrance | None,
    *,
    next_path: str,
    error: DeskhandError | None = None,
    status: int = 200,
) -> Response:
    assert viewer.person is not None
    is_demanded = missing_step(viewer.person, app.sign_in_rules) == "enrolment"
    target = local_path(next_path)
    return render(
        request,
        "access/people/factor/enrol.html",
        status_code=status,
        person=viewer.person,
        is_demanded=is_demanded,
        asks_for_password=asks_for_password(viewer.person),
        offer=offer,
        hindrance=hindrance,
        next_path=target,
        # Of whom one is demanded, the sign-in leads here by itself, and would twice.
        again=target if is_demanded else f"{SECOND_FACTOR}?next={quote(target, safe='/')}",
        error=error,
    )

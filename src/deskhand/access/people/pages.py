"""Pages about people: a tenant's members, one's own password, another tenant, and the page of a link."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError

from deskhand.access.cookies import address_of, give_session
from deskhand.access.forms import SafeForm
from deskhand.access.guards import Administrator, PeopleSession, SignedInPerson, TenantPath
from deskhand.access.limits import MOST, companies_to_choose, open_to_limited
from deskhand.access.people import administration, signing_in
from deskhand.access.people.confirmation import asks_for_password
from deskhand.access.people.factor import service as factor
from deskhand.access.people.factor.pages import recovery_codes_page
from deskhand.access.people.invitations import service as invitations
from deskhand.access.people.links import Invited, Link
from deskhand.access.people.schemas import ROLE_WORDS, PersonChange, PersonInvite
from deskhand.access.principal import Principal, Role
from deskhand.access.sessions import is_fresh, must_have_second_factor
from deskhand.appstate import App
from deskhand.errors import ConflictError, DeskhandError, InvalidInputError, RateLimitedError
from deskhand.kit.passwords import MAX_LENGTH, MIN_LENGTH
from deskhand.kit.problem import invalid_input
from deskhand.kit.schema import StorableText
from deskhand.ui.csrf import refuse_cross_site
from deskhand.ui.render import render
from deskhand.ui.routing import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=HTMLResponse)

PAGE_SIZE = 100
Password = Annotated[StorableText, Form(max_length=1000)]
Companies = Annotated[list[StorableText] | None, Form(max_length=MOST)]
LinkToken = Annotated[StorableText, Query(max_length=200)]


# -- a tenant's members ----------------------------------------------------------------------------------------------


@router.get("/tenants/{tenant_id}/people")
async def people_page(
    request: Request,
    app: App,
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    cursor: Annotated[StorableText | None, Query(max_length=500)] = None,
) -> Response:
    return await _people(request, app, viewer, session, tenant_id, cursor=cursor)


@router.post("/tenants/{tenant_id}/people")
async def invite(
    request: Request,
    app: App,
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    _safe: SafeForm,
    email: Annotated[StorableText, Form(max_length=254)] = "",
    name: Annotated[StorableText, Form(max_length=200)] = "",
    role: Annotated[StorableText, Form(max_length=20)] = "viewer",
    companies: Companies = None,
) -> Response:
    typed = {"email": email.strip(), "name": name.strip(), "role": role, "companies": companies}
    try:
        data = PersonInvite.model_validate({**typed, "name": name.strip() or None})
        # A savepoint: the page that shows the conflict still reads from this transaction.
        async with session.begin_nested():
            invited = await administration.invite(
                session,
                tenant_id=tenant_id,
                data=data,
                actor=viewer.actor,
                by_platform=viewer.may("platform_admin"),
                now=app.clock(),
            )
    except ValidationError as error:
        return await _people(request, app, viewer, session, tenant_id, typed=typed, error=invalid_input(error))
    except (ConflictError, InvalidInputError) as error:
        return await _people(request, app, viewer, session, tenant_id, typed=typed, error=error)
    return await _people(request, app, viewer, session, tenant_id, invited=invited, link=invited.link)


@router.post("/tenants/{tenant_id}/people/{person_id}/role")
async def change_role(
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    person_id: UUID,
    _safe: SafeForm,
    role: Annotated[Role, Form()],
) -> Response:
    data = PersonChange(role=role)
    await administration.change_person(session, tenant_id=tenant_id, user_id=person_id, data=data, principal=viewer)
    return _back(tenant_id)


@router.get("/tenants/{tenant_id}/people/{person_id}/companies")
async def companies_page(
    request: Request, viewer: Administrator, session: PeopleSession, *, tenant_id: TenantPath, person_id: UUID
) -> Response:
    one = await administration.get_person(session, tenant_id=tenant_id, user_id=person_id)
    return render(
        request,
        "access/people/companies.html",
        viewer=viewer,
        tenant_id=tenant_id,
        one=one,
        companies=await companies_to_choose(session, tenant_id),
    )


@router.post("/tenants/{tenant_id}/people/{person_id}/companies")
async def limit(
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    person_id: UUID,
    _safe: SafeForm,
    companies: Companies = None,
) -> Response:
    # Of a browser's form none chosen is no limit; an empty one, which shows nothing, is the API's to set.
    data = PersonChange(companies=companies or None)
    await administration.change_person(session, tenant_id=tenant_id, user_id=person_id, data=data, principal=viewer)
    return _back(tenant_id)


@router.post("/tenants/{tenant_id}/people/{person_id}/remove")
async def remove(
    app: App,
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    person_id: UUID,
    _safe: SafeForm,
) -> Response:
    await administration.remove(session, tenant_id=tenant_id, user_id=person_id, principal=viewer, now=app.clock())
    return _back(tenant_id)


@router.post("/tenants/{tenant_id}/invitations/{invitation_id}/withdraw")
async def withdraw_invitation(
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    invitation_id: UUID,
    _safe: SafeForm,
) -> Response:
    await invitations.withdraw(session, tenant_id=tenant_id, invitation_id=invitation_id, principal=viewer)
    return _back(tenant_id)


@router.post("/tenants/{tenant_id}/people/{person_id}/second-factor/reset")
async def reset_second_factor(
    app: App,
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    person_id: UUID,
    _safe: SafeForm,
) -> Response:
    await administration.reset_second_factor(
        session, tenant_id=tenant_id, user_id=person_id, principal=viewer, now=app.clock()
    )
    return _back(tenant_id)


@router.post("/tenants/{tenant_id}/people/{person_id}/password-link")
async def make_link(
    request: Request,
    app: App,
    viewer: Administrator,
    session: PeopleSession,
    *,
    tenant_id: TenantPath,
    person_id: UUID,
    _safe: SafeForm,
) -> Response:
    link = await administration.password_link(
        session, tenant_id=tenant_id, user_id=person_id, principal=viewer, now=app.clock()
    )
    return await _people(request, app, viewer, session, tenant_id, link=link)


async def _people(
    request: Request,
    app: App,
    viewer: Principal,
    session: PeopleSession,
    tenant_id: str,
    *,
    cursor: str | None = None,
    link: Link | None = None,
    invited: Invited | None = None,
    typed: dict[str, Any] | None = None,
    error: DeskhandError | None = None,
) -> Response:
    page = await administration.list_people(session, tenant_id=tenant_id, limit=PAGE_SIZE, cursor=cursor)
    return render(
        request,
        "access/people/people.html",
        status_code=200 if error is None else error.status,
        viewer=viewer,
        tenant_id=tenant_id,
        page=page,
        roles=ROLE_WORDS,
        own_id=viewer.person.user_id if viewer.person else None,
        link_url=link.url(app.public_url) if link else "",
        invited=invited,
        invitations=await invitations.pending(session, tenant_id=tenant_id, now=app.clock(), limit=PAGE_SIZE),
        typed=typed or {"email": "", "name": "", "role": "operator", "companies": None},
        companies=await companies_to_choose(session, tenant_id),
        error=error,
        now=app.clock(),
    )


def _back(tenant_id: str) -> Response:
    return RedirectResponse(f"/tenants/{tenant_id}/people", status_code=303)


# -- one's own account -----------------------------------------------------------------------------------------------


DONE = {
    "": "",
    "password": "Your password is changed; your other sessions have ended.",
    "removed": "You sign in without the app from now on; your other sessions have ended.",
}


@router.get("/account")
@open_to_limited
async def account_page(
    request: Request, app: App, viewer: SignedInPerson, changed: Annotated[StorableText, Query(max_length=20)] = ""
) -> Response:
    return await _account(request, app, viewer, done=DONE.get(changed, ""))


@router.post("/account/password")
@open_to_limited
async def change_password(
    request: Request,
    app: App,
    viewer: SignedInPerson,
    *,
    _safe: SafeForm,
    current: Password = "",
    new: Password = "",
    again: Password = "",
) -> Response:
    assert viewer.person is not None
    try:
        if new != again:
            raise InvalidInputError("The two new passwords are not the same.")
        cookie = await signing_in.change_password(
            app,
            viewer.person,
            current=current,
            new=new,
            tenant_id=viewer.tenant_id,
            address=address_of(request),
        )
    except (InvalidInputError, RateLimitedError, ConflictError) as error:
        return await _account(request, app, viewer, error=error)
    answer = RedirectResponse("/account?changed=password", status_code=303)
    give_session(answer, app, cookie)
    return answer


@router.post("/account/second-factor/remove")
@open_to_limited
async def remove_second_factor(
    request: Request, app: App, viewer: SignedInPerson, *, _safe: SafeForm, password: Password = ""
) -> Response:
    try:
        cookie = await factor.remove(app, viewer, password=password, address=address_of(request))
    except (InvalidInputError, RateLimitedError, ConflictError) as error:
        return await _account(request, app, viewer, factor_error=error)
    answer = RedirectResponse("/account?changed=removed", status_code=303)
    give_session(answer, app, cookie)
    return answer


@router.post("/account/recovery-codes")
@open_to_limited
async def make_recovery_codes(
    request: Request, app: App, viewer: SignedInPerson, *, _safe: SafeForm, password: Password = ""
) -> Response:
    try:
        codes = await factor.new_codes(app, viewer, password=password, address=address_of(request))
    except (InvalidInputError, RateLimitedError, ConflictError) as error:
        return await _account(request, app, viewer, factor_error=error)
    return recovery_codes_page(request, codes, next_path="/account")


@router.post("/account/tenant")
@open_to_limited
async def switch_tenant(
    app: App,
    viewer: SignedInPerson,
    *,
    _safe: SafeForm,
    tenant_id: Annotated[StorableText, Form(max_length=100)] = "",
) -> Response:
    assert viewer.person is not None
    cookie = await signing_in.switch_tenant(app, viewer.person, digest=viewer.digest, tenant_id=tenant_id or None)
    answer = RedirectResponse("/", status_code=303)
    give_session(answer, app, cookie)
    return answer


async def _account(
    request: Request,
    app: App,
    viewer: Principal,
    *,
    done: str = "",
    error: DeskhandError | None = None,
    factor_error: DeskhandError | None = None,
) -> Response:
    assert viewer.person is not None
    return _password_page(
        request,
        "access/people/account.html",
        error,
        status=factor_error.status if factor_error is not None else None,
        viewer=viewer,
        done=done,
        factor_error=factor_error,
        codes_left=await factor.recovery_codes_left(app, viewer.person) if viewer.person.has_second_factor else 0,
        is_demanded=must_have_second_factor(viewer.person, app.sign_in_rules),
        asks_for_password=asks_for_password(viewer.person),
        is_fresh=is_fresh(viewer.person, now=app.clock()),
    )


# -- the page of a link ----------------------------------------------------------------------------------------------


@router.get("/set-password")
async def link_page(request: Request, app: App, token: LinkToken = "") -> Response:
    user = await signing_in.owner_of_link(app, token)
    # Opening the page uses nothing up: mail scanners and previews open addresses, too.
    return _link(request, token, user.email)


@router.post("/set-password")
async def use_link(
    request: Request,
    app: App,
    *,
    token: Annotated[StorableText, Form(max_length=200)] = "",
    password: Password = "",
    again: Password = "",
) -> Response:
    refuse_cross_site(request, app.public_url)
    user = await signing_in.owner_of_link(app, token)
    try:
        if password != again:
            raise InvalidInputError("The two passwords are not the same.")
        await signing_in.set_password(app, token, password)
    except InvalidInputError as error:
        return _link(request, token, user.email, error=error)
    return RedirectResponse("/login?set=yes", status_code=303)


def _link(request: Request, token: str, email: str, *, error: DeskhandError | None = None) -> Response:
    return _password_page(request, "access/people/set_password.html", error, token=token, email=email)


# -- what both ask for -----------------------------------------------------------------------------------------------


def _password_page(
    request: Request, template: str, error: DeskhandError | None, *, status: int | None = None, **values: Any
) -> Response:
    """A page that asks for a new password, with what was wrong with the last one."""
    return render(
        request,
        template,
        status_code=status or (200 if error is None else error.status),
        error=error,
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        **values,
    )

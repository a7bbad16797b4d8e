"""Dependencies that say who may call an endpoint; one without any of them is public, visibly.

A credential is ``Authorization: Bearer dhk_...`` (a machine), ``dhp_...`` (a platform administrator)
or the console's session cookie. The tenant of a request always comes from it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import authentication
from deskhand.access.idempotency import claim_key
from deskhand.access.limits import refuse_limited, scope_of_limit
from deskhand.access.principal import Principal, principal_in
from deskhand.access.sessions import refuse_unfinished
from deskhand.appstate import App, AppState
from deskhand.audit.refusals import KEY
from deskhand.audit.service import PLATFORM
from deskhand.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from deskhand.kit.db.base import TENANT_ID_LENGTH
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.pauses import service as pauses
from deskhand.pauses.schemas import PauseView
from deskhand.ui import csrf
from deskhand.ui.routing import PageRoute

SESSION_COOKIE = csrf.SESSION_COOKIE

_bearer = HTTPBearer(auto_error=False, scheme_name="apiKey", description="An API key: `dhk_...` or `dhp_...`.")
_cookie = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    scheme_name="consoleSession",
    description="Of the console, after `POST /login`. Behind HTTPS its name begins with `__Host-`.",
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
Cookie = Annotated[str | None, Depends(_cookie)]


async def identify(request: Request, app: App, bearer: Bearer, cookie: Cookie) -> Principal:
    """Who is calling, also with a session that is unfinished: only what finishes it may depend on this alone.

    Raises:
        UnauthenticatedError: No credential, or one that does not hold.
        ForbiddenError: A browser sends the cookie on behalf of another site.
    """
    # Before the cookie: a script that runs in a signed-in browser and sends a key means the key.
    if bearer is not None:
        return await authentication.principal_of_key(app.db, app.refusals, bearer.credentials, now=app.clock())
    # Refused instead of falling back to the cookie: whoever sends the header means to be somebody in particular.
    if "authorization" in request.headers:
        raise UnauthenticatedError("The Authorization header must read: Bearer <API key>.")
    if not cookie:
        raise UnauthenticatedError("Send an API key: Authorization: Bearer dhk_...")
    # For the cookie alone: a browser attaches it to any site's request, and a key only where a program put it.
    csrf.refuse_cross_site(request, app.public_url)
    # htmx and event streams ask by themselves; only what a person did keeps a session from falling idle.
    stream = "text/event-stream" in request.headers.get("accept", "")
    by_itself = request.method == "GET" and (stream or "hx-request" in request.headers)
    return await authentication.principal_of_cookie(app.db, app.secrets, cookie, now=app.clock(), active=not by_itself)


Identified = Annotated[Principal, Depends(identify)]


async def authenticate(request: Request, app: App, principal: Identified) -> Principal:
    """Who is calling, with all that the installation asks for shown.

    Raises:
        SecondFactorNeededError: A person who has not shown the second factor, or has none and must have one.
        ForbiddenError: Somebody who is limited to companies, where more than these would be shown.
    """
    refuse_unfinished(principal, app.sign_in_rules)
    request.state.is_limited = principal.limited_to is not None
    refuse_limited(request, principal)
    # Every page says what is paused, so it is asked where every page's caller is known; a part of a page does not.
    if isinstance(request.scope.get("route"), PageRoute) and "hx-request" not in request.headers:
        request.state.pauses = await _standing_pauses(app, principal)
    return principal


async def _standing_pauses(app: AppState, principal: Principal) -> list[PauseView]:
    if principal.tenant_id is None:
        async with app.db.anonymous_session() as session:
            return await pauses.pause_of_everything(session)
    async with app.db.tenant_session(principal.tenant_id) as session:
        return await pauses.list_pauses(session, tenant_id=principal.tenant_id)


Authenticated = Annotated[Principal, Depends(authenticate)]


PERMISSIONS: dict[Callable[..., object], str] = {authenticate: "anybody"}
"""What each dependency of this module asks of a caller. A route without any is public, and on a list of a test."""


def _require(role: str) -> Callable[[Principal], Awaitable[Principal]]:
    async def guard(principal: Authenticated) -> Principal:
        if not principal.may(role):
            raise ForbiddenError(_refusal(principal, role))
        return principal

    PERMISSIONS[guard] = role
    return guard


def _refusal(principal: Principal, role: str) -> str:
    if principal.tenant_id is None:
        return "A platform key administers tenants; for this, use an API key of the tenant."
    return f"This needs the role {role}; yours is {principal.role}."


Viewer = Annotated[Principal, Depends(_require("viewer"))]
Editor = Annotated[Principal, Depends(_require("editor"))]
Operator = Annotated[Principal, Depends(_require("operator"))]
TenantAdmin = Annotated[Principal, Depends(_require("tenant_admin"))]
PlatformAdmin = Annotated[Principal, Depends(_require("platform_admin"))]


async def caretaker(principal: Authenticated) -> Principal:
    """Allow who keeps things running: operators and administrators of a tenant, for it, and the platform's for all.

    Raises:
        ForbiddenError: The caller's role is not enough.
    """
    if principal.may("operator") or principal.may("platform_admin"):
        return principal
    raise ForbiddenError(_refusal(principal, "operator"))


PERMISSIONS[caretaker] = "caretaker"
Caretaker = Annotated[Principal, Depends(caretaker)]


async def steward(principal: Authenticated) -> Principal:
    """Allow who decides what is used: administrators of a tenant, for it, and the platform's for what tenants share.

    Raises:
        ForbiddenError: The caller's role is not enough.
    """
    if principal.may("tenant_admin") or principal.may("platform_admin"):
        return principal
    raise ForbiddenError(_refusal(principal, "tenant_admin"))


PERMISSIONS[steward] = "steward"
Steward = Annotated[Principal, Depends(steward)]


async def tenant_session(request: Request, app: App, principal: Authenticated) -> AsyncIterator[AsyncSession]:
    """The request's transaction in the caller's tenant; commits before the answer is sent."""
    if principal.tenant_id is None:
        raise ForbiddenError(_refusal(principal, "viewer"))
    limit = principal.limited_to
    # Members see what the tenant has of every client company, unless they are limited; it is runs that work for one.
    companies = EVERY_COMPANY if limit is None else await scope_of_limit(app, principal.tenant_id, limit)
    async with app.db.tenant_session(principal.tenant_id, companies=companies, limited_to=limit) as session:
        await claim_key(request, app, principal, session, principal.tenant_id)
        yield session


async def platform_session(request: Request, app: App, caller: PlatformAdmin) -> AsyncIterator[AsyncSession]:
    """The request's transaction across tenants, for platform administrators alone."""
    async with app.db.platform_session() as session:
        await claim_key(request, app, caller, session, PLATFORM)
        yield session


async def caretaker_session(request: Request, app: App, principal: Caretaker) -> AsyncIterator[AsyncSession]:
    """The request's transaction in the caller's tenant, or across tenants for the platform's administrators."""
    opened = app.db.tenant_session(principal.tenant_id) if principal.tenant_id else app.db.platform_session()
    async with opened as session:
        await claim_key(request, app, principal, session, principal.tenant_id or PLATFORM)
        yield session


async def steward_session(request: Request, app: App, principal: Steward) -> AsyncIterator[AsyncSession]:
    """The request's transaction in the caller's tenant, or the platform's."""
    opened = app.db.tenant_session(principal.tenant_id) if principal.tenant_id else app.db.platform_session()
    async with opened as session:
        await claim_key(request, app, principal, session, principal.tenant_id or PLATFORM)
        yield session


# scope="function" ends the transaction before the answer leaves: nobody is told of a commit that then fails.
TenantSession = Annotated[AsyncSession, Depends(tenant_session, scope="function")]
PlatformSession = Annotated[AsyncSession, Depends(platform_session, scope="function")]
CaretakerSession = Annotated[AsyncSession, Depends(caretaker_session, scope="function")]
StewardSession = Annotated[AsyncSession, Depends(steward_session, scope="function")]

TenantPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=TENANT_ID_LENGTH,
        pattern="^[a-z0-9][a-z0-9-]*$",
        description="The tenant's id.",
        examples=["acme-corp"],
    ),
]


async def administered_tenant(tenant_id: TenantPath, principal: Authenticated, app: App) -> Principal:
    """Allow the tenant's own administrator, and platform administrators.

    Raises:
        NotFoundError: It is another tenant; the answer is the same as for one that does not exist.
        ForbiddenError: The caller's role is not enough.
    """
    if principal.may("platform_admin"):
        return principal
    if principal.tenant_id != tenant_id:
        if principal.kind == "api_key" and principal.tenant_id:
            prefix = principal.actor.partition(":")[2]
            app.refusals.note(KEY, tenant_id=principal.tenant_id, name=prefix, reason="used for another tenant")
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")
    # Told apart only inside one's own tenant: outside, "forbidden" would say that a tenant of that name exists.
    if not principal.may("tenant_admin"):
        raise ForbiddenError(_refusal(principal, "tenant_admin"))
    return principal


Administrator = Annotated[Principal, Depends(administered_tenant)]


async def signed_in_person(principal: Authenticated) -> Principal:
    """Allow whoever signed in as a person, whatever the role.

    Raises:
        ForbiddenError: A key is no person: it has no password and no other tenants.
    """
    return await arriving_person(principal)


async def arriving_person(principal: Identified) -> Principal:
    """Allow a person whose session may be unfinished: for the pages of the second factor, and for nothing else.

    Raises:
        ForbiddenError: As ``signed_in_person``.
    """
    if principal.person is None:
        raise ForbiddenError("This is for people who signed in with an email address; a key has no account.")
    return principal


PERMISSIONS |= {administered_tenant: "administrator", signed_in_person: "person", arriving_person: "arriving person"}


async def operator_there(tenant_id: TenantPath, principal: Authenticated) -> Principal:
    """Allow whoever may operate the tenant of the path, which need not be the one that a person is in now.

    Raises:
        NotFoundError: The caller does not belong to it; the answer is the same as for one that does not exist.
        ForbiddenError: The caller's role there is not enough.
    """
    there = principal_in(principal, tenant_id)
    if there is None and principal.tenant_id is None:
        raise ForbiddenError(_refusal(principal, "operator"))
    if there is None:
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")
    if not there.may("operator"):
        raise ForbiddenError(_refusal(there, "operator"))
    return there


OperatorThere = Annotated[Principal, Depends(operator_there)]


async def session_there(app: App, principal: OperatorThere) -> AsyncIterator[AsyncSession]:
    """The request's transaction in the tenant of the path."""
    assert principal.tenant_id is not None  # the guard found it
    async with app.db.tenant_session(principal.tenant_id) as session:
        yield session


SessionThere = Annotated[AsyncSession, Depends(session_there, scope="function")]

PERMISSIONS |= {operator_there: "operator"}

SignedInPerson = Annotated[Principal, Depends(signed_in_person)]
ArrivingPerson = Annotated[Principal, Depends(arriving_person)]


async def administered_session(
    request: Request, app: App, tenant_id: TenantPath, caller: Administrator
) -> AsyncIterator[AsyncSession]:
    """The request's transaction in the tenant of the path, which the caller was found to administer."""
    async with app.db.tenant_session(tenant_id) as session:
        await claim_key(request, app, caller, session, tenant_id)
        yield session


async def people_session(
    request: Request, app: App, tenant_id: TenantPath, caller: Administrator
) -> AsyncIterator[AsyncSession]:
    """The request's transaction on accounts, which belong to no tenant; the caller administers the path's tenant."""
    async with app.db.platform_session() as session:
        await claim_key(request, app, caller, session, tenant_id)
        yield session


PeopleSession = Annotated[AsyncSession, Depends(people_session, scope="function")]
AdministeredSession = Annotated[AsyncSession, Depends(administered_session, scope="function")]

"""API keys of a tenant, and signing in to the console."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Form, Path, Request, Response, status
from fastapi import Cookie as CookieValue
from fastapi.responses import RedirectResponse
from pydantic import ConfigDict, Field

from deskhand.access import authentication, service
from deskhand.access.cookies import DEVICE_COOKIE, address_of, give_device, give_session, known_device, take_session
from deskhand.access.forms import local_path
from deskhand.access.guards import (
    SESSION_COOKIE,
    AdministeredSession,
    Administrator,
    TenantPath,
)
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.pages import login_page, onward_page
from deskhand.access.people import signing_in
from deskhand.access.schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyResponse, SignInToken
from deskhand.access.sso.signing_in import sign_out_address
from deskhand.appstate import App
from deskhand.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses, public_problem_responses
from deskhand.kit.schema import InputModel, StorableText
from deskhand.ui.csrf import refuse_cross_site
from deskhand.ui.routing import SECOND_FACTOR

router = APIRouter(tags=["access"], route_class=IdempotentRoute)
KEYS = "/api/v1/tenants/{tenant_id}/api-keys"
KeyId = Annotated[UUID, Path(description="The key.")]


@router.post(
    KEYS,
    operation_id="create_api_key",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def create_api_key(
    tenant_id: TenantPath, data: ApiKeyCreate, principal: Administrator, session: AdministeredSession
) -> ApiKeyCreated:
    """Make an API key. The answer is the only time the key is shown."""
    key, plain = await service.create_api_key(session, tenant_id=tenant_id, actor=principal.actor, data=data)
    return ApiKeyCreated(**ApiKeyResponse.model_validate(key).model_dump(), api_key=plain)


@router.get(KEYS, operation_id="list_api_keys", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_api_keys(
    tenant_id: TenantPath,
    session: AdministeredSession,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[ApiKeyResponse]:
    """List the tenant's API keys, newest first, revoked ones included."""
    page = await service.list_api_keys(session, tenant_id=tenant_id, limit=limit, cursor=cursor)
    return Page(items=[ApiKeyResponse.model_validate(key) for key in page.items], next_cursor=page.next_cursor)


@router.delete(
    KEYS + "/{key_id}",
    operation_id="revoke_api_key",
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def revoke_api_key(
    tenant_id: TenantPath,
    key_id: KeyId,
    principal: Administrator,
    session: AdministeredSession,
    app: App,
) -> ApiKeyResponse:
    """Revoke an API key: it stops working at once, and so does all that was made with it.

    These are sign-in tokens, console sessions, also those opened with such a token, and open event streams.
    """
    key = await service.revoke_api_key(
        session, tenant_id=tenant_id, actor=principal.actor, key_id=key_id, now=app.clock()
    )
    return ApiKeyResponse.model_validate(key)


@router.post(
    KEYS + "/{key_id}/rotate",
    operation_id="rotate_api_key",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def rotate_api_key(
    tenant_id: TenantPath, key_id: KeyId, principal: Administrator, session: AdministeredSession, app: App
) -> ApiKeyCreated:
    """Make a key's successor, of the same name, role and end; the old key goes on for a day at most.

    The answer is the only time the new key is shown.
    """
    key, plain = await service.rotate_api_key(
        session, tenant_id=tenant_id, actor=principal.actor, key_id=key_id, now=app.clock()
    )
    return ApiKeyCreated(**ApiKeyResponse.model_validate(key).model_dump(), api_key=plain)


@router.post(
    "/api/v1/tenants/{tenant_id}/sign-in-tokens",
    operation_id="create_sign_in_token",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def create_sign_in_token(
    tenant_id: TenantPath, principal: Administrator, session: AdministeredSession, app: App
) -> SignInToken:
    """Make a token that signs one person in to the console as the tenant's administrator, once."""
    token, expires_at = await service.create_sign_in_token(
        session,
        tenant_id=tenant_id,
        actor=principal.actor,
        role="tenant_admin",
        now=app.clock(),
        origin=principal.origin,
    )
    return SignInToken(token=token, url=f"{app.public_url}/login?token={token}", expires_at=expires_at)


class Credentials(InputModel):
    """What a person signs in with: an email address and a password, or an API key, or a sign-in token."""

    model_config = ConfigDict(extra="ignore")  # a browser's form may bring fields of its own

    email: StorableText = Field("", max_length=254, description="An email address, with")
    password: StorableText = Field("", max_length=1000, description="its password; or")
    api_key: StorableText = Field("", max_length=500, description="an API key; or")
    token: StorableText = Field("", max_length=500, description="a sign-in token.")
    next_path: str = Field("/", alias="next", max_length=2000, description="Page to go on to.")

    @property
    def account(self) -> str:
        """The account's address, in the one form that counts."""
        return self.email.strip().lower()


@router.post(
    "/login",
    operation_id="sign_in",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=public_problem_responses(UnauthenticatedError, ForbiddenError, InvalidInputError, RateLimitedError),
)
async def sign_in(
    request: Request,
    app: App,
    form: Annotated[Credentials, Form()],
    device: Annotated[str | None, CookieValue(alias=DEVICE_COOKIE, include_in_schema=False)] = None,
) -> Response:
    """Exchange a password, an API key or a sign-in token for the console's session cookie."""
    refuse_cross_site(request, app.public_url)
    answer = RedirectResponse(local_path(form.next_path), status_code=status.HTTP_303_SEE_OTHER)
    try:
        if form.account:
            answer = await _with_password(request, app, form, device)
        else:
            credential = (form.token or form.api_key).strip()
            give_session(answer, app, await authentication.sign_in(app, credential))
    except (UnauthenticatedError, RateLimitedError) as err:
        # A script gets the problem document; a person gets the form again with what went wrong.
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return await login_page(
            request,
            app,
            next_path=form.next_path,
            problem=err.detail,
            status_code=err.status,
            with_key=not form.account,
            email=form.email,
        )
    if cookie := request.cookies.get(SESSION_COOKIE):  # the session that was open in this browser ends
        await authentication.sign_out(app.db, app.secrets, cookie, now=app.clock())
    return answer


async def _with_password(request: Request, app: App, form: Credentials, device: str | None) -> RedirectResponse:
    known_as = known_device(app.secrets, device, email=form.account)
    signed_in = await signing_in.sign_in(
        app, email=form.account, password=form.password, address=address_of(request), device=known_as
    )
    target = local_path(form.next_path)
    if not signed_in.is_finished:
        target = f"{SECOND_FACTOR}?next={quote(target, safe='/')}"
    answer = RedirectResponse(target, status_code=status.HTTP_303_SEE_OTHER)
    give_session(answer, app, signed_in.cookie)
    if signed_in.is_finished:  # a known browser counts failures for itself, so who has the password alone stays unknown
        give_device(answer, app, email=form.account, device=known_as)
    return answer


@router.post(
    "/logout",
    operation_id="sign_out",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=public_problem_responses(ForbiddenError),
)
async def sign_out(request: Request, app: App) -> Response:
    """End the console session, if there is one; one that an identity provider opened is ended there, too."""
    refuse_cross_site(request, app.public_url)
    proof = await authentication.sign_out(app.db, app.secrets, request.cookies.get(SESSION_COOKIE, ""), now=app.clock())
    elsewhere = await sign_out_address(app, proof)
    answer: Response = RedirectResponse("/login", status_code=status.HTTP_303_SEE_OTHER)
    if elsewhere is not None:
        answer = onward_page(request, elsewhere)
    take_session(answer, app)
    return answer

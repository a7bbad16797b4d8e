"""The people of a tenant, through the API."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response, status
from fastapi.responses import JSONResponse

from deskhand.access.guards import Administrator, PeopleSession, TenantPath
from deskhand.access.idempotency import IdempotentRoute
from deskhand.access.people import administration
from deskhand.access.people.invitations import service as invitations
from deskhand.access.people.invitations.repository import Pending
from deskhand.access.people.links import Link
from deskhand.access.people.repository import Member
from deskhand.access.people.schemas import (
    InvitationMade,
    InvitationResponse,
    PasswordLinkResponse,
    PersonChange,
    PersonInvite,
    PersonInvited,
    PersonResponse,
)
from deskhand.appstate import App
from deskhand.errors import ConflictError, InvalidInputError, NotFoundError
from deskhand.kit.page import Page, PageCursor, PageLimit
from deskhand.kit.problem import problem_responses

router = APIRouter(tags=["people"], route_class=IdempotentRoute)

PersonId = Annotated[UUID, Path(description="The person.")]
PEOPLE = "/api/v1/tenants/{tenant_id}/people"
INVITATIONS = "/api/v1/tenants/{tenant_id}/invitations"
PERSON = PEOPLE + "/{person_id}"


@router.get(PEOPLE, operation_id="list_people", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_people(
    tenant_id: TenantPath,
    _caller: Administrator,
    session: PeopleSession,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[PersonResponse]:
    """List the people who may enter the tenant, in the order of their addresses."""
    page = await administration.list_people(session, tenant_id=tenant_id, limit=limit, cursor=cursor)
    return Page(items=[PersonResponse(**facts(one)) for one in page.items], next_cursor=page.next_cursor)


@router.post(
    PEOPLE,
    operation_id="invite_person",
    status_code=status.HTTP_201_CREATED,
    response_model=PersonInvited,
    responses={
        **problem_responses(NotFoundError, ConflictError, InvalidInputError),
        202: {"model": InvitationMade, "description": "Asked"},
    },
)
async def invite_person(
    tenant_id: TenantPath,
    data: PersonInvite,
    principal: Administrator,
    session: PeopleSession,
    app: App,
) -> PersonInvited | Response:
    """Let a person into the tenant; hand the answer's link over, which sets the new account's password.

    Somebody who has an account in use is asked instead (202): the link leads to the page on which the person, signed
    in, says yes. Until then there is no membership.
    """
    invited = await administration.invite(
        session,
        tenant_id=tenant_id,
        data=data,
        actor=principal.actor,
        by_platform=principal.may("platform_admin"),
        now=app.clock(),
    )
    link = link_response(app, invited.link)
    if invited.invitation is not None:
        asked = InvitationMade(**invitation_facts(Pending(invited.invitation, invited.email)), link=link)
        return JSONResponse(asked.model_dump(mode="json"), status.HTTP_202_ACCEPTED)
    assert invited.member is not None  # one of the two
    return PersonInvited(**facts(invited.member), link=link)


@router.patch(
    PERSON,
    operation_id="change_person",
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def change_person(
    tenant_id: TenantPath,
    person_id: PersonId,
    data: PersonChange,
    principal: Administrator,
    session: PeopleSession,
) -> PersonResponse:
    """Give a person another role or limit in the tenant; it counts from the person's next request on."""
    one = await administration.change_person(
        session, tenant_id=tenant_id, user_id=person_id, data=data, principal=principal
    )
    return PersonResponse(**facts(one))


@router.delete(
    PERSON,
    operation_id="remove_person",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def remove_person(
    tenant_id: TenantPath, person_id: PersonId, principal: Administrator, session: PeopleSession, app: App
) -> Response:
    """Take a person out of the tenant; what the person has open there ends at once."""
    await administration.remove(session, tenant_id=tenant_id, user_id=person_id, principal=principal, now=app.clock())
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.post(
    PERSON + "/password-links",
    operation_id="create_password_link",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def create_password_link(
    tenant_id: TenantPath, person_id: PersonId, principal: Administrator, session: PeopleSession, app: App
) -> PasswordLinkResponse:
    """Make a link with which the person sets a new password, once, within a day.

    For a person who belongs to other tenants too, only a platform administrator may.
    """
    link = await administration.password_link(
        session, tenant_id=tenant_id, user_id=person_id, principal=principal, now=app.clock()
    )
    return link_response(app, link)


@router.delete(
    PERSON + "/second-factor",
    operation_id="reset_second_factor",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problem_responses(NotFoundError, ConflictError, InvalidInputError),
)
async def reset_second_factor(
    tenant_id: TenantPath, person_id: PersonId, principal: Administrator, session: PeopleSession, app: App
) -> Response:
    """Take away the authenticator app and recovery codes of a person who has lost them; the person's sessions end.

    For a person who belongs to other tenants too, only a platform administrator may.
    """
    await administration.reset_second_factor(
        session, tenant_id=tenant_id, user_id=person_id, principal=principal, now=app.clock()
    )
    return Response(status_code=status.HTTP_204_NO_CONTENT)


@router.get(INVITATIONS, operation_id="list_invitations", responses=problem_responses(NotFoundError, InvalidInputError))
async def list_invitations(
    tenant_id: TenantPath,
    _caller: Administrator,
    session: PeopleSession,
    app: App,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[InvitationResponse]:
    """List who was asked into the tenant and has not answered, in the order of their addresses."""
    page = await invitations.pending(session, tenant_id=tenant_id, now=app.clock(), limit=limit, cursor=cursor)
    return Page(items=[InvitationResponse(**invitation_facts(one)) for one in page.items], next_cursor=page.next_cursor)


@router.delete(
    INVITATIONS + "/{invitation_id}",
    operation_id="withdraw_invitation",
    status_code=status.HTTP_204_NO_CONTENT,
    response_class=Response,
    responses=problem_responses(NotFoundError, InvalidInputError),
)
async def withdraw_invitation(
    tenant_id: TenantPath,
    invitation_id: Annotated[UUID, Path(description="The invitation.")],
    principal: Administrator,
    session: PeopleSession,
) -> Response:
    """Withdraw an invitation; its link works no more."""
    await invitations.withdraw(session, tenant_id=tenant_id, invitation_id=invitation_id, principal=principal)
    return Response(status_code=status.HTTP_204_NO_CONTENT)


def link_response(app: App, link: Link) -> PasswordLinkResponse:
    """A link as it is shown, once."""
    return PasswordLinkResponse(url=link.url(app.public_url), expires_at=link.expires_at)


def invitation_facts(one: Pending) -> dict[str, object]:
    """What is shown of an invitation: of the account no more than the inviter typed."""
    invitation = one.invitation
    return {
        "id": invitation.id,
        "email": one.email,
        "role": invitation.role,
        "companies": invitation.companies,
        "created_at": invitation.created_at,
        "created_by": invitation.created_by,
        "expires_at": invitation.expires_at,
    }


def facts(one: Member) -> dict[str, object]:
    """What is shown of a member."""
    return {
        "id": one.user.id,
        "email": one.user.email,
        "name": one.user.name,
        "role": one.membership.role,
        "companies": one.membership.companies,
        "is_active": one.user.is_active,
        "has_password": one.user.password_hash is not None,
        "has_second_factor": one.has_second_factor,
        "member_since": one.membership.created_at,
        "last_sign_in_at": one.user.last_sign_in_at,
    }

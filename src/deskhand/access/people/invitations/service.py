"""An account that exists is asked into a tenant, and its person says yes or nothing.

Two people must agree: who has the link, which the tenant's administrator hands over, and who is signed in to the
account. So neither lets oneself in: the administrator of another tenant who made the account and knows its password has
no link, and who has the link has no session. A password that a tenant's link has set opens that tenant alone; whoever
joins another one with it chooses a password that is the person's own (docs/adr/0028-invitations-are-accepted.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.authentication import cookie_of_person
from deskhand.access.models import Invitation, User
from deskhand.access.people import events
from deskhand.access.people import repository as people
from deskhand.access.people.confirmation import confirm_password
from deskhand.access.people.factor import repository as factors
from deskhand.access.people.invitations import repository
from deskhand.access.people.invitations.repository import Pending
from deskhand.access.people.signing_in import replace_password
from deskhand.access.principal import Person, Principal
from deskhand.access.sessions import Proof, actor_of
from deskhand.appstate import AppState
from deskhand.audit import service as audit
from deskhand.errors import (
    ConflictError,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnauthenticatedError,
)
from deskhand.kit.crypto import key_digest, new_api_key
from deskhand.kit.page import Page
from deskhand.kit.passwords import ensure_good_password

LIFETIME = timedelta(days=7)
"""Longer than a link that sets a password lives: without the account's session this one opens nothing."""
JOIN = "dhj"
_MAX_LINK = 200


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation would give, as its person reads it before saying yes."""

    tenant_id: str
    tenant_name: str
    role: str
    invited_by: str
    needs_own_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the page of an invitation is sent with."""

    token: str
    current: str
    password: str


# -- the tenant that invites ------------------------------------------------------------------------------------------


async def make(
    session: AsyncSession,
    *,
    tenant_id: str,
    user: User,
    role: str,
    companies: list[str] | None,
    actor: str,
    now: datetime,
) -> tuple[Invitation, str]:
    """Ask an account that exists into a tenant; an invitation of before is void.

    Returns:
        The invitation, and its link's secret, known at this moment alone.
    """
    token = new_api_key(JOIN)
    invitation = Invitation(
        tenant_id=tenant_id,
        user_id=user.id,
        role=role,
        companies=companies,
        secret_hash=key_digest(token),
        created_at=now,
        created_by=actor[:255],
        expires_at=now + LIFETIME,
    )
    await repository.put(session, invitation)
    return invitation, token


async def pending(
    session: AsyncSession, *, tenant_id: str, now: datetime, limit: int = 50, cursor: str | None = None
) -> Page[Pending]:
    """Who was asked into a tenant and has not answered, in the order of their addresses.

    Raises:
        NotFoundError: There is no such tenant.
    """
    if not await people.tenant_exists(session, tenant_id):
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")
    return await repository.pending(session, tenant_id, now=now, limit=limit, cursor=cursor)


async def withdraw(session: AsyncSession, *, tenant_id: str, invitation_id: UUID, principal: Principal) -> None:
    """Let an invitation's link work no more.

    Raises:
        NotFoundError: It was answered or withdrawn, or is another tenant's.
    """
    invitation = await repository.take_back(session, tenant_id, invitation_id)
    if invitation is None:
        raise NotFoundError(f"There is no invitation {invitation_id} in this tenant.")
    await _record(session, invitation, "person.invite_withdraw", principal.actor, before={"role": invitation.role})


async def end_those_of(session: AsyncSession, *, tenant_id: str, inviter: User) -> None:
    """Let nobody join whom somebody invited that may not invite any more."""
    await repository.take_back_by(session, tenant_id, actor_of(inviter.email))


# -- the person who is invited ----------------------------------------------------------------------------------------


async def offer_behind(app: AppState, principal: Principal, token: str) -> Offer:
    """What a link would give to whom is signed in.

    Raises:
        NotFoundError: It was used or withdrawn, is too old, or is for another account: one answer for all of them.
        ForbiddenError: The session's word is a tenant's provider's, and reaches that tenant alone.
    """
    person = _person(principal)
    async with app.db.platform_session() as session:
        user, invitation = await _asked(session, person, token, now=app.clock())
        await _refuse_word_of_a_tenant(session, principal)
        name = await repository.tenant_name(session, invitation.tenant_id)
        return Offer(
            tenant_id=invitation.tenant_id,
            tenant_name=name,
            role=invitation.role,
            invited_by=invitation.created_by,
            needs_own_password=_needs_own_password(person, user),
        )


async def accept(app: AppState, principal: Principal, answer: Answer, *, address: str) -> str:
    """Begin the membership.

    Args:
        app: The process's shared objects.
        principal: Who says yes.
        answer: The link's secret and, where the present password is a tenant's word, the present and a new one.
        address: Where the request comes from.

    Returns:
        The cookie of a new session in the tenant.

    Raises:
        NotFoundError, ForbiddenError: As ``offer_behind``.
        InvalidInputError: The present password is wrong, or the new one is not good.
        ConflictError: The person is in the tenant already, or the password was changed meanwhile.
    """
    person = _person(principal)
    offer = await offer_behind(app, principal, answer.token)
    stored = hashed = None
    if offer.needs_own_password:
        if answer.password == answer.current:
            _refuse_same()
        ensure_good_password(answer.password, about=(person.email, person.name))
        stored = await confirm_password(app, person, answer.current, address=address, pointer="/current")
        hashed = await app.passwords.hash(answer.password)
    now = app.clock()
    async with app.db.platform_session() as session:
        # Looked up again under a lock: hashing takes long enough for a withdrawal, or for a link of an administrator's.
        user, invitation = await _asked(session, person, answer.token, now=now)
        if _needs_own_password(person, user) and (hashed is None or user.password_hash != stored):
            raise ConflictError("Your password was changed meanwhile. Open the invitation again.")
        proof = await sessions.end_session(session, principal.digest, now=now)
        if proof is None:
            raise UnauthenticatedError(sessions.ENDED)
        earlier = await people.tenants_of(session, user.id)
        await _begin(session, user, invitation)
        has_lost_factor = False
        if hashed is not None:
            await replace_password(session, user, hashed, vouched_in=None, now=now)
            proof = Proof()
            # Who knew the password may have set the app up, or copied what it computes its codes from.
            has_lost_factor = await factors.remove_factor(session, user.id)
        changed_in = earlier if hashed is not None else []
        await _put_on_record(session, user, invitation, changed_in, has_lost_factor=has_lost_factor)
        digest = await sessions.open_session(
            session, user_id=user.id, tenant_id=invitation.tenant_id, now=now, proof=proof
        )
    return cookie_of_person(app.secrets, digest)


async def _begin(session: AsyncSession, user: User, invitation: Invitation) -> None:
    added = await people.add_membership(
        session,
        tenant_id=invitation.tenant_id,
        user_id=user.id,
        role=invitation.role,
        companies=invitation.companies,
    )
    if not added:
        raise ConflictError("You are in this tenant already; its administrator can change your role.")
    await repository.use_up(session, invitation)


async def _put_on_record(
    session: AsyncSession, user: User, invitation: Invitation, earlier: Sequence[str], *, has_lost_factor: bool
) -> None:
    """The joining in the tenant's log; in those of earlier, that the password is another one."""
    # In one order, as everywhere: each log is locked in turn.
    for tenant_id in sorted({*earlier, invitation.tenant_id}):
        if tenant_id != invitation.tenant_id:
            await events.record(
                session, user, "person.password_change", tenants=[tenant_id], without_second_factor=has_lost_factor
            )
            continue
        by = invitation.created_by
        await _record(
            session, invitation, "person.join", actor_of(user.email), after={"role": invitation.role}, invited_by=by
        )


async def _asked(session: AsyncSession, person: Person, token: str, *, now: datetime) -> tuple[User, Invitation]:
    """The person's account, locked, and the invitation that the link is of."""
    user = await people.lock_user(session, person.user_id)
    digest = key_digest(token[:_MAX_LINK])
    invitation = await repository.behind_link(session, digest, person.user_id, now=now)
    if user is None or not user.is_active or invitation is None:
        raise NotFoundError(
            f"There is no invitation for {person.email} behind this link. It was used or withdrawn, is older than"
            f" {LIFETIME.days} days, or is for another account. Ask who sent it for a new one."
        )
    return user, invitation


async def _refuse_word_of_a_tenant(session: AsyncSession, principal: Principal) -> None:
    tenant_id = await repository.tenant_that_vouched(session, principal.digest)
    # Who runs that provider can sign in as anybody it knows, and would say yes in another's name.
    if tenant_id is not None:
        raise ForbiddenError(
            f"You signed in with the identity provider of {tenant_id}, whose word counts in {tenant_id} alone. Sign in"
            " with your password to accept; an administrator makes a link that sets one."
        )


def _needs_own_password(person: Person, user: User) -> bool:
    # Who came with the installation's provider did not use the password, which goes on opening its one tenant.
    return person.method == "password" and user.password_vouched_in is not None


def _refuse_same() -> None:
    problem = "is your present password; choose another one"
    raise InvalidInputError(f"This {problem}.", errors=[FieldProblem(pointer="/password", detail=problem)])


def _person(principal: Principal) -> Person:
    assert principal.person is not None, "the guard let in somebody who is no person"
    return principal.person


async def _record(
    session: AsyncSession,
    invitation: Invitation,
    operation: str,
    actor: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
    **details: object,
) -> None:
    await audit.record(
        session,
        tenant_id=invitation.tenant_id,
        actor=actor,
        operation=operation,
        resource_type="person",
        resource_id=invitation.user_id,
        before=before,
        after=after,
        details=details,
    )

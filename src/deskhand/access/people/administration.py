"""Accounts and memberships: who is let in, as what, and who is not any more.

An account may belong to several tenants, so whoever could set its password could enter all of them. A tenant's
administrator therefore makes links for people of that tenant alone, and the password that such a link sets opens that
tenant alone; for others a platform administrator makes them, at the command line or through the API. Somebody who has
an account elsewhere is asked, and joins by saying yes (``people.invitations``).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.limits import known_limit
from deskhand.access.models import PasswordLink, User
from deskhand.access.people import events, repository
from deskhand.access.people.factor import repository as factors
from deskhand.access.people.invitations import service as invitations
from deskhand.access.people.links import LINK, LINK_LIFETIME, Invited, Link
from deskhand.access.people.repository import Member
from deskhand.access.people.schemas import PersonChange, PersonInvite
from deskhand.access.principal import Principal
from deskhand.audit import service as audit
from deskhand.errors import ConflictError, ForbiddenError, NotFoundError
from deskhand.kit.crypto import key_digest, new_api_key
from deskhand.kit.page import Page

FIRST_ADMINISTRATOR = "admin@localhost"


async def list_people(
    session: AsyncSession, *, tenant_id: str, limit: int = 50, cursor: str | None = None
) -> Page[Member]:
    """The people of a tenant, in the order of their addresses.

    Raises:
        NotFoundError: There is no such tenant.
    """
    await _ensure_tenant(session, tenant_id)
    return await repository.members(session, tenant_id, limit=limit, cursor=cursor)


async def get_person(session: AsyncSession, *, tenant_id: str, user_id: UUID) -> Member:
    """One person of a tenant.

    Raises:
        NotFoundError: Nobody of this tenant.
    """
    return await _member(session, tenant_id, user_id)


async def invite(
    session: AsyncSession, *, tenant_id: str, data: PersonInvite, actor: str, by_platform: bool, now: datetime
) -> Invited:
    """Let a person into a tenant, or ask one who has an account that opens something already.

    Args:
        session: A platform session.
        tenant_id: Which tenant.
        data: Who, and as what.
        actor: Who lets the person in.
        by_platform: Whether that is the platform's administrator, and not the tenant's.
        now: Current time.

    Returns:
        The member, and the link that sets a password; or the invitation, and the link that accepts it.

    Raises:
        NotFoundError: There is no such tenant.
        ConflictError: The person is in the tenant.
        InvalidInputError: No desk of the tenant has named a company that the person is to be limited to.
    """
    await _ensure_tenant(session, tenant_id)
    companies = await known_limit(session, tenant_id, data.companies)
    given = _given(data.role, companies)
    # Inserted blindly: a look beforehand could be overtaken by another administrator's invitation.
    is_new = await repository.add_user(session, email=data.email, name=data.name, is_platform_admin=False)
    # Locked, so that of two tenants that find an account in no tenant one is the second.
    user = await repository.lock_user(session, (await _account(session, data.email)).id)
    assert user is not None
    tenants = await repository.tenants_of(session, user.id)
    if tenant_id in tenants:
        raise ConflictError(f"{user.email} is in this tenant already; change the role instead.")
    if tenants or user.is_platform_admin:
        invitation, token = await invitations.make(
            session, tenant_id=tenant_id, user=user, role=data.role, companies=companies, actor=actor, now=now
        )
        link = Link(token, invitation.expires_at, page="/join")
        await _record(session, tenant_id, actor, "person.invite", user, after={**given, "accepted": False})
        return Invited(link, user.email, invitation=invitation)
    if not is_new:
        await _begin_anew(session, user, now=now)
    await repository.add_membership(session, tenant_id=tenant_id, user_id=user.id, role=data.role, companies=companies)
    link = await _make_link(session, user, vouched_in=None if by_platform else tenant_id, actor=actor, now=now)
    await _record(session, tenant_id, actor, "person.invite", user, after=given)
    return Invited(link, user.email, member=await _member(session, tenant_id, user.id))


async def _begin_anew(session: AsyncSession, user: User, *, now: datetime) -> None:
    """Of an account that opens nothing any more, let nothing count that somebody may know of before."""
    user.password_hash = user.password_set_at = user.password_vouched_in = None
    await factors.remove_factor(session, user.id)
    await sessions.end_sessions_of(session, user.id, now=now)


async def change_person(
    session: AsyncSession, *, tenant_id: str, user_id: UUID, data: PersonChange, principal: Principal
) -> Member:
    """Give a person another role or limit; it counts from the person's next request on.

    Args:
        session: A platform session.
        tenant_id: Where.
        user_id: Who.
        data: What changes; what it does not name stays.
        principal: The caller.

    Raises:
        NotFoundError: Nobody of this tenant.
        ConflictError: It is the caller.
        InvalidInputError: No desk of the tenant has named a company that the person is to be limited to.
    """
    one = await _member(session, tenant_id, user_id)
    _refuse_oneself(principal, user_id, "change your own role")
    held = one.membership
    before = _given(held.role, held.companies)
    held.role = data.role or held.role
    if "companies" in data.model_fields_set:
        held.companies = await known_limit(session, tenant_id, data.companies)
    await session.flush()
    if held.role != "tenant_admin" or held.companies is not None:
        await invitations.end_those_of(session, tenant_id=tenant_id, inviter=one.user)
    after = _given(held.role, held.companies)
    await _record(session, tenant_id, principal.actor, "person.role", one.user, before=before, after=after)
    return one


def _given(role: str, companies: list[str] | None) -> dict[str, object]:
    return {"role": role} if companies is None else {"role": role, "companies": companies}


async def remove(session: AsyncSession, *, tenant_id: str, user_id: UUID, principal: Principal, now: datetime) -> None:
    """Take a person out of a tenant; the sessions there end.

    Raises:
        NotFoundError: Nobody of this tenant.
        ConflictError: It is the caller.
    """
    one = await _member(session, tenant_id, user_id)
    _refuse_oneself(principal, user_id, "remove yourself")
    await repository.remove_membership(session, tenant_id, user_id)
    await invitations.end_those_of(session, tenant_id=tenant_id, inviter=one.user)
    await sessions.end_sessions_of(session, user_id, now=now, tenant_id=tenant_id)
    await _record(session, tenant_id, principal.actor, "person.remove", one.user, before={"role": one.membership.role})


async def password_link(
    session: AsyncSession, *, tenant_id: str, user_id: UUID, principal: Principal, now: datetime
) -> Link:
    """Make a link with which a person sets a new password, once, within a day. Links made before are void.

    Raises:
        NotFoundError: Nobody of this tenant.
        ForbiddenError: The person's account reaches beyond this tenant, and the caller does not.
    """
    one = await _member(session, tenant_id, user_id)
    await _refuse_beyond(session, one, principal, "set a new password (`deskhand user reset`)")
    vouched_in = None if principal.may("platform_admin") else tenant_id
    link = await _make_link(session, one.user, vouched_in=vouched_in, actor=principal.actor, now=now)
    await _record(session, tenant_id, principal.actor, "person.password_link", one.user)
    return link


async def reset_second_factor(
    session: AsyncSession, *, tenant_id: str, user_id: UUID, principal: Principal, now: datetime
) -> None:
    """Take a person's authenticator app and recovery codes away, who has lost them; the person's sessions end.

    Raises:
        NotFoundError: Nobody of this tenant.
        ForbiddenError: The person's account reaches beyond this tenant, and the caller does not.
        ConflictError: The person has none, or is the caller, whose own page asks for the password.
    """
    one = await _member(session, tenant_id, user_id)
    _refuse_oneself(principal, user_id, "reset your own second factor")
    await _refuse_beyond(session, one, principal, "reset the second factor (`deskhand user reset-second-factor`)")
    await _reset_second_factor(session, one.user, actor=principal.actor, now=now)


async def reset_second_factor_of(session: AsyncSession, *, email: str, actor: str, now: datetime) -> None:
    """As ``reset_second_factor``, of any account; for the command line."""
    await _reset_second_factor(session, await _account(session, email), actor=actor, now=now)


async def _reset_second_factor(session: AsyncSession, user: User, *, actor: str, now: datetime) -> None:
    if not await factors.remove_factor(session, user.id):
        raise ConflictError(f"{user.email} has no second factor.")
    # Whoever found the phone may have signed in with it.
    await sessions.end_sessions_of(session, user.id, now=now)
    await events.record(session, user, "person.second_factor_reset", actor=actor, email=user.email)


async def mark_break_glass(
    session: AsyncSession, *, email: str, is_break_glass: bool, actor: str, now: datetime
) -> Link | None:
    """Make an account the one for the day on which the identity provider is down, or an ordinary one again.

    Args:
        session: A platform session.
        email: Whose account; a platform administrator's, made if there is none.
        is_break_glass: Which of the two.
        actor: Who does it.
        now: Current time.

    Returns:
        The link that sets the password of an account that was made here or has none.

    Raises:
        ConflictError: The account is no platform administrator's.
        NotFoundError: There is no such account to make an ordinary one.
    """
    if is_break_glass:
        await repository.add_user(session, email=email, name="Break glass", is_platform_admin=True)
    user = await _account(session, email)
    if not user.is_platform_admin:
        raise ConflictError(
            f"{user.email} is no platform administrator. Take an address of its own, which nobody uses from day to day."
        )
    user.is_break_glass = is_break_glass
    # What is open was opened under other rules.
    await sessions.end_sessions_of(session, user.id, now=now)
    operation = "person.break_glass" if is_break_glass else "person.break_glass_undo"
    await events.record(session, user, operation, actor=actor, email=user.email)
    return (
        None if _has_own_password(user) or not is_break_glass else await _make_link(session, user, actor=actor, now=now)
    )


async def usable_break_glass_accounts(session: AsyncSession) -> tuple[list[str], list[str]]:
    """Break-glass accounts that open at once, and those that still lack a password or a second factor."""
    ready: list[str] = []
    lacking: list[str] = []
    for user in await repository.break_glass_users(session):
        usable = _has_own_password(user) and await factors.factor_of(session, user.id) is not None
        (ready if usable else lacking).append(user.email)
    return ready, lacking


async def create_account(
    session: AsyncSession, *, email: str, name: str | None, is_platform_admin: bool, actor: str, now: datetime
) -> Link:
    """Make an account that belongs to no tenant yet; for the command line.

    Raises:
        ConflictError: The address has an account.
    """
    if not await repository.add_user(session, email=email, name=name, is_platform_admin=is_platform_admin):
        raise ConflictError(f"{email} has an account already.")
    user = await _account(session, email)
    await _record(session, audit.PLATFORM, actor, "person.create", user, after={"is_platform_admin": is_platform_admin})
    return await _make_link(session, user, actor=actor, now=now)


async def reset_account(session: AsyncSession, *, email: str, actor: str, now: datetime) -> Link:
    """Make a link that sets a new password of any account; for the command line.

    Raises:
        NotFoundError: No such account.
    """
    user = await _account(session, email)
    link = await _make_link(session, user, actor=actor, now=now)
    await events.record(session, user, "person.password_link", actor=actor, email=user.email)
    return link


async def set_account_active(session: AsyncSession, *, email: str, is_active: bool, actor: str, now: datetime) -> None:
    """Disable or enable an account; disabling ends its sessions, its links and what it made. For the command line.

    Raises:
        NotFoundError: No such account.
    """
    user = await _account(session, email)
    before: dict[str, object] = {"is_active": user.is_active}
    user.is_active = is_active
    if not is_active:
        await sessions.end_sessions_of(session, user.id, now=now)
        # A link that is still good would set a password, and so outlive the disabling.
        await repository.void_links(session, user.id, now=now)
    operation = "person.enable" if is_active else "person.disable"
    after = {"is_active": is_active}
    await events.record(session, user, operation, actor=actor, email=user.email, before=before, after=after)


async def list_accounts(session: AsyncSession) -> list[tuple[User, list[str]]]:
    """Every account, with its roles as ``tenant: role``; for the command line."""
    return list(await repository.all_users(session))


async def first_administrator(session: AsyncSession, *, actor: str, now: datetime) -> Link | None:
    """Make the installation's first account, or a new link for one that nobody has used yet.

    Returns:
        The link that sets its password; None once somebody has an account.
    """
    if not await repository.any_user(session):
        await repository.add_user(session, email=FIRST_ADMINISTRATOR, name="Administrator", is_platform_admin=True)
    user = await repository.user_by_email(session, FIRST_ADMINISTRATOR)
    # Somebody has set the password, or closed the account: a new link would be a way in for whoever reads the log.
    if user is None or user.password_hash is not None or not user.is_active:
        return None
    await _record(session, audit.PLATFORM, actor, "person.password_link", user)
    return await _make_link(session, user, actor=actor, now=now)


def _has_own_password(user: User) -> bool:
    """Whether the account has a password that opens all of it."""
    return user.password_hash is not None and user.password_vouched_in is None


async def _make_link(
    session: AsyncSession, user: User, *, actor: str, now: datetime, vouched_in: str | None = None
) -> Link:
    token = new_api_key(LINK)
    expires_at = now + LINK_LIFETIME
    await repository.add_link(
        session,
        PasswordLink(
            user_id=user.id,
            secret_hash=key_digest(token),
            created_at=now,
            created_by=actor[:255],
            expires_at=expires_at,
            vouched_in=vouched_in,
        ),
    )
    return Link(token, expires_at)


async def _account(session: AsyncSession, email: str) -> User:
    user = await repository.user_by_email(session, email)
    if user is None:
        raise NotFoundError(f"There is no account {email}; `deskhand user list` shows those there are.")
    return user


async def _member(session: AsyncSession, tenant_id: str, user_id: UUID) -> Member:
    one = await repository.member(session, tenant_id, user_id)
    if one is None:
        raise NotFoundError(f"There is no person {user_id} in this tenant.")
    return one


async def _ensure_tenant(session: AsyncSession, tenant_id: str) -> None:
    if not await repository.tenant_exists(session, tenant_id):
        raise NotFoundError(f"There is no tenant '{tenant_id}'.")


async def _refuse_beyond(session: AsyncSession, one: Member, principal: Principal, what: str) -> None:
    """Whoever could do this to a technician of many customers could sign in to the others."""
    tenants = await repository.tenants_of(session, one.user.id)
    if (one.user.is_platform_admin or tenants != [one.membership.tenant_id]) and not principal.may("platform_admin"):
        raise ForbiddenError(
            f"{one.user.email} works outside this tenant too, so only a platform administrator may {what}."
        )


def _refuse_oneself(principal: Principal, user_id: UUID, what: str) -> None:
    """So that a tenant does not lose its last administrator by a slip."""
    if principal.person is not None and principal.person.user_id == user_id:
        raise ConflictError(f"You cannot {what}; ask another administrator.")


async def _record(
    session: AsyncSession,
    tenant_id: str,
    actor: str,
    operation: str,
    user: User,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation=operation,
        resource_type="person",
        resource_id=user.id,
        before=before,
        after=after,
        details={"email": user.email},
    )

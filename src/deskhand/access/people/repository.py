"""Queries of accounts, memberships and links. All of them need a platform session: accounts belong to no tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import Invitation, Membership, PasswordLink, SecondFactor, User, UserSession
from deskhand.kit.page import Page, cut_page, decode_cursor

_HAS_SECOND_FACTOR = exists().where(SecondFactor.user_id == User.id)


@dataclass(frozen=True, slots=True)
class Member:
    """A person as a member of one tenant."""

    user: User
    membership: Membership
    has_second_factor: bool


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """An account by its address, in whatever case."""
    return (await session.execute(select(User).where(func.lower(User.email) == email.lower()))).scalar_one_or_none()


async def lock_user(session: AsyncSession, user_id: UUID) -> User | None:
    """An account, read anew and locked for a change."""
    # populate_existing: the session may hold the row as it was before somebody else changed it.
    query = select(User).where(User.id == user_id).with_for_update().execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one_or_none()


async def add_user(session: AsyncSession, *, email: str, name: str | None, is_platform_admin: bool) -> bool:
    """Make an account; False if the address has one."""
    statement = (
        insert(User)
        .values(email=email, name=name, is_platform_admin=is_platform_admin)
        # Two administrators may invite one address at once: the second learns that the account is there, where an error
        # of PostgreSQL's would end its transaction.
        .on_conflict_do_nothing()
        .returning(User.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def any_user(session: AsyncSession) -> bool:
    """Whether there is any account."""
    return bool(await session.scalar(select(exists().select_from(User))))


async def break_glass_users(session: AsyncSession) -> Sequence[User]:
    """Active break-glass accounts, in the order of their addresses."""
    query = select(User).where(User.is_break_glass, User.is_active).order_by(func.lower(User.email))
    return (await session.execute(query)).scalars().all()


async def all_users(session: AsyncSession) -> Sequence[tuple[User, list[str]]]:
    """Every account with its roles as ``tenant: role``, in the order of their addresses."""
    rows = await session.execute(
        # The filter drops the NULL that the outer join makes of an account in no tenant.
        select(User, func.array_agg(Membership.tenant_id + ": " + Membership.role).filter(Membership.role.is_not(None)))
        .outerjoin(Membership, Membership.user_id == User.id)
        .group_by(User.id)
        .order_by(func.lower(User.email))
    )
    return [(user, sorted(roles or [])) for user, roles in rows]


async def tenants_of(session: AsyncSession, user_id: UUID) -> list[str]:
    """Ids of the tenants that a person belongs to, in the order of their names."""
    rows = await session.execute(
        text(
            "SELECT m.tenant_id FROM memberships m JOIN tenant_configs t ON t.tenant_id = m.tenant_id"
            " WHERE m.user_id = :user_id ORDER BY lower(t.name), t.tenant_id"
        ),
        {"user_id": user_id},
    )
    return list(rows.scalars())


async def roles_of(session: AsyncSession, user_id: UUID) -> Sequence[tuple[str, str]]:
    """A person's tenants, each with the role there."""
    query = select(Membership.tenant_id, Membership.role).where(Membership.user_id == user_id)
    return [(tenant_id, role) for tenant_id, role in await session.execute(query)]


async def latest_tenant(session: AsyncSession, user_id: UUID) -> str | None:
    """Where a person was last."""
    query = (
        select(UserSession.current_tenant)
        .where(UserSession.user_id == user_id)
        .order_by(UserSession.created_at.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def tenant_exists(session: AsyncSession, tenant_id: str) -> bool:
    """Whether there is such a tenant."""
    found = await session.scalar(text("SELECT true FROM tenant_configs WHERE tenant_id = :id"), {"id": tenant_id})
    return bool(found)


async def add_membership(
    session: AsyncSession, *, tenant_id: str, user_id: UUID, role: str, companies: list[str] | None = None
) -> bool:
    """Let a person into a tenant; False if the person is in it."""
    statement = (
        insert(Membership)
        .values(tenant_id=tenant_id, user_id=user_id, role=role, companies=companies)
        .on_conflict_do_nothing()
        .returning(Membership.user_id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def member(session: AsyncSession, tenant_id: str, user_id: UUID) -> Member | None:
    """A person in a tenant, locked for a change."""
    query = (
        select(User, Membership, _HAS_SECOND_FACTOR)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.tenant_id == tenant_id, User.id == user_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else Member(row[0], row[1], row[2])


async def members(session: AsyncSession, tenant_id: str, *, limit: int, cursor: str | None) -> Page[Member]:
    """The people of a tenant, in the order of their addresses."""
    address = func.lower(User.email)
    query = (
        select(User, Membership, _HAS_SECOND_FACTOR)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.tenant_id == tenant_id)
        .order_by(address, User.id)
        .limit(limit + 1)
    )
    after = decode_cursor(cursor, str, UUID)
    if after is not None:
        query = query.where(tuple_(address, User.id) > after)
    rows = [Member(user, membership, has_factor) for user, membership, has_factor in await session.execute(query)]
    return cut_page(rows, limit, lambda one: (one.user.email.lower(), one.user.id))


async def remove_membership(session: AsyncSession, tenant_id: str, user_id: UUID) -> None:
    """Take a person out of a tenant."""
    await session.execute(delete(Membership).where(Membership.tenant_id == tenant_id, Membership.user_id == user_id))


async def add_link(session: AsyncSession, link: PasswordLink) -> None:
    """Store a link; those made before for the same person are void."""
    await void_links(session, link.user_id, now=link.created_at)
    session.add(link)
    await session.flush()


async def void_links(session: AsyncSession, user_id: UUID, *, now: datetime) -> None:
    """Let no link of a person work any more."""
    await session.execute(
        update(PasswordLink).where(PasswordLink.user_id == user_id, PasswordLink.used_at.is_(None)).values(used_at=now)
    )


async def owner_of_link(session: AsyncSession, digest: bytes, *, now: datetime) -> User | None:
    """Whose password a link may set, if it is still good."""
    query = (
        select(User)
        .join(PasswordLink, PasswordLink.user_id == User.id)
        .where(PasswordLink.secret_hash == digest, PasswordLink.used_at.is_(None), PasswordLink.expires_at > now)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def use_link(session: AsyncSession, digest: bytes, *, now: datetime) -> PasswordLink | None:
    """Use a link up, atomically: of several callers exactly one gets it."""
    statement = (
        update(PasswordLink)
        .where(PasswordLink.secret_hash == digest, PasswordLink.used_at.is_(None), PasswordLink.expires_at > now)
        .values(used_at=now)
        .returning(PasswordLink)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def forget_old(session: AsyncSession, *, before: datetime) -> None:
    """Delete sessions, links and invitations that ended long ago."""
    await session.execute(delete(UserSession).where(UserSession.expires_at < before))
    await session.execute(delete(PasswordLink).where(PasswordLink.expires_at < before))
    await session.execute(delete(Invitation).where(Invitation.expires_at < before))

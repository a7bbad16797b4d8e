"""Queries of invitations. They need a platform session, since accounts belong to no tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import IdentityProvider, Invitation, User, UserSession
from deskhand.kit.page import Page, cut_page, decode_cursor


@dataclass(frozen=True, slots=True)
class Pending:
    """An invitation with the address it is for, which the tenant's administrator typed."""

    invitation: Invitation
    email: str


async def put(session: AsyncSession, invitation: Invitation) -> None:
    """Store an invitation instead of one that the person has not answered."""
    await session.execute(
        delete(Invitation).where(Invitation.tenant_id == invitation.tenant_id, Invitation.user_id == invitation.user_id)
    )
    session.add(invitation)
    await session.flush()


async def pending(
    session: AsyncSession, tenant_id: str, *, now: datetime, limit: int, cursor: str | None
) -> Page[Pending]:
    """What nobody has answered yet and still can, in the order of the addresses."""
    address = func.lower(User.email)
    query = (
        select(Invitation, User.email)
        .join(User, User.id == Invitation.user_id)
        .where(Invitation.tenant_id == tenant_id, Invitation.expires_at > now)
        .order_by(address, Invitation.id)
        .limit(limit + 1)
    )
    after = decode_cursor(cursor, str, UUID)
    if after is not None:
        query = query.where(tuple_(address, Invitation.id) > after)
    rows = [Pending(invitation, email) for invitation, email in await session.execute(query)]
    return cut_page(rows, limit, lambda one: (one.email.lower(), one.invitation.id))


async def take_back(session: AsyncSession, tenant_id: str, invitation_id: UUID) -> Invitation | None:
    """Delete an invitation of a tenant, and give what it was."""
    statement = (
        delete(Invitation)
        .where(Invitation.tenant_id == tenant_id, Invitation.id == invitation_id)
        .returning(Invitation)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def take_back_by(session: AsyncSession, tenant_id: str, actor: str) -> None:
    """Delete what somebody invited to a tenant who may not any more."""
    await session.execute(delete(Invitation).where(Invitation.tenant_id == tenant_id, Invitation.created_by == actor))


async def behind_link(session: AsyncSession, digest: bytes, user_id: UUID, *, now: datetime) -> Invitation | None:
    """The invitation that a link shows to this person, locked for an answer."""
    query = (
        select(Invitation)
        .where(Invitation.secret_hash == digest, Invitation.user_id == user_id, Invitation.expires_at > now)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def use_up(session: AsyncSession, invitation: Invitation) -> None:
    """Delete an invitation that was accepted."""
    await session.delete(invitation)
    await session.flush()


async def tenant_name(session: AsyncSession, tenant_id: str) -> str:
    """What a tenant is called."""
    query = text("SELECT name FROM tenant_configs WHERE tenant_id = :id")
    return str((await session.execute(query, {"id": tenant_id})).scalar_one())


async def tenant_that_vouched(session: AsyncSession, digest: bytes) -> str | None:
    """The tenant whose own provider opened a session; None for all other sessions."""
    query = (
        select(IdentityProvider.tenant_id)
        .join(UserSession, UserSession.provider_id == IdentityProvider.id)
        .where(UserSession.secret_hash == digest)
    )
    return (await session.execute(query)).scalar_one_or_none()

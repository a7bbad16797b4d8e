"""Queries of providers, identities and sign-ins under way. All but a tenant's own providers need a platform session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import IdentityProvider, Membership, SignInAttempt, User, UserIdentity, UserSession
from deskhand.kit.page import Page, cut_page, decode_cursor


async def provider(session: AsyncSession, provider_id: UUID) -> IdentityProvider | None:
    """A provider of anybody's."""
    return await session.get(IdentityProvider, provider_id)


async def owned_provider(session: AsyncSession, tenant_id: str | None, provider_id: UUID) -> IdentityProvider | None:
    """A provider of this tenant, or of the installation, locked for a change."""
    query = (
        select(IdentityProvider)
        .where(IdentityProvider.id == provider_id, _owned_by(tenant_id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def owned_providers(
    session: AsyncSession, tenant_id: str | None, *, limit: int, cursor: str | None
) -> Page[IdentityProvider]:
    """The providers of this tenant, or of the installation, in the order they were made."""
    query = (
        select(IdentityProvider)
        .where(_owned_by(tenant_id))
        .order_by(IdentityProvider.created_at, IdentityProvider.id)
        .limit(limit + 1)
    )
    after = decode_cursor(cursor, datetime, UUID)
    if after is not None:
        query = query.where(tuple_(IdentityProvider.created_at, IdentityProvider.id) > after)
    rows = (await session.scalars(query)).all()
    return cut_page(rows, limit, lambda one: (one.created_at, one.id))


async def offered_providers(session: AsyncSession, known: UUID | None) -> Sequence[IdentityProvider]:
    """Who is offered on the sign-in page: the installation's own, and the one that this browser knows."""
    offered: ColumnElement[bool] = IdentityProvider.tenant_id.is_(None)
    if known is not None:
        offered |= IdentityProvider.id == known
    query = select(IdentityProvider).where(offered, IdentityProvider.is_active)
    return (await session.scalars(query.order_by(func.lower(IdentityProvider.name), IdentityProvider.id))).all()


async def count_owned(session: AsyncSession, tenant_id: str | None) -> int:
    """How many providers the tenant, or the installation, has."""
    return await session.scalar(select(func.count()).select_from(IdentityProvider).where(_owned_by(tenant_id))) or 0


async def take_back_platform(session: AsyncSession, provider_id: UUID) -> None:
    """Nobody administers the platform by the word of this provider any more."""
    await session.execute(
        update(User)
        .where(User.platform_admin_by == provider_id)
        .values(is_platform_admin=False, platform_admin_by=None, updated_at=User.updated_at)
    )


async def drop_provider(session: AsyncSession, provider_id: UUID) -> None:
    """Delete a provider; the memberships and sessions it gave go with it."""
    await session.execute(delete(IdentityProvider).where(IdentityProvider.id == provider_id))


async def begin(session: AsyncSession, attempt: SignInAttempt, *, now: datetime) -> None:
    """Store a sign-in that begins; what nobody came back to is forgotten on the way."""
    await session.execute(delete(SignInAttempt).where(SignInAttempt.expires_at <= now))
    session.add(attempt)
    await session.flush()


async def use_up(session: AsyncSession, state_hash: bytes, provider_id: UUID, *, now: datetime) -> str | None:
    """End a sign-in that was under way, atomically: of several callers exactly one gets its path to go on to."""
    statement = (
        delete(SignInAttempt)
        .where(
            SignInAttempt.state_hash == state_hash,
            SignInAttempt.provider_id == provider_id,
            SignInAttempt.expires_at > now,
        )
        .returning(SignInAttempt.next_path)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def one_at_a_time(session: AsyncSession, key: str) -> None:
    """Let two first sign-ins of one person come after each other, until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def user_of(session: AsyncSession, source: IdentityProvider, subject: str) -> User | None:
    """Who is known to a provider by this subject."""
    query = (
        select(User)
        .join(UserIdentity, UserIdentity.user_id == User.id)
        .where(
            UserIdentity.vouched_in.is_not_distinct_from(source.tenant_id),
            UserIdentity.issuer == source.issuer,
            UserIdentity.subject == subject,
        )
        .with_for_update(of=User)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def connect(session: AsyncSession, source: IdentityProvider, subject: str, user_id: UUID) -> None:
    """Know a person by this subject from now on."""
    session.add(UserIdentity(user_id=user_id, vouched_in=source.tenant_id, issuer=source.issuer, subject=subject))
    await session.flush()


async def memberships(session: AsyncSession, user_id: UUID) -> dict[str, Membership]:
    """A person's memberships by tenant, locked for a change."""
    query = select(Membership).where(Membership.user_id == user_id).order_by(Membership.tenant_id).with_for_update()
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    return {one.tenant_id: one for one in rows}


async def existing_tenants(session: AsyncSession, names: Sequence[str]) -> set[str]:
    """Which of these tenants there are."""
    rows = await session.execute(
        text("SELECT tenant_id FROM tenant_configs WHERE tenant_id = ANY(:names)"), {"names": list(names)}
    )
    return set(rows.scalars())


async def set_membership(session: AsyncSession, *, tenant_id: str, user_id: UUID, role: str, provider_id: UUID) -> None:
    """Give a person a role in a tenant by a provider's word, whoever gave the one before."""
    values = {"role": role, "provider_id": provider_id}
    statement = insert(Membership).values(tenant_id=tenant_id, user_id=user_id, **values)
    await session.execute(statement.on_conflict_do_update(constraint="memberships_pkey", set_=values))


async def forget_tokens(session: AsyncSession, *, now: datetime) -> None:
    """Keep no ID token of a session that is over."""
    await session.execute(
        update(UserSession)
        .where(
            UserSession.id_token_encrypted.is_not(None),
            or_(UserSession.expires_at <= now, UserSession.ended_at.is_not(None)),
        )
        .values(id_token_encrypted=None)
    )


def _owned_by(tenant_id: str | None) -> ColumnElement[bool]:
    return IdentityProvider.tenant_id.is_not_distinct_from(tenant_id)

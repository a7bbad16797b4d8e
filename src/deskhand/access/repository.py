"""Queries of keys. Lookups by hash go through SECURITY DEFINER functions, because the tenant is not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import ApiKey, PlatformKey, User, UserSession
from deskhand.access.principal import Origin
from deskhand.errors import NotFoundError
from deskhand.kit.page import Page, cut_page, decode_cursor


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What the database says about a hash; not yet a judgement on whether it may be used.

    Its end is the earlier one of its own and that of the key it was made with.
    """

    id: UUID
    tenant_id: str | None
    role: str
    prefix: str
    expires_at: datetime | None
    revoked_at: datetime | None
    made_with: Origin
    created_at: datetime | None = None
    used_at: datetime | None = None
    tenant_is_active: bool = True
    limited_to: tuple[str, ...] | None = None


async def find_api_key(session: AsyncSession, digest: bytes) -> StoredKey | None:
    """Look a tenant key up by its hash."""
    result = await session.execute(text("SELECT * FROM find_api_key(:digest)"), {"digest": digest})
    row = result.one_or_none()
    if row is None:
        return None
    return StoredKey(
        id=row.id,
        tenant_id=row.tenant_id,
        role=row.role,
        prefix=row.prefix,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        made_with=Origin(key_id=row.made_with, platform_key_id=row.made_with_platform_key, user_id=row.made_with_user),
        created_at=row.created_at,
        used_at=row.last_used_at,
        tenant_is_active=row.tenant_is_active,
        limited_to=as_limit(row.limited_to),
    )


def as_limit(companies: Sequence[str] | None) -> tuple[str, ...] | None:
    """A stored limit; an empty one is one too, and shows nothing."""
    return None if companies is None else tuple(companies)


async def find_platform_key(session: AsyncSession, digest: bytes) -> StoredKey | None:
    """Look a platform administrator's key up by its hash."""
    result = await session.execute(
        text("SELECT id, prefix, revoked_at FROM find_platform_key(:digest)"), {"digest": digest}
    )
    row = result.one_or_none()
    if row is None:
        return None
    return StoredKey(
        id=row.id,
        tenant_id=None,
        role="platform_admin",
        prefix=row.prefix,
        expires_at=None,
        revoked_at=row.revoked_at,
        made_with=Origin(),
    )


async def note_use(session: AsyncSession, digest: bytes, now: datetime) -> None:
    """Remember that a credential was used."""
    await session.execute(text("SELECT note_use(:digest, :now)"), {"digest": digest, "now": now})


async def add_key(session: AsyncSession, key: ApiKey | PlatformKey) -> None:
    """Insert a key and read back what the database filled in.

    Raises:
        NotFoundError: Its tenant does not exist (the foreign key says so; a look beforehand could be overtaken).
    """
    session.add(key)
    try:
        await session.flush()
    except IntegrityError as error:
        raise NotFoundError("There is no such tenant.") from error
    await session.refresh(key)


async def get_key(session: AsyncSession, tenant_id: str, key_id: UUID) -> ApiKey | None:
    """One key of a tenant, locked for a change."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id).with_for_update()
    return (await session.execute(query)).scalar_one_or_none()


async def list_keys(
    session: AsyncSession, tenant_id: str, prefixes: Sequence[str], *, limit: int, cursor: str | None
) -> Page[ApiKey]:
    """Keys of a tenant whose prefix starts with one of ``prefixes``, newest first."""
    # Console sessions and tokens are rows of the same table and are told apart by their prefix.
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id, func.left(ApiKey.prefix, 4).in_(prefixes))
    after = decode_cursor(cursor, datetime, UUID)
    if after is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.id) < after)
    rows = (
        (await session.execute(query.order_by(ApiKey.created_at.desc(), ApiKey.id.desc()).limit(limit + 1)))
        .scalars()
        .all()
    )
    return cut_page(rows, limit, lambda key: (key.created_at, key.id))


async def list_platform_keys(session: AsyncSession) -> Sequence[PlatformKey]:
    """Every key of a platform administrator, newest first."""
    query = select(PlatformKey).order_by(PlatformKey.created_at.desc(), PlatformKey.id.desc())
    return (await session.execute(query)).scalars().all()


async def key_by_prefix(session: AsyncSession, tenant_id: str, prefix: str) -> ApiKey | None:
    """A machine's key by the characters that are shown of it, locked for a change."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.prefix == prefix).with_for_update()
    return (await session.execute(query)).scalars().first()


async def platform_key_by_prefix(session: AsyncSession, prefix: str) -> PlatformKey | None:
    """A platform administrator's key by the characters that are shown of it, locked for a change."""
    query = select(PlatformKey).where(PlatformKey.prefix == prefix).with_for_update()
    return (await session.execute(query)).scalars().first()


async def use_up(session: AsyncSession, digest: bytes) -> ApiKey | None:
    """Revoke a key that is still good, atomically: of several callers exactly one gets it."""
    statement = (
        update(ApiKey)
        .where(ApiKey.key_hash == digest, ApiKey.revoked_at.is_(None), ApiKey.expires_at > func.now())
        .values(revoked_at=func.now())
        .returning(ApiKey)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def end_key(session: AsyncSession, digest: bytes) -> bool:
    """Revoke a key by its hash; False if it was revoked already."""
    statement = (
        update(ApiKey)
        .where(ApiKey.key_hash == digest, ApiKey.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiKey.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def owner_of_session(session: AsyncSession, digest: bytes) -> tuple[User, str | None] | None:
    """Whose session this is, and in which tenant; needs a platform session."""
    query = select(User, UserSession.current_tenant).join(UserSession).where(UserSession.secret_hash == digest)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])

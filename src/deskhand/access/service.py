"""API keys of machines and of platform administrators, and tokens that sign one person in.

A sign-in token is a key too, good for a few minutes and exactly one exchange. It is stored with the key or person it
comes from, and ends with it. Who a credential belongs to is asked in ``access.authentication``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import repository, sessions
from deskhand.access.limits import known_limit
from deskhand.access.models import ApiKey, PlatformKey
from deskhand.access.principal import Origin, Role
from deskhand.access.schemas import ApiKeyCreate
from deskhand.audit import service as audit
from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.crypto import key_digest, new_api_key
from deskhand.kit.page import Page

KEY, PLATFORM_KEY, SIGN_IN, SESSION = "dhk", "dhp", "dhs", "dhc"
PREFIX_LENGTH = 12
SIGN_IN_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = sessions.LIFETIME
COMMAND_LINE = "command-line"
"""Who acts where somebody sits at the machine itself."""
OVERLAP = timedelta(hours=24)
"""How long a key goes on after its successor was made, so that what uses it can be changed over."""


async def create_api_key(
    session: AsyncSession, *, tenant_id: str, actor: str, data: ApiKeyCreate
) -> tuple[ApiKey, str]:
    """Make a key for a machine.

    Args:
        session: Session of the tenant, or a platform session.
        tenant_id: Whose key.
        actor: Who makes it.
        data: Its name, role and end.

    Returns:
        The stored row, and the key, which nothing can show again.
    """
    key, plain = await new_key(
        session,
        KEY,
        tenant_id,
        actor=actor,
        name=data.name,
        role=data.role,
        expires_at=data.expires_at,
        companies=await known_limit(session, tenant_id, data.companies),
    )
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="api_key.create",
        resource_type="api_key",
        resource_id=key.id,
        after=_facts(key),
    )
    return key, plain


async def create_platform_key(
    session: AsyncSession, *, name: str, actor: str = COMMAND_LINE
) -> tuple[PlatformKey, str]:
    """Make a platform administrator's key.

    Args:
        session: A platform session; in practice of the command line, since no endpoint makes one.
        name: What it is for.
        actor: Who makes it.

    Returns:
        The stored row, and the key, which nothing can show again.
    """
    plain = new_api_key(PLATFORM_KEY)
    key = PlatformKey(name=name, prefix=plain[:PREFIX_LENGTH], key_hash=key_digest(plain))
    await repository.add_key(session, key)
    await _record_platform_key(session, key, "platform_key.create", actor, after=_facts(key))
    return key, plain


async def list_api_keys(
    session: AsyncSession, *, tenant_id: str, limit: int = 50, cursor: str | None = None
) -> Page[ApiKey]:
    """Keys of a tenant's machines, newest first; revoked ones too, console sessions not."""
    # By prefix: sign-in tokens and sessions stand in the same table, and would bury the keys that people look for.
    return await repository.list_keys(session, tenant_id, [f"{KEY}_"], limit=limit, cursor=cursor)


async def revoke_api_key(session: AsyncSession, *, tenant_id: str, actor: str, key_id: UUID, now: datetime) -> ApiKey:
    """Stop a key at once.

    Raises:
        NotFoundError: The tenant has no such key.
        ConflictError: It was revoked before.
    """
    key = await repository.get_key(session, tenant_id, key_id)
    if key is None:
        raise NotFoundError(f"There is no API key {key_id}.")
    if key.revoked_at is not None:
        raise ConflictError(f"The API key {key.prefix} was already revoked at {key.revoked_at.isoformat()}.")
    before = _facts(key)
    key.revoked_at = now
    await session.flush()
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="api_key.revoke",
        resource_type="api_key",
        resource_id=key.id,
        before=before,
        after=_facts(key),
        details={"name": key.name, "prefix": key.prefix},
    )
    return key


async def rotate_api_key(
    session: AsyncSession, *, tenant_id: str, actor: str, key_id: UUID, now: datetime
) -> tuple[ApiKey, str]:
    """Make a key's successor, of the same name, role and end; the old one goes on for ``OVERLAP`` at most.

    Raises:
        NotFoundError: The tenant has no such key.
        ConflictError: It does not work any more.
    """
    old = await repository.get_key(session, tenant_id, key_id)
    if old is None:
        raise NotFoundError(f"There is no API key {key_id}.")
    if old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise ConflictError(f"The API key {old.prefix} does not work any more; make a new one.")
    # Read before the old key's own end is brought forward; the successor keeps the one that was planned.
    expires_at, before = old.expires_at, _facts(old)
    # Never later than before: to rotate a key must not lengthen the life of one that was to end.
    old.expires_at = min(now + OVERLAP, expires_at or now + OVERLAP)
    key, plain = await new_key(
        session,
        KEY,
        tenant_id,
        actor=actor,
        name=old.name,
        role=old.role,
        expires_at=expires_at,
        companies=old.companies,
    )
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="api_key.rotate",
        resource_type="api_key",
        resource_id=key.id,
        before=before,
        after=_facts(key),
        details={"name": key.name, "role": key.role, "replaces": old.prefix},
    )
    return key, plain


async def key_named(session: AsyncSession, *, tenant_id: str, prefix: str) -> ApiKey:
    """A tenant's key by the characters that lists show of it.

    Raises:
        NotFoundError: The tenant has no such key.
    """
    # Machine keys alone: a console session is a key as well, which ends with the key that opened it.
    key = await repository.key_by_prefix(session, tenant_id, prefix) if prefix.startswith(f"{KEY}_") else None
    if key is None:
        raise NotFoundError(f"The tenant '{tenant_id}' has no API key {prefix}; `deskhand key list` shows them.")
    return key


async def list_platform_keys(session: AsyncSession) -> Sequence[PlatformKey]:
    """Keys of platform administrators, newest first; a platform session."""
    return await repository.list_platform_keys(session)


async def revoke_platform_key(session: AsyncSession, *, prefix: str, now: datetime, actor: str = COMMAND_LINE) -> None:
    """Stop a platform administrator's key at once; a platform session.

    Raises:
        NotFoundError: There is no such key.
        ConflictError: It was revoked before.
    """
    key = await repository.platform_key_by_prefix(session, prefix)
    if key is None:
        raise NotFoundError(f"There is no platform key {prefix}; `deskhand key list --platform` shows those there are.")
    if key.revoked_at is not None:
        raise ConflictError(f"The platform key {prefix} was already revoked at {key.revoked_at.isoformat()}.")
    before = _facts(key)
    key.revoked_at = now
    await session.flush()
    await _record_platform_key(session, key, "platform_key.revoke", actor, before=before, after=_facts(key))


async def create_sign_in_token(
    session: AsyncSession, *, tenant_id: str, actor: str, role: Role, now: datetime, origin: Origin | None = None
) -> tuple[str, datetime]:
    """Make a token that signs one person in to the console, once, within ``SIGN_IN_LIFETIME``.

    Args:
        session: Session of the tenant, or a platform session.
        tenant_id: Whose console.
        actor: Who makes it.
        role: What the person may do there.
        now: Current time.
        origin: The key it is made with, and ends with; None for the command line.

    Returns:
        The token and when it ends.
    """
    expires_at = now + SIGN_IN_LIFETIME
    key, plain = await new_key(
        session,
        SIGN_IN,
        tenant_id,
        actor=actor,
        name="Sign-in token",
        role=role,
        expires_at=expires_at,
        origin=origin,
    )
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="sign_in_token.create",
        resource_type="api_key",
        resource_id=key.id,
        after=_facts(key),
    )
    return plain, expires_at


async def _record_platform_key(
    session: AsyncSession,
    key: PlatformKey,
    operation: str,
    actor: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any],
) -> None:
    await audit.record(
        session,
        tenant_id=audit.PLATFORM,
        actor=actor,
        operation=operation,
        resource_type="platform_key",
        resource_id=key.id,
        before=before,
        after=after,
    )


def _facts(key: ApiKey | PlatformKey) -> dict[str, Any]:
    """What the audit log says of a key; never the key."""
    names = ("name", "prefix", "role", "companies", "expires_at", "revoked_at")
    values = {name: getattr(key, name, None) for name in names}
    return {name: str(value) if isinstance(value, datetime) else value for name, value in values.items() if value}


async def new_key(
    session: AsyncSession,
    kind: str,
    tenant_id: str,
    *,
    actor: str,
    name: str,
    role: str,
    expires_at: datetime | None,
    origin: Origin | None = None,
    companies: list[str] | None = None,
) -> tuple[ApiKey, str]:
    """Store a key of any kind; the caller records why."""
    plain = new_api_key(kind)
    key = ApiKey(
        tenant_id=tenant_id,
        name=name,
        # Twelve characters tell keys apart on a page; what remains hidden is still far beyond guessing.
        prefix=plain[:PREFIX_LENGTH],
        key_hash=key_digest(plain),
        role=role,
        companies=companies,
        created_by=actor,
        expires_at=expires_at,
        made_with=origin.key_id if origin else None,
        made_with_platform_key=origin.platform_key_id if origin else None,
        made_with_user=origin.user_id if origin else None,
    )
    await repository.add_key(session, key)
    return key, plain

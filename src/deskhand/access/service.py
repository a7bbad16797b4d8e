"""API keys, signing in to the console, and who a credential belongs to.

A console session is a short-lived key of its own: the browser keeps its hash, encrypted, in a
cookie, and every request looks it up again, so that revoking the key ends the session at once.
A sign-in token is a key too, good for a few minutes and exactly one exchange. Both are stored with the key they come
from, and end with it; an answer without end (an event stream) asks again and again with ``still_holds``.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import repository
from deskhand.access.models import ApiKey, PlatformKey
from deskhand.access.principal import Origin, Principal, Role
from deskhand.access.repository import FoundKey
from deskhand.access.schemas import ApiKeyCreate
from deskhand.audit import service as audit
from deskhand.errors import ConfigurationError, ConflictError, NotFoundError, UnauthenticatedError
from deskhand.kit.crypto import SecretBox, key_digest, new_api_key
from deskhand.kit.db.session import Database
from deskhand.kit.page import Page

KEY, PLATFORM_KEY, SIGN_IN, SESSION = "dhk", "dhp", "dhs", "dhc"
PREFIX_LENGTH = 12
SIGN_IN_LIFETIME = timedelta(minutes=10)
SESSION_LIFETIME = timedelta(hours=12)
MAX_CREDENTIAL = 2000
"""Characters a credential may have before it is refused unread."""

_INVALID = "The API key is unknown, expired or revoked."


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
    key, plain = await _new_key(
        session, KEY, tenant_id, actor=actor, name=data.name, role=data.role, expires_at=data.expires_at
    )
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="api_key.create",
        resource_type="api_key",
        resource_id=key.id,
        details={"name": key.name, "role": key.role, "prefix": key.prefix},
    )
    return key, plain


async def create_platform_key(session: AsyncSession, *, name: str) -> tuple[PlatformKey, str]:
    """Make a platform administrator's key.

    Args:
        session: A platform session; in practice of the command line, since no endpoint makes one.
        name: What it is for.

    Returns:
        The stored row, and the key, which nothing can show again.
    """
    plain = new_api_key(PLATFORM_KEY)
    key = PlatformKey(name=name, prefix=plain[:PREFIX_LENGTH], key_hash=key_digest(plain))
    await repository.add_key(session, key)
    return key, plain


async def list_api_keys(
    session: AsyncSession, *, tenant_id: str, limit: int = 50, cursor: str | None = None
) -> Page[ApiKey]:
    """Keys of a tenant's machines, newest first; revoked ones too, console sessions not."""
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
    key.revoked_at = now
    await session.flush()
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="api_key.revoke",
        resource_type="api_key",
        resource_id=key.id,
        details={"name": key.name, "prefix": key.prefix},
    )
    return key


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
    key, plain = await _new_key(
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
        details={"role": role, "prefix": key.prefix},
    )
    return plain, expires_at


async def sign_in(db: Database, secrets: SecretBox, credential: str, *, now: datetime) -> str:
    """Exchange an API key or a sign-in token for a console session.

    Args:
        db: Opens the sessions; the tenant is only known once the credential is.
        secrets: Encrypts the cookie.
        credential: A ``dhk_`` key or a ``dhs_`` token.
        now: Current time.

    Returns:
        The value of the session cookie, valid for ``SESSION_LIFETIME``.

    Raises:
        UnauthenticatedError: The credential does not hold, or the token was used before.
    """
    found = await _find_tenant_key(db, credential, kinds=(KEY, SIGN_IN), now=now)
    assert found.tenant_id is not None
    async with db.tenant_session(found.tenant_id) as session:
        ends = now + SESSION_LIFETIME
        if credential.startswith(f"{SIGN_IN}_"):
            if await repository.use_up(session, key_digest(credential)) is None:
                raise UnauthenticatedError("This sign-in token was already used; ask for a new one.")
            origin = found.made_with
        else:
            origin = Origin(key_id=found.id)
            ends = min(ends, found.expires_at or ends)
        key, plain = await _new_key(
            session,
            SESSION,
            found.tenant_id,
            actor=f"api-key:{found.prefix}",
            name=f"Console session of {found.prefix}",
            role=found.role,
            expires_at=ends,
            origin=origin,
        )
        await audit.record(
            session,
            tenant_id=found.tenant_id,
            actor=f"api-key:{found.prefix}",
            operation="console.sign_in",
            resource_type="api_key",
            resource_id=key.id,
            details={"role": key.role, "prefix": key.prefix},
        )
    return secrets.encrypt(json.dumps({"key": key_digest(plain).hex()}))


async def sign_out(db: Database, secrets: SecretBox, cookie: str) -> None:
    """End a console session, whatever state it is in."""
    try:
        digest = _open_cookie(secrets, cookie)
    except UnauthenticatedError:
        return
    async with db.anonymous_session() as session:
        found = await repository.find_api_key(session, digest)
    if found is not None and found.tenant_id is not None:
        async with db.tenant_session(found.tenant_id) as session:
            await repository.end_key(session, digest)


async def principal_of_key(db: Database, credential: str, *, now: datetime) -> Principal:
    """Whose API key this is.

    Raises:
        UnauthenticatedError: It is unknown, expired or revoked (the answer does not say which).
    """
    if credential.startswith(f"{PLATFORM_KEY}_"):
        found = await _find_platform_key(db, credential)
        return Principal(
            kind="platform",
            tenant_id=None,
            role="platform_admin",
            actor=f"platform-key:{found.prefix}",
            origin=Origin(platform_key_id=found.id),
        )
    found = await _find_tenant_key(db, credential, kinds=(KEY,), now=now)
    return Principal(
        kind="api_key",
        tenant_id=found.tenant_id,
        role=found.role,
        actor=f"api-key:{found.prefix}",
        origin=Origin(key_id=found.id),
        digest=key_digest(credential),
    )


async def principal_of_cookie(db: Database, secrets: SecretBox, cookie: str, *, now: datetime) -> Principal:
    """Whose console session this is; a revoked key, or the revoked key it comes from, ends it.

    Raises:
        UnauthenticatedError: The cookie is not ours, or the session is over.
    """
    digest = _open_cookie(secrets, cookie)
    async with db.anonymous_session() as session:
        found = await repository.find_api_key(session, digest)
    if found is None or not _is_good(found, now):
        raise UnauthenticatedError("Your session has ended; sign in again.")
    return Principal(
        kind="session",
        tenant_id=found.tenant_id,
        role=found.role,
        actor=f"session:{found.prefix}",
        origin=found.made_with,
        digest=digest,
    )


async def still_holds(session: AsyncSession, principal: Principal, *, now: datetime) -> bool:
    """Whether a caller may go on being answered: its credential is good and its tenant active."""
    found = await repository.find_api_key(session, principal.digest)
    return found is not None and found.tenant_is_active and _is_good(found, now)


async def _new_key(
    session: AsyncSession,
    kind: str,
    tenant_id: str,
    *,
    actor: str,
    name: str,
    role: str,
    expires_at: datetime | None,
    origin: Origin | None = None,
) -> tuple[ApiKey, str]:
    plain = new_api_key(kind)
    key = ApiKey(
        tenant_id=tenant_id,
        name=name,
        prefix=plain[:PREFIX_LENGTH],
        key_hash=key_digest(plain),
        role=role,
        created_by=actor,
        expires_at=expires_at,
        made_with=origin.key_id if origin else None,
        made_with_platform_key=origin.platform_key_id if origin else None,
    )
    await repository.add_key(session, key)
    return key, plain


async def _find_tenant_key(db: Database, credential: str, *, kinds: tuple[str, ...], now: datetime) -> FoundKey:
    if len(credential) > MAX_CREDENTIAL or not credential.startswith(tuple(f"{kind}_" for kind in kinds)):
        raise UnauthenticatedError(_INVALID)
    async with db.anonymous_session() as session:
        found = await repository.find_api_key(session, key_digest(credential))
    if found is None or not _is_good(found, now):
        raise UnauthenticatedError(_INVALID)
    return found


async def _find_platform_key(db: Database, credential: str) -> FoundKey:
    if len(credential) > MAX_CREDENTIAL:
        raise UnauthenticatedError(_INVALID)
    async with db.anonymous_session() as session:
        found = await repository.find_platform_key(session, key_digest(credential))
    if found is None or found.revoked_at is not None:
        raise UnauthenticatedError(_INVALID)
    return found


def _is_good(found: FoundKey, now: datetime) -> bool:
    return found.revoked_at is None and (found.expires_at is None or found.expires_at > now)


def _open_cookie(secrets: SecretBox, cookie: str) -> bytes:
    """Hash of the session's key."""
    if not cookie or len(cookie) > MAX_CREDENTIAL:
        raise UnauthenticatedError("You are not signed in.")
    try:
        content = json.loads(secrets.decrypt(cookie))
        return bytes.fromhex(content["key"])
    except (ConfigurationError, ValueError, KeyError, TypeError) as error:
        raise UnauthenticatedError("Your session is not valid; sign in again.") from error

"""People's sessions: made at sign-in, looked up at every request, ended on the server.

A session ends 12 hours after sign-in and after one hour without use, whichever comes first. The 12 hours are what the
public draft of NIST SP 800-63B-4 asks for ("Reauthentication" at its level 2); its 30 minutes without use would end the
session of a technician who reads a long ticket, so the hour is ours. A session is bound to one tenant at a time: another
tenant is another session, so that a cookie that was copied before does not follow.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Row, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import repository
from deskhand.access.models import UserSession
from deskhand.access.principal import OpenTenant, Origin, Person, Principal
from deskhand.errors import UnauthenticatedError
from deskhand.kit.crypto import key_digest, new_api_key

LIFETIME = timedelta(hours=12)
IDLE = timedelta(hours=1)
NOTED_EVERY = timedelta(minutes=1)
"""Uses closer to each other than this are one: a request of a busy page need not write."""

KIND = "dhu"
ENDED = "Your session has ended; sign in again."


async def open_session(session: AsyncSession, *, user_id: UUID, tenant_id: str | None, now: datetime) -> bytes:
    """Begin a session.

    Args:
        session: A platform session: no other may write the table.
        user_id: Whose.
        tenant_id: Where the person acts; None for a platform administrator.
        now: Current time.

    Returns:
        The hash of its secret, which the cookie carries encrypted; the secret itself is kept nowhere.
    """
    digest = key_digest(new_api_key(KIND))
    session.add(
        UserSession(
            user_id=user_id,
            current_tenant=tenant_id,
            secret_hash=digest,
            created_at=now,
            last_used_at=now,
            expires_at=now + LIFETIME,
        )
    )
    await session.flush()
    return digest


async def end_session(session: AsyncSession, digest: bytes, *, now: datetime) -> None:
    """End one session; as ``open_session``."""
    await session.execute(
        update(UserSession)
        # The first end stays: signing out again must not move the time at which the session really ended.
        .where(UserSession.secret_hash == digest, UserSession.ended_at.is_(None))
        .values(ended_at=now)
    )


async def end_sessions_of(session: AsyncSession, user_id: UUID, *, now: datetime, tenant_id: str | None = None) -> None:
    """End all sessions of a person, or those in one tenant; as ``open_session``."""
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if tenant_id is not None:
        statement = statement.where(UserSession.current_tenant == tenant_id)
    await session.execute(statement.values(ended_at=now))


async def principal_of_session(session: AsyncSession, digest: bytes, *, now: datetime, active: bool) -> Principal:
    """Who is signed in.

    Args:
        session: Any session.
        digest: Hash of the session's secret.
        now: Current time.
        active: Whether a person is behind this request; a page that asks by itself keeps no session alive.

    Raises:
        UnauthenticatedError: The session is over, or the person may not be here any more.
    """
    row = await _find(session, digest)
    if row is None or not _holds(row, now):
        raise UnauthenticatedError(ENDED)
    if active and row.last_used_at + NOTED_EVERY <= now:
        await repository.note_use(session, digest, now)
    person = Person(
        user_id=row.user_id,
        email=row.email,
        name=row.name,
        is_platform_admin=row.is_platform_admin,
        tenants=tuple(OpenTenant(**tenant) for tenant in row.tenants),
    )
    return Principal(
        kind="person",
        tenant_id=row.tenant_id,
        role=row.role,
        actor=actor_of(row.email),
        origin=Origin(user_id=row.user_id),
        digest=digest,
        person=person,
    )


async def session_holds(session: AsyncSession, digest: bytes, *, now: datetime) -> bool:
    """Whether an answer that goes on for long may go on for this session."""
    row = await _find(session, digest)
    return row is not None and _holds(row, now) and bool(row.tenant_is_active)


def actor_of(email: str) -> str:
    """A person's name in the audit log."""
    return f"user:{email}"


async def _find(session: AsyncSession, digest: bytes) -> Row[tuple[object, ...]] | None:
    result = await session.execute(text("SELECT * FROM find_user_session(:digest)"), {"digest": digest})
    return result.one_or_none()


def _holds(row: Row[tuple[object, ...]], now: datetime) -> bool:
    over = row.ended_at is not None or row.expires_at <= now or row.last_used_at + IDLE <= now
    # The function joins the membership: a person who was taken out of the tenant has no role there, and so no session.
    return row.role is not None and not over

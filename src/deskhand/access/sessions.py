"""People's sessions: made at sign-in, looked up at every request, ended on the server.

A session ends 12 hours after sign-in and after one hour without use, whichever comes first. The 12 hours are what the
public draft of NIST SP 800-63B-4 asks for ("Reauthentication" at its level 2); its 30 minutes without use would end
the session of a technician who reads a long ticket, so the hour is ours. A session is bound to one tenant at a time:
another tenant is another session, so that a cookie that was copied before does not follow.

A session that lacks the second factor its person must show is unfinished, whether a password or an identity provider
opened it: it lives for some minutes and may do nothing but show one, or enrol one (``missing_step``). What is missing
is found anew at every request, so that a role that begins to need a second factor, or a provider that is not trusted
with it any more, counts at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import Row, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import repository
from deskhand.access.models import UserSession
from deskhand.access.principal import Factor, OpenTenant, Origin, Person, Principal
from deskhand.appstate import SignInRules
from deskhand.errors import SecondFactorNeededError, UnauthenticatedError
from deskhand.kit.crypto import key_digest, new_api_key

LIFETIME = timedelta(hours=12)
UNFINISHED_LIFETIME = timedelta(minutes=15)
FRESH = UNFINISHED_LIFETIME
"""How long a provider's word stands in for the password where a person has to confirm who it is."""
IDLE = timedelta(hours=1)
NOTED_EVERY = timedelta(minutes=1)
"""Uses closer to each other than this are one: a request of a busy page need not write."""

KIND = "dhu"
ENDED = "Your session has ended; sign in again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How a person proved who it is, which a session carries on.

    Attributes:
        method: ``password``, or ``oidc`` for an identity provider.
        provider_id: Which provider.
        id_token_encrypted: The provider's word, by which it knows the person again at sign-out.
        second_factor: What was shown besides; None: nothing.
        signed_in_at: When that was, where another session began with it; None: now.
    """

    method: str = "password"
    provider_id: UUID | None = None
    id_token_encrypted: str | None = field(default=None, repr=False)
    second_factor: Factor | None = None
    signed_in_at: datetime | None = None


PASSWORD = Proof()


async def open_session(
    session: AsyncSession,
    *,
    user_id: UUID,
    tenant_id: str | None,
    now: datetime,
    proof: Proof = PASSWORD,
    lifetime: timedelta = LIFETIME,
) -> bytes:
    """Begin a session.

    Args:
        session: A platform session: no other may write the table.
        user_id: Whose.
        tenant_id: Where the person acts; None for a platform administrator.
        now: Current time.
        proof: How the person signed in.
        lifetime: When it ends whatever happens; short for one that is unfinished.

    Returns:
        The hash of its secret, which the cookie carries encrypted; the secret itself is kept nowhere.
    """
    digest = key_digest(new_api_key(KIND))
    session.add(
        UserSession(
            user_id=user_id,
            current_tenant=tenant_id,
            secret_hash=digest,
            second_factor=proof.second_factor,
            method=proof.method,
            provider_id=proof.provider_id,
            id_token_encrypted=proof.id_token_encrypted,
            # Carried from session to session: to change the tenant proves nothing anew.
            signed_in_at=proof.signed_in_at or now,
            created_at=now,
            last_used_at=now,
            expires_at=now + lifetime,
        )
    )
    await session.flush()
    return digest


async def end_session(session: AsyncSession, digest: bytes, *, now: datetime) -> Proof | None:
    """End one session; as ``open_session``.

    Returns:
        How it began; None if it was over.
    """
    statement = (
        update(UserSession)
        # The first end stays: signing out again must not move the time at which the session really ended.
        .where(UserSession.secret_hash == digest, UserSession.ended_at.is_(None))
        .values(ended_at=now)
        .returning(
            UserSession.method,
            UserSession.provider_id,
            UserSession.id_token_encrypted,
            UserSession.second_factor,
            UserSession.signed_in_at,
        )
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    # The table's check knows no other words than these.
    factor = cast(Factor | None, row[3])
    return Proof(
        method=row[0], provider_id=row[1], id_token_encrypted=row[2], second_factor=factor, signed_in_at=row[4]
    )


async def end_sessions_of(session: AsyncSession, user_id: UUID, *, now: datetime, tenant_id: str | None = None) -> None:
    """End all sessions of a person, or those in one tenant; as ``open_session``."""
    statement = update(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
    if tenant_id is not None:
        statement = statement.where(UserSession.current_tenant == tenant_id)
    await session.execute(statement.values(ended_at=now))


async def end_sessions_with(session: AsyncSession, provider_id: UUID, *, now: datetime) -> None:
    """End all sessions that a provider opened; as ``open_session``."""
    statement = update(UserSession).where(UserSession.provider_id == provider_id, UserSession.ended_at.is_(None))
    await session.execute(statement.values(ended_at=now))


async def principal_of_session(session: AsyncSession, digest: bytes, *, now: datetime, active: bool) -> Principal:
    """Who is signed in, also where the session is unfinished: ``refuse_unfinished`` is the caller's to ask.

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
    return Principal(
        kind="person",
        tenant_id=row.tenant_id,
        role=row.role,
        actor=actor_of(row.email),
        origin=Origin(user_id=row.user_id),
        digest=digest,
        person=_person(row),
        limited_to=repository.as_limit(row.limited_to),
    )


def missing_step(person: Person, rules: SignInRules) -> Literal["code", "enrolment"] | None:
    """What stands between a session and what its person may do; None: nothing."""
    if person.second_factor is not None:
        return None
    if person.has_second_factor:
        return "code"
    return "enrolment" if must_have_second_factor(person, rules) else None


def must_have_second_factor(person: Person, rules: SignInRules) -> bool:
    """Whether a person may not be without one: by any of the roles that the session opens."""
    roles = {tenant.role for tenant in person.tenants} | ({"platform_admin"} if person.is_platform_admin else set())
    return person.is_break_glass or not roles.isdisjoint(rules.second_factor_roles)


def is_fresh(person: Person, *, now: datetime) -> bool:
    """Whether the person signed in so lately that it need not be done again."""
    return person.signed_in_at is not None and now - person.signed_in_at < FRESH


def refuse_unfinished(principal: Principal, rules: SignInRules) -> None:
    """Let nobody go on whose session lacks a second factor.

    Raises:
        SecondFactorNeededError: It does; says what to do.
    """
    step = missing_step(principal.person, rules) if principal.person is not None else None
    if step == "code":
        raise SecondFactorNeededError("Finish signing in first: show the code of your authenticator app.")
    if step == "enrolment":
        raise SecondFactorNeededError("Your role needs a second factor: set up an authenticator app first.")


async def session_holds(session: AsyncSession, digest: bytes, *, now: datetime, rules: SignInRules) -> bool:
    """Whether an answer that goes on for long may go on for this session."""
    row = await _find(session, digest)
    holds = row is not None and _holds(row, now) and bool(row.tenant_is_active)
    return holds and row is not None and missing_step(_person(row), rules) is None


def actor_of(email: str) -> str:
    """A person's name in the audit log."""
    return f"user:{email}"


async def _find(session: AsyncSession, digest: bytes) -> Row[tuple[object, ...]] | None:
    result = await session.execute(text("SELECT * FROM find_user_session(:digest)"), {"digest": digest})
    return result.one_or_none()


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(
        user_id=row.user_id,
        email=row.email,
        name=row.name,
        is_platform_admin=row.is_platform_admin,
        method=row.method,
        provider_id=row.provider_id,
        signed_in_at=row.signed_in_at,
        within=row.within,
        second_factor=row.second_factor,
        has_second_factor=row.has_second_factor,
        is_break_glass=row.is_break_glass,
        tenants=tuple(OpenTenant(**tenant) for tenant in row.tenants),
    )


def _holds(row: Row[tuple[object, ...]], now: datetime) -> bool:
    over = row.ended_at is not None or row.expires_at <= now or row.last_used_at + IDLE <= now
    # The function joins the membership: a person who was taken out of the tenant has no role there, and so no session.
    return row.role is not None and not over

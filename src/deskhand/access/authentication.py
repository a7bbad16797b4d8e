"""Who a credential belongs to, and signing in to the console with a key or a token.

A console session that a key opened is a short-lived key of its own: the browser keeps its hash, encrypted, in a
cookie, and every request looks it up again, so that revoking the key ends the session at once. A person's session
(``access.sessions``) is kept in the same cookie. An answer without end (an event stream) asks again and again with
``still_holds``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import repository, sessions
from deskhand.access.principal import Origin, Principal
from deskhand.access.repository import StoredKey
from deskhand.access.service import KEY, PLATFORM_KEY, PREFIX_LENGTH, SESSION, SESSION_LIFETIME, SIGN_IN, new_key
from deskhand.appstate import AppState, SignInRules
from deskhand.audit import service as audit
from deskhand.audit.refusals import KEY as REFUSED_KEY
from deskhand.audit.refusals import Refusals
from deskhand.errors import ConfigurationError, UnauthenticatedError
from deskhand.kit.crypto import SecretBox, key_digest
from deskhand.kit.db.session import Database

MAX_CREDENTIAL = 2000
"""Characters a credential may have before it is refused unread."""

_SHAPE = re.compile(rf"(?:{KEY}|{PLATFORM_KEY}|{SIGN_IN})_[\w-]{{{PREFIX_LENGTH - 4}}}(?=[\w-]{{35}}\Z)", re.ASCII)
_INVALID = "The API key is unknown, expired or revoked."
_OF_A_KEY, _OF_A_PERSON = "key", "session"


async def sign_in(app: AppState, credential: str) -> str:
    """Exchange an API key or a sign-in token for a console session.

    Args:
        app: The process's shared objects; the tenant is only known once the credential is.
        credential: A ``dhk_`` key or a ``dhs_`` token.

    Returns:
        The value of the session cookie, valid for ``SESSION_LIFETIME``.

    Raises:
        UnauthenticatedError: The credential does not hold, or the token was used before.
    """
    now = app.clock()
    key = await _find_tenant_key(app.db, app.refusals, credential, kinds=(KEY, SIGN_IN), now=now)
    assert key.tenant_id is not None
    async with app.db.tenant_session(key.tenant_id) as session:
        ends = now + SESSION_LIFETIME
        if credential.startswith(f"{SIGN_IN}_"):
            # One statement revokes and answers: of two tabs that send the same token, one gets a session.
            if await repository.use_up(session, key_digest(credential)) is None:
                raise UnauthenticatedError("This sign-in token was already used; ask for a new one.")
            # The session descends from the key that made the token, and ends with it; the token itself is used up.
            origin = key.made_with
        else:
            origin = Origin(key_id=key.id)
            # A session must not outlive the key that opened it.
            ends = min(ends, key.expires_at or ends)
        session_key, plain = await new_key(
            session,
            SESSION,
            key.tenant_id,
            actor=f"api-key:{key.prefix}",
            name=f"Console session of {key.prefix}",
            role=key.role,
            expires_at=ends,
            origin=origin,
        )
        # Or it would be idle at once: a session falls idle by its last use, and it has had none.
        session_key.last_used_at = now
        facts = {"role": session_key.role, "prefix": session_key.prefix}
        await _record(session, key.tenant_id, f"api-key:{key.prefix}", "console.sign_in", session_key.id, after=facts)
    return _cookie(app.secrets, _OF_A_KEY, key_digest(plain))


async def _record(
    session: AsyncSession,
    tenant_id: str,
    actor: str,
    operation: str,
    key_id: UUID,
    *,
    after: Mapping[str, object] | None = None,
) -> None:
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation=operation,
        resource_type="api_key",
        resource_id=key_id,
        after=after,
    )


def cookie_of_person(secrets: SecretBox, digest: bytes) -> str:
    """The value of the session cookie for a person's session."""
    return _cookie(secrets, _OF_A_PERSON, digest)


async def sign_out(db: Database, secrets: SecretBox, cookie: str, *, now: datetime) -> sessions.Proof | None:
    """End a console session, whatever state it is in.

    Returns:
        How a person's session began, if it ended just now.
    """
    try:
        kind, digest = _open_cookie(secrets, cookie)
    # Signing out succeeds in any case: what the browser held opens nothing now.
    except UnauthenticatedError:
        return None
    if kind == _OF_A_PERSON:
        async with db.platform_session() as session:
            return await _sign_out_person(session, digest, now=now)
    async with db.anonymous_session() as session:
        key = await repository.find_api_key(session, digest)
    if key is not None and key.tenant_id is not None:
        async with db.tenant_session(key.tenant_id) as session:
            # A session that is over already ends no second time, however often its cookie is shown.
            if await repository.end_key(session, digest):
                await _record(session, key.tenant_id, f"session:{key.prefix}", "console.sign_out", key.id)
    return None


async def _sign_out_person(session: AsyncSession, digest: bytes, *, now: datetime) -> sessions.Proof | None:
    owner = await repository.owner_of_session(session, digest)
    proof = await sessions.end_session(session, digest, now=now)
    # A session that is over ends no second time, however often its cookie is shown.
    if proof is None or owner is None:
        return None
    user, tenant_id = owner
    for log in sorted({tenant_id or audit.PLATFORM} | ({audit.PLATFORM} if user.is_platform_admin else set())):
        await audit.record(
            session,
            tenant_id=log,
            actor=sessions.actor_of(user.email),
            operation="console.sign_out",
            resource_type="person",
            resource_id=user.id,
        )
    return proof


async def principal_of_key(db: Database, refusals: Refusals, credential: str, *, now: datetime) -> Principal:
    """Whose API key this is; a use is noted, once a minute at most.

    Raises:
        UnauthenticatedError: It is unknown, expired or revoked (the answer does not say which).
    """
    if credential.startswith(f"{PLATFORM_KEY}_"):
        key = await _find_platform_key(db, refusals, credential)
        return Principal(
            kind="platform",
            tenant_id=None,
            role="platform_admin",
            actor=f"platform-key:{key.prefix}",
            origin=Origin(platform_key_id=key.id),
        )
    key = await _find_tenant_key(db, refusals, credential, kinds=(KEY,), now=now)
    return Principal(
        kind="api_key",
        tenant_id=key.tenant_id,
        role=key.role,
        actor=f"api-key:{key.prefix}",
        origin=Origin(key_id=key.id),
        digest=key_digest(credential),
        limited_to=key.limited_to,
    )


async def principal_of_cookie(
    db: Database, secrets: SecretBox, cookie: str, *, now: datetime, active: bool = True
) -> Principal:
    """Whose console session this is; a revoked key, or the revoked key it comes from, ends it.

    Args:
        db: Opens a session; the tenant is only known once the cookie is.
        secrets: Reads the cookie.
        cookie: Its value.
        now: Current time.
        active: Whether a person is behind this request; a page that asks by itself keeps no session alive.

    Raises:
        UnauthenticatedError: The cookie is not ours, or the session is over.
    """
    kind, digest = _open_cookie(secrets, cookie)
    async with db.lookup_session() as session:
        if kind == _OF_A_PERSON:
            return await sessions.principal_of_session(session, digest, now=now, active=active)
        key = await repository.find_api_key(session, digest)
        if key is None or not _is_good(key, now) or _is_idle(key, now):
            raise UnauthenticatedError(sessions.ENDED)
        if active:
            await _note_use(session, key, digest, now)
    return Principal(
        kind="session",
        tenant_id=key.tenant_id,
        role=key.role,
        actor=f"session:{key.prefix}",
        origin=key.made_with,
        digest=digest,
        limited_to=key.limited_to,
    )


async def still_holds(session: AsyncSession, principal: Principal, *, now: datetime, rules: SignInRules) -> bool:
    """Whether a caller may go on being answered: its credential is good and its tenant active."""
    if principal.kind == "person":
        return await sessions.session_holds(session, principal.digest, now=now, rules=rules)
    key = await repository.find_api_key(session, principal.digest)
    # A machine's key may lie unused for months; only a browser's session falls idle.
    idle = principal.kind == "session" and key is not None and _is_idle(key, now)
    return key is not None and key.tenant_is_active and _is_good(key, now) and not idle


async def _find_tenant_key(
    db: Database, refusals: Refusals, credential: str, *, kinds: tuple[str, ...], now: datetime
) -> StoredKey:
    # By the prefix first: a session's own key in an Authorization header is no credential, although its hash is stored.
    if len(credential) > MAX_CREDENTIAL or not credential.startswith(tuple(f"{kind}_" for kind in kinds)):
        refusals.note(REFUSED_KEY, reason="not a key")
        raise UnauthenticatedError(_INVALID)
    async with db.lookup_session() as session:
        key = await repository.find_api_key(session, key_digest(credential))
        if key is None or not _is_good(key, now):
            _note_refusal(refusals, credential, key)
            raise UnauthenticatedError(_INVALID)
        await _note_use(session, key, key_digest(credential), now)
    return key


async def _note_use(session: AsyncSession, key: StoredKey, digest: bytes, now: datetime) -> None:
    if key.used_at is None or key.used_at + sessions.NOTED_EVERY <= now:
        await repository.note_use(session, digest, now)


async def _find_platform_key(db: Database, refusals: Refusals, credential: str) -> StoredKey:
    if len(credential) > MAX_CREDENTIAL:
        refusals.note(REFUSED_KEY, reason="not a key")
        raise UnauthenticatedError(_INVALID)
    async with db.lookup_session() as session:
        key = await repository.find_platform_key(session, key_digest(credential))
    if key is None or key.revoked_at is not None:
        _note_refusal(refusals, credential, key)
        raise UnauthenticatedError(_INVALID)
    return key


def _note_refusal(refusals: Refusals, credential: str, key: StoredKey | None) -> None:
    if key is not None:
        reason = "revoked" if key.revoked_at is not None else "expired"
        refusals.note(REFUSED_KEY, tenant_id=key.tenant_id or audit.PLATFORM, name=key.prefix, reason=reason)
        return
    # The part that lists show of a key. Of what is not shaped like one nothing: it may be a secret of somebody else's.
    match = _SHAPE.match(credential)
    refusals.note(REFUSED_KEY, name=match[0] if match else "", reason="unknown" if match else "not a key")


def _is_good(key: StoredKey, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _is_idle(key: StoredKey, now: datetime) -> bool:
    latest = key.used_at or key.created_at
    return latest is not None and latest + sessions.IDLE <= now


def _cookie(secrets: SecretBox, kind: str, digest: bytes) -> str:
    return secrets.encrypt(json.dumps({kind: digest.hex()}))


def _open_cookie(secrets: SecretBox, cookie: str) -> tuple[str, bytes]:
    """What kind of session it is of, and the hash of its secret."""
    if not cookie or len(cookie) > MAX_CREDENTIAL:
        raise UnauthenticatedError("You are not signed in.")
    try:
        ((kind, digest),) = json.loads(secrets.decrypt(cookie)).items()
        if kind not in (_OF_A_KEY, _OF_A_PERSON):
            raise ValueError(f"no such kind of session: {kind}")
        return kind, bytes.fromhex(digest)
    except (ConfigurationError, ValueError, TypeError, AttributeError) as error:
        raise UnauthenticatedError("Your session is not valid; sign in again.") from error

"""Signing in with an identity provider: the way there, the way back, and signing out there, too.

What is stored of a sign-in under way are hashes; state, nonce and code verifier are made of a secret in the browser's
cookie. So an answer counts once, in the browser that asked, for the provider that was asked (its address names it, RFC
9700 section 4.4.2), within ten minutes.

What comes of it is as unfinished as after a password where a second factor is missing (``access.sessions``).
"""

from __future__ import annotations

import hmac
import secrets as random_secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.authentication import cookie_of_person
from deskhand.access.models import IdentityProvider, SignInAttempt, User
from deskhand.access.people import events, tries
from deskhand.access.people import repository as people
from deskhand.access.people.signing_in import KEPT, SignedIn, begin, first_tenant
from deskhand.access.sessions import Proof
from deskhand.access.sso import accounts, repository
from deskhand.access.sso.providers import relation_of
from deskhand.appstate import AppState
from deskhand.audit import service as audit
from deskhand.audit.refusals import Subject
from deskhand.errors import DeskhandError, ForbiddenError, NotFoundError, UnauthenticatedError, UnavailableError
from deskhand.kit.crypto import key_digest
from deskhand.kit.oidc.client import Attempt, Identity
from deskhand.kit.oidc.wire import Relation

LIFETIME = timedelta(minutes=10)
MFA = "mfa"
"""What ``amr`` says of a sign-in that took more than one factor (RFC 8176). Its other words name one method each, which
may have been the only one."""
MAX_STATE = 200
log = structlog.get_logger(__name__)

_NOT_OURS = (
    "This answer belongs to no sign-in that began in this browser within the last ten minutes, or it was used already."
    " Please sign in again."
)
_NONE_BEGUN = "no sign-in was begun in this browser"
_NO_STATE = "the answer has no state"
_ANOTHERS = "the answer is of another sign-in"
_OVER = "the sign-in is over, or was with another provider"
PROVIDER = Subject("console.sign_in", "identity_provider", "identity-provider")
_GONE = "This way to sign in is not there any more. Ask your administrator."


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the secret that it keeps meanwhile."""

    address: str
    secret: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where the browser is to get to, and its session; one that is unfinished does not open that yet."""

    next_path: str
    signed_in: SignedIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider lets the browser bring back."""

    state: str = ""
    code: str = ""
    iss: str | None = None
    error: str = ""


def redirect_uri(public_url: str, provider_id: UUID) -> str:
    """Where a provider sends people back to."""
    return f"{public_url}/login/sso/{provider_id}/callback"


async def offered(app: AppState, known: UUID | None) -> list[tuple[UUID, str]]:
    """Ids and names of the providers on the sign-in page."""
    if not app.db.reaches_platform:
        return []  # such an installation has no people's accounts either, and its keys sign in without
    async with app.db.platform_session() as session:
        return [(one.id, one.name) for one in await repository.offered_providers(session, known)]


async def depart(app: AppState, provider_id: UUID, *, next_path: str, address: str) -> Departure:
    """Begin a sign-in.

    Args:
        app: The process's shared objects.
        provider_id: With whom.
        next_path: Page of ours to go on to afterwards.
        address: Where the request comes from.

    Raises:
        NotFoundError: There is no such provider, or it is switched off.
        RateLimitedError: Too many sign-ins were begun from this address and not ended.
        UnavailableError: The provider does not answer.
    """
    now = app.clock()
    async with app.db.platform_session() as session:
        with events.noting_lock_out(app, email="", shown="provider"):
            await tries.take(session, tries.provider_buckets(app.secrets, address=address), now=now)
        provider = await repository.provider(session, provider_id)
        if provider is None or not provider.is_active:
            raise NotFoundError(_GONE)
    attempt = Attempt(random_secrets.token_urlsafe(32))
    where = await app.oidc.sign_in_address(
        relation_of(provider, app.secrets),
        attempt,
        redirect_uri=redirect_uri(app.public_url, provider_id),
        now=now,
    )
    async with app.db.platform_session() as session:
        stored = SignInAttempt(
            state_hash=key_digest(attempt.state),
            provider_id=provider_id,
            next_path=next_path,
            expires_at=now + LIFETIME,
        )
        await repository.begin(session, stored, now=now)
    return Departure(where, attempt.secret)


async def arrive(app: AppState, provider_id: UUID, answer: Answer, *, secret: str, address: str) -> Arrival:
    """Come back from the provider: with its word on who it is, or with why not.

    Args:
        app: The process's shared objects.
        provider_id: By the address that was called.
        answer: What the browser brings.
        secret: What the browser kept.
        address: Where the request comes from.

    Raises:
        UnauthenticatedError: The answer is not for this browser, or the provider's word does not hold.
        ForbiddenError: The person is known and may not enter.
        UnavailableError: The provider does not answer.
    """
    attempt = Attempt(secret)
    state = answer.state[:MAX_STATE]
    # Compared before it is used up: somebody else's state in this browser must not end the sign-in of either.
    if not secret or not hmac.compare_digest(state.encode(), attempt.state.encode()):
        await _note_foreign(app, provider_id, _NONE_BEGUN if not secret else _ANOTHERS if state else _NO_STATE)
        raise UnauthenticatedError(_NOT_OURS)
    now = app.clock()
    async with app.db.platform_session() as session:
        # In a transaction of its own, which commits: an answer that fails below was used all the same.
        next_path = await repository.use_up(session, key_digest(state), provider_id, now=now)
        provider = await repository.provider(session, provider_id)
    if next_path is None or provider is None:
        await _note_foreign(app, provider_id, _OVER)
        raise UnauthenticatedError(_NOT_OURS)
    try:
        identity = await _word_of(app, provider, attempt, answer)
        signed_in = await _enter(app, provider, identity, address=address)
    except (UnauthenticatedError, ForbiddenError, UnavailableError) as error:
        await _record_refusal(app, provider, error)
        raise
    return Arrival(next_path, signed_in)


async def _word_of(app: AppState, provider: IdentityProvider, attempt: Attempt, answer: Answer) -> Identity:
    relation, now = relation_of(provider, app.secrets), app.clock()
    await app.oidc.check_sender(relation, answer.iss, now=now)
    if answer.error or not answer.code:
        # The provider's words may be anybody's, since they came through the browser: the log has them, not the page.
        log.warning("oidc_sign_in_ended", provider=provider.name, error=answer.error[:100])
        raise UnauthenticatedError(f"The sign-in with {provider.name} was cancelled or refused there.")
    back = redirect_uri(app.public_url, provider.id)
    return await app.oidc.identity(relation, attempt, code=answer.code, redirect_uri=back, now=now)


async def _enter(app: AppState, provider: IdentityProvider, identity: Identity, *, address: str) -> SignedIn:
    """Open a session for whom the provider vouches."""
    wanted = accounts.wanted_roles(provider, identity.claims)
    now = app.clock()
    async with app.db.platform_session() as session:
        current = await repository.provider(session, provider.id)
        if current is None or not current.is_active:
            raise ForbiddenError(_GONE)  # switched off while the provider was asked
        user = await accounts.account_of(session, current, identity, wanted)
        await accounts.apply_roles(session, current, user, wanted, now=now)
        signed_in = await _open(app, session, current, user, identity) if wanted else None
        await tries.give_back(session, tries.provider_buckets(app.secrets, address=address), now=now)
        await people.forget_old(session, before=now - KEPT)
        await repository.forget_tokens(session, now=now)
    # After the commit: that nothing is allowed any more has to be written down before it is said.
    if signed_in is None:
        raise accounts.no_access(provider)
    return signed_in


async def _open(
    app: AppState, session: AsyncSession, provider: IdentityProvider, user: User, identity: Identity
) -> SignedIn:
    tenant_id = provider.tenant_id or await first_tenant(session, user, within=None)
    proof = Proof(
        method="oidc",
        provider_id=provider.id,
        id_token_encrypted=app.secrets.encrypt(identity.id_token),
        second_factor="provider" if _vouches(provider, user, identity) else None,
    )
    digest, is_finished = await begin(
        app, session, user, tenant_id=tenant_id, within=provider.tenant_id, proof=proof, now=app.clock()
    )
    return SignedIn(cookie_of_person(app.secrets, digest), is_finished)


def _vouches(provider: IdentityProvider, user: User, identity: Identity) -> bool:
    """Whether the provider's word stands for the second factor, by the same rule as ``find_user_session()``."""
    return provider.vouches_for_second_factor and MFA in identity.methods and not user.is_break_glass


async def _note_foreign(app: AppState, provider_id: UUID, reason: str) -> None:
    """Let the administrators of a provider see that somebody brought an answer that is not this browser's.

    Counted and not written at once: whoever calls the address needs nothing for it.
    """
    async with app.db.platform_session() as session:
        provider = await repository.provider(session, provider_id)
    if provider is None:
        app.refusals.note(PROVIDER, reason="there is no such provider")
        return
    app.refusals.note(
        PROVIDER,
        reason=reason,
        name=provider.name,
        resource_id=str(provider.id),
        tenant_id=provider.tenant_id or audit.PLATFORM,
    )


async def _record_refusal(app: AppState, provider: IdentityProvider, error: DeskhandError) -> None:
    """Let the administrators of the provider see that a sign-in with it failed, and how."""
    async with app.db.platform_session() as session:
        await audit.record(
            session,
            tenant_id=provider.tenant_id if provider.tenant_id is not None else audit.PLATFORM,
            actor=f"identity-provider:{provider.name}",
            operation="console.sign_in",
            resource_type="identity_provider",
            resource_id=provider.id,
            details={"method": "oidc", "provider": provider.name, "reason": error.detail},
            status="failure" if isinstance(error, UnavailableError) else "denied",
        )


async def sign_out_address(app: AppState, proof: Proof | None) -> str | None:
    """Where the browser goes to sign out at the provider that its session came from; None if there is no such place."""
    if proof is None or proof.provider_id is None or proof.id_token_encrypted is None:
        return None
    async with app.db.platform_session() as session:
        provider = await repository.provider(session, proof.provider_id)
    if provider is None:
        return None
    relation: Relation = relation_of(provider, app.secrets)
    try:
        return await app.oidc.sign_out_address(
            relation,
            id_token=app.secrets.decrypt(proof.id_token_encrypted),
            back_to=f"{app.public_url}/login",
            now=app.clock(),
        )
    # The session here has ended by now, whether the provider is there or not; that is what was asked for.
    except UnavailableError as error:
        log.warning("oidc_sign_out_skipped", provider=provider.name, reason=error.detail)
        return None

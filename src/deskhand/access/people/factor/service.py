"""The second factor of people: enrolling an authenticator app, showing its codes, and doing without it.

The secret that an app is to share is offered in the page's own form, encrypted and bound to the session, and stored
when the first code of it comes back: an enrolment that nobody finishes leaves nothing behind. Whatever opened the
session, a password or an identity provider, goes along into the one that comes after it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.authentication import cookie_of_person
from deskhand.access.models import User
from deskhand.access.people import events, tries
from deskhand.access.people import repository as people
from deskhand.access.people.confirmation import asks_for_password, confirm
from deskhand.access.people.factor import repository
from deskhand.access.principal import Factor, Person, Principal
from deskhand.access.sessions import Proof, is_fresh, missing_step, must_have_second_factor
from deskhand.appstate import AppState
from deskhand.errors import (
    ConfigurationError,
    ConflictError,
    FieldProblem,
    InvalidInputError,
    SecondFactorNeededError,
    UnauthenticatedError,
)
from deskhand.kit.crypto import key_digest
from deskhand.kit.totp import (
    new_recovery_codes,
    new_totp_secret,
    plain_recovery_code,
    qr_svg,
    totp_step,
    totp_uri,
)

OFFER_LIFETIME = timedelta(minutes=30)
_MAX_OFFER = 1000

_WRONG = "This code is wrong, or was used before. Wait for the next one."
_WRONG_RECOVERY = "This recovery code is wrong, or was used before."
_BEYOND = (
    "Your account works in more than {tenant}, and what you signed in with counts in {tenant} alone. Sign in with a"
    " password of your own, or with the installation's identity provider, and set the app up there; a platform"
    " administrator makes a link that sets a password."
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret for an authenticator app, as a page shows it."""

    secret: str = field(repr=False)
    picture: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def groups(self) -> str:
        """The secret for those who type it."""
        return " ".join(self.secret[at : at + 4] for at in range(0, len(self.secret), 4))


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why a person cannot enrol in this session, and the provider with which to sign in anew where that helps."""

    reason: str
    provider_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a person gets who enrolled: a new session, and the recovery codes, which are shown this once."""

    cookie: str = field(repr=False)
    codes: list[str] = field(repr=False)


# -- showing a code --------------------------------------------------------------------------------------------------


async def finish_sign_in(app: AppState, principal: Principal, code: str, *, address: str, device: str | None) -> str:
    """Show the second factor: the unfinished session ends and one begins that may do everything.

    Args:
        app: The process's shared objects.
        principal: Who, with an unfinished session.
        code: Of the app, or a recovery code.
        address: Where the request comes from.
        device: The browser's name, if it finished signing in to this account before.

    Returns:
        The new session's cookie.

    Raises:
        UnauthenticatedError: The code does not fit, or was used.
        RateLimitedError: Too many codes were wrong.
        ConflictError: Nothing is missing.
    """
    person = _person(principal)
    if missing_step(person, app.sign_in_rules) != "code":
        raise ConflictError("Your session needs no code.")
    now = app.clock()
    # Who runs a tenant's provider can come as its person and type wrong codes: that must not end anybody's tries
    # elsewhere.
    account = str(person.user_id) if person.within is None else f"{person.user_id}\n{person.within}"
    buckets = tries.buckets_of_codes(app.secrets, account=account, address=address, device=device)
    async with app.db.platform_session() as session:
        # In a transaction of its own, which commits: a failure below must not take the count back.
        with events.noting_lock_out(app, email=person.email, shown="code"):
            await tries.take(session, buckets, now=now)
    async with app.db.platform_session() as session:
        user = await people.lock_user(session, person.user_id)
        shown = await _use_code(app, session, person.user_id, code, now=now)
        if user is not None and user.is_active and shown is not None:
            await tries.give_back(session, buckets, now=now)
            return await _go_on(app, session, user, principal, shown, now=now)
    as_what: Factor = "code" if _looks_like_totp(code) else "recovery_code"
    await events.record_refusal(app, person.email, user, shown=as_what)
    raise UnauthenticatedError(_WRONG if as_what == "code" else _WRONG_RECOVERY)


async def _go_on(
    app: AppState, session: AsyncSession, user: User, principal: Principal, shown: Factor, *, now: datetime
) -> str:
    # The unfinished session is used up with the code: of two requests with one cookie, one goes on.
    proof = replace(await _end(session, principal, now=now), second_factor=shown)
    digest = await events.arrive(app, session, user, tenant_id=principal.tenant_id, proof=proof, now=now)
    if shown == "recovery_code":
        left = await repository.unused_recovery_codes(session, user.id)
        await events.record(session, user, "person.recovery_code", left=left)
    return cookie_of_person(app.secrets, digest)


async def _use_code(app: AppState, session: AsyncSession, user_id: UUID, code: str, *, now: datetime) -> Factor | None:
    """Use a code up; what it was, or None if it is none."""
    if not _looks_like_totp(code):
        digest = key_digest(plain_recovery_code(code))
        return "recovery_code" if await repository.use_recovery_code(session, user_id, digest, now=now) else None
    factor = await repository.factor_of(session, user_id)
    step = totp_step(app.secrets.decrypt(factor.secret_encrypted), code, now) if factor is not None else None
    if factor is None or step is None:
        return None
    return "code" if await repository.use_step(session, factor.id, step) else None


def _looks_like_totp(code: str) -> bool:
    return plain_recovery_code(code).isdecimal()


# -- enrolling -------------------------------------------------------------------------------------------------------


def offer(app: AppState, principal: Principal) -> Offer:
    """A fresh secret for an authenticator app.

    Raises:
        SecondFactorNeededError: The person has an app already and has not shown its code.
    """
    person = _person(principal)
    _refuse_before_code(app, person)
    secret = new_totp_secret()
    until = app.clock() + OFFER_LIFETIME
    content = {"secret": secret, "session": principal.digest.hex(), "until": until.timestamp()}
    uri = totp_uri(secret, account=person.email, host=urlsplit(app.public_url).hostname or "")
    return Offer(secret, qr_svg(uri), app.secrets.encrypt(json.dumps(content)))


def offered_again(app: AppState, principal: Principal, token: str) -> Offer:
    """The offer that a form was sent with, for the page that says what was wrong with the form."""
    secret = _offered_secret(app, principal, token)
    uri = totp_uri(secret, account=_person(principal).email, host=urlsplit(app.public_url).hostname or "")
    return Offer(secret, qr_svg(uri), token)


async def enrol(app: AppState, principal: Principal, *, token: str, code: str, password: str, address: str) -> Enrolled:
    """Take an authenticator app into use, instead of any before; every other session of the person ends.

    Args:
        app: The process's shared objects.
        principal: Who; with an unfinished session if the role demands a second factor.
        token: Of the offer.
        code: The app's first one.
        password: The present one, also of somebody who has just shown it: a session may have become unfinished long
            after its sign-in, when a role began to need a second factor. Of whom a provider signed in, none: its word
            must be fresh.
        address: Where the request comes from.

    Raises:
        InvalidInputError: The code or the password is wrong, or the page is too old.
        SecondFactorNeededError: As ``offer``.
        ConflictError: The person has to sign in anew first, or differently (``hindrance``).
    """
    person = _person(principal)
    _refuse_before_code(app, person)
    now = app.clock()
    secret = _offered_secret(app, principal, token)
    step = totp_step(secret, code, now)
    if step is None:
        raise _invalid("/code", "This code does not fit. Is the clock of your phone right? Type the next one.")
    await confirm(app, person, password, address=address)
    codes = new_recovery_codes()
    async with app.db.platform_session() as session:
        user = await _locked(session, person)
        if await _is_beyond(session, person, user):
            raise ConflictError(_BEYOND.format(tenant=person.within))
        proof = replace(await _end(session, principal, now=now), second_factor="code")
        encrypted, digests = app.secrets.encrypt(secret), _digests(codes)
        await repository.put_factor(session, user.id, secret=encrypted, step=step, codes=digests)
        operation = "person.second_factor_change" if person.has_second_factor else "person.second_factor"
        await events.record(session, user, operation)
        cookie = await _fresh_session(app, session, user, principal, proof, now=now)
    return Enrolled(cookie, codes)


async def hindrance(app: AppState, principal: Principal) -> Hindrance | None:
    """What keeps a person from enrolling in this session, for the page to say before anything is scanned."""
    person = _person(principal)
    if not asks_for_password(person) and not is_fresh(person, now=app.clock()):
        return Hindrance("It is a while since you signed in. Sign in once more to set the app up.", person.provider_id)
    async with app.db.platform_session() as session:
        user = await _locked(session, person)
        if await _is_beyond(session, person, user):
            return Hindrance(_BEYOND.format(tenant=person.within))
    return None


async def _is_beyond(session: AsyncSession, person: Person, user: User) -> bool:
    """Whether the account reaches further than the word that opened this session.

    One authenticator is asked for wherever the account goes: whom one tenant's administrator, or provider, lets in as
    somebody must not choose it for the others. Who has shown the account's own code is not in question.
    """
    if person.within is None or person.second_factor is not None:
        return False
    return user.is_platform_admin or bool(set(await people.tenants_of(session, user.id)) - {person.within})


async def new_codes(app: AppState, principal: Principal, *, password: str, address: str) -> list[str]:
    """Ten new recovery codes; those before are void.

    Raises:
        InvalidInputError: The password is wrong.
        ConflictError: There is no authenticator app.
    """
    person = _person(principal)
    await confirm(app, person, password, address=address)
    codes = new_recovery_codes()
    async with app.db.platform_session() as session:
        user = await _locked(session, person)
        if await repository.factor_of(session, user.id) is None:
            raise ConflictError("You have no authenticator app, so there is nothing to recover.")
        await repository.put_recovery_codes(session, user.id, _digests(codes))
        await events.record(session, user, "person.recovery_codes")
    return codes


async def remove(app: AppState, principal: Principal, *, password: str, address: str) -> str:
    """Do without a second factor from now on; every other session of the person ends.

    Returns:
        The cookie of a new session.

    Raises:
        InvalidInputError: The password is wrong.
        ConflictError: The person must have one, or has none.
    """
    person = _person(principal)
    if must_have_second_factor(person, app.sign_in_rules):
        raise ConflictError("Your account must have a second factor. You can change to another authenticator app.")
    await confirm(app, person, password, address=address)
    now = app.clock()
    async with app.db.platform_session() as session:
        user = await _locked(session, person)
        if not await repository.remove_factor(session, user.id):
            raise ConflictError("You have no authenticator app.")
        await events.record(session, user, "person.second_factor_remove")
        proof = await _end(session, principal, now=now)
        # What was shown of ours is of no account any more; a provider's own word goes on.
        proof = proof if proof.second_factor == "provider" else replace(proof, second_factor=None)
        return await _fresh_session(app, session, user, principal, proof, now=now)


async def recovery_codes_left(app: AppState, person: Person) -> int:
    """How many recovery codes a person can still use."""
    async with app.db.platform_session() as session:
        return await repository.unused_recovery_codes(session, person.user_id)


async def _fresh_session(
    app: AppState,
    session: AsyncSession,
    user: User,
    principal: Principal,
    proof: Proof,
    *,
    now: datetime,
) -> str:
    """A new session in the same tenant, instead of all that the person has."""
    await sessions.end_sessions_of(session, user.id, now=now)
    if missing_step(_person(principal), app.sign_in_rules) is not None:
        digest = await events.arrive(app, session, user, tenant_id=principal.tenant_id, proof=proof, now=now)
    else:
        digest = await sessions.open_session(
            session, user_id=user.id, tenant_id=principal.tenant_id, now=now, proof=proof
        )
    return cookie_of_person(app.secrets, digest)


async def _end(session: AsyncSession, principal: Principal, *, now: datetime) -> Proof:
    proof = await sessions.end_session(session, principal.digest, now=now)
    if proof is None:
        raise UnauthenticatedError(sessions.ENDED)
    return proof


def _offered_secret(app: AppState, principal: Principal, token: str) -> str:
    """The secret of an offer that this session was made.

    Raises:
        InvalidInputError: It is another session's, too old, or none.
    """
    too_old = _invalid("/token", "This page is too old. Begin again with the new picture.")
    if len(token) > _MAX_OFFER:
        raise too_old
    try:
        content: Any = json.loads(app.secrets.decrypt(token))
        fits = content["session"] == principal.digest.hex() and content["until"] > app.clock().timestamp()
        secret = str(content["secret"])
    except (ConfigurationError, ValueError, KeyError, TypeError) as error:
        raise too_old from error
    if not fits:
        raise too_old
    return secret


def _refuse_before_code(app: AppState, person: Person) -> None:
    """Who has an app shows its code first: the password alone must not be enough to put another in its place."""
    if missing_step(person, app.sign_in_rules) == "code":
        raise SecondFactorNeededError("Show the code of your authenticator app first.")


async def _locked(session: AsyncSession, person: Person) -> User:
    user = await people.lock_user(session, person.user_id)
    if user is None or not user.is_active:
        raise UnauthenticatedError(sessions.ENDED)
    return user


def _person(principal: Principal) -> Person:
    assert principal.person is not None, "the guard let in somebody who is no person"
    return principal.person


def _digests(codes: list[str]) -> list[bytes]:
    return [key_digest(plain_recovery_code(code)) for code in codes]


def _invalid(pointer: str, problem: str) -> InvalidInputError:
    return InvalidInputError(problem, errors=[FieldProblem(pointer=pointer, detail=problem)])

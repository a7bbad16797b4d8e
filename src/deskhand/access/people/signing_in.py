"""How people sign in, change between their tenants, and set their passwords.

What a stranger can ask for (signing in, using a link) tells nothing about who has an account: the answers are the same
words, and a failure is answered no sooner than ``FAILURE_SECONDS`` after it came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.authentication import cookie_of_person
from deskhand.access.models import User
from deskhand.access.people import events, repository, tries
from deskhand.access.people.confirmation import confirm_password
from deskhand.access.people.factor import repository as factors
from deskhand.access.principal import OpenTenant, Person
from deskhand.access.sessions import PASSWORD, Proof
from deskhand.appstate import AppState
from deskhand.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from deskhand.kit.crypto import key_digest
from deskhand.kit.passwords import ensure_good_password

FAILURE_SECONDS = 0.5
"""No failed sign-in is answered sooner; longer than any of its ways takes on a server that is not overloaded."""
KEPT = timedelta(days=30)
_MAX_LINK = 200

_WRONG = "The email address or the password is wrong."
_WRONG_OR_NOT_HERE = (
    "The email address or the password is wrong, or the account signs in with the identity provider: here a password"
    " opens break-glass accounts alone."
)
_DEAD_LINK = "This link was used already, or is older than a day. Ask an administrator for a new one."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a browser gets: the session's cookie, and whether it opens more than the page of the second factor."""

    cookie: str
    is_finished: bool


async def sign_in(app: AppState, *, email: str, password: str, address: str, device: str | None) -> SignedIn:
    """Begin a session with a password; one that may only ask for the second factor where there must be one.

    Args:
        app: The process's shared objects.
        email: Of the account, as typed.
        password: As typed.
        address: Where the request comes from.
        device: The browser's name, if it signed in to this account before.

    Raises:
        UnauthenticatedError: No such account, a wrong password, a disabled account, or one that no password opens here:
            one answer for all of them.
        RateLimitedError: Too many tries.
        ForbiddenError: The password is right, and the account belongs to no tenant.
    """
    now = app.clock()
    buckets = tries.buckets_of(app.secrets, account=email, address=address, device=device)
    wrong = _WRONG_OR_NOT_HERE if app.sign_in_rules.break_glass_only else _WRONG
    async with _alike_in_time():
        async with app.db.platform_session() as session:
            # In a transaction of its own, which commits: a failure below must not take the count back.
            with events.noting_lock_out(app, email=email, shown="password"):
                await tries.take(session, buckets, now=now)
            user = await repository.user_by_email(session, email)
        stored = user.password_hash if user is not None and _may_use_password(app, user) else None
        # Also where there is no account: verify() then computes against a decoy, so that the time tells nothing.
        if not await app.passwords.verify(stored, password):
            await events.record_refusal(app, email, user, shown="password")
            raise UnauthenticatedError(wrong)
    assert user is not None
    assert stored is not None
    # Only now is the plain password known, to hash it with today's cost.
    renewed = await app.passwords.hash(password) if app.passwords.is_outdated(stored) else stored
    async with app.db.platform_session() as session:
        # Read again under a lock: hashing takes long enough for an administrator to disable the account meanwhile.
        current = await repository.lock_user(session, user.id)
        if current is None or current.password_hash != stored or not _may_use_password(app, current):
            raise UnauthenticatedError(wrong)  # changed while the hash was computed
        current.password_hash = renewed
        await tries.give_back(session, buckets, now=now)
        await repository.forget_old(session, before=now - KEPT)
        within = current.password_vouched_in
        tenant_id = await first_tenant(session, current, within=within)
        digest, is_finished = await begin(
            app, session, current, tenant_id=tenant_id, within=within, proof=PASSWORD, now=now
        )
    return SignedIn(cookie_of_person(app.secrets, digest), is_finished)


def _may_use_password(app: AppState, user: User) -> bool:
    return user.is_active and (user.is_break_glass or not app.sign_in_rules.break_glass_only)


async def begin(
    app: AppState,
    session: AsyncSession,
    user: User,
    *,
    tenant_id: str | None,
    within: str | None,
    proof: Proof,
    now: datetime,
) -> tuple[bytes, bool]:
    """Begin a session after a password or a provider's word, and say whether it may do everything already.

    Args:
        app: The process's shared objects.
        session: A platform session.
        user: Who, locked.
        tenant_id: Where the person acts.
        within: The one tenant that the session will open; None if it opens all.
        proof: What was shown.
        now: Current time.
    """
    if sessions.missing_step(await _as_person(session, user, proof, within=within), app.sign_in_rules) is None:
        return await events.arrive(app, session, user, tenant_id=tenant_id, proof=proof, now=now), True
    digest = await sessions.open_session(
        session, user_id=user.id, tenant_id=tenant_id, now=now, proof=proof, lifetime=sessions.UNFINISHED_LIFETIME
    )
    return digest, False


async def _as_person(session: AsyncSession, user: User, proof: Proof, *, within: str | None) -> Person:
    """Who would be signed in, for the rules to look at: with what was shown, and what that opens."""
    roles = [one for one in await repository.roles_of(session, user.id) if within in (None, one[0])]
    return Person(
        user_id=user.id,
        email=user.email,
        name=user.name,
        is_platform_admin=user.is_platform_admin and within is None,
        method=proof.method,
        second_factor=proof.second_factor,
        has_second_factor=await factors.factor_of(session, user.id) is not None,
        is_break_glass=user.is_break_glass,
        tenants=tuple(OpenTenant(tenant_id=tenant_id, name=tenant_id, role=role) for tenant_id, role in roles),
    )


async def switch_tenant(app: AppState, person: Person, *, digest: bytes, tenant_id: str | None) -> str:
    """Go on in another tenant: a new session begins and the present one ends.

    Args:
        app: The process's shared objects.
        person: Who.
        digest: Of the present session.
        tenant_id: Where to; None for a platform administrator's own pages.

    Returns:
        The new session's cookie.

    Raises:
        NotFoundError: The person does not belong there; whether there is such a tenant is not said.
    """
    now = app.clock()
    async with app.db.platform_session() as session:
        user = await repository.lock_user(session, person.user_id)
        tenants = await repository.tenants_of(session, person.user_id)
        # Both: what this session may reach (a tenant's own provider opens that tenant alone), and what holds by now.
        within = {tenant.tenant_id for tenant in person.tenants} & set(tenants)
        if tenant_id is not None:
            allowed = tenant_id in within
        else:
            allowed = user is not None and user.is_platform_admin and person.is_platform_admin
        proof = await sessions.end_session(session, digest, now=now)
        if user is None or not allowed or proof is None:
            raise NotFoundError(f"There is no tenant '{tenant_id or ''}' that you belong to.")
        fresh = await sessions.open_session(session, user_id=user.id, tenant_id=tenant_id, now=now, proof=proof)
        await events.record(session, user, "console.enter", tenants=[] if tenant_id is None else [tenant_id])
    return cookie_of_person(app.secrets, fresh)


async def change_password(
    app: AppState, person: Person, *, current: str, new: str, tenant_id: str | None, address: str
) -> str:
    """Change one's own password; every other session of the person ends.

    Returns:
        The cookie of a new session in the same tenant.

    Raises:
        InvalidInputError: The current password is wrong, or the new one is not good.
        RateLimitedError: The current one was wrong too often.
    """
    ensure_good_password(new, about=(person.email, person.name), pointer="/new")
    stored = await confirm_password(app, person, current, address=address, pointer="/current")
    now = app.clock()
    hashed = await app.passwords.hash(new)
    async with app.db.platform_session() as session:
        user = await repository.lock_user(session, person.user_id)
        if user is None or user.password_hash != stored:
            raise UnauthenticatedError("Your password was changed elsewhere; sign in again.")
        # Whoever knew the password can change it, so that says nothing about whose it is.
        await replace_password(session, user, hashed, vouched_in=user.password_vouched_in, now=now)
        await events.record(session, user, "person.password_change")
        # A provider's word is of a session that the provider opened, and this one the password has.
        shown = person.second_factor if person.second_factor != "provider" else None
        proof = Proof(second_factor=shown)
        where = user.password_vouched_in or tenant_id
        digest = await sessions.open_session(session, user_id=user.id, tenant_id=where, now=now, proof=proof)
    return cookie_of_person(app.secrets, digest)


async def owner_of_link(app: AppState, token: str) -> User:
    """Whose password a link may set.

    Raises:
        NotFoundError: It was used, is too old, or never existed.
    """
    async with app.db.platform_session() as session:
        user = await repository.owner_of_link(session, _link_digest(token), now=app.clock())
    if user is None or not user.is_active:
        raise NotFoundError(_DEAD_LINK)
    return user


async def set_password(app: AppState, token: str, password: str) -> None:
    """Set a password with a link, once; every session of the person ends.

    Raises:
        NotFoundError: As ``owner_of_link``.
        InvalidInputError: The password is not good; the link can be used again.
    """
    user = await owner_of_link(app, token)
    ensure_good_password(password, about=(user.email, user.name))
    hashed = await app.passwords.hash(password)
    now = app.clock()
    async with app.db.platform_session() as session:
        current = await repository.lock_user(session, user.id)
        link = await repository.use_link(session, _link_digest(token), now=now)
        if current is None or not current.is_active or link is None:
            raise NotFoundError(_DEAD_LINK)
        await replace_password(session, current, hashed, vouched_in=link.vouched_in, now=now)
        await events.record(session, current, "person.password_set")


async def replace_password(
    session: AsyncSession, user: User, hashed: str, *, vouched_in: str | None, now: datetime
) -> None:
    """Let another password count; every session and link of the person ends.

    Args:
        session: A platform session.
        user: Whose, locked.
        hashed: Of the new one.
        vouched_in: The tenant whose administrator may know it, which is all that it opens; None if it is the person's
            own.
        now: Current time.
    """
    user.password_hash = hashed
    user.password_vouched_in = vouched_in
    user.password_set_at = now
    await sessions.end_sessions_of(session, user.id, now=now)
    await repository.void_links(session, user.id, now=now)


async def first_tenant(session: AsyncSession, user: User, *, within: str | None) -> str | None:
    """Where a session begins: where the last one was, else in the first tenant, else on the platform's pages.

    Args:
        session: A platform session.
        user: Whose.
        within: The one tenant that what was shown opens; None if it opens all.
    """
    tenants = [one for one in await repository.tenants_of(session, user.id) if within in (None, one)]
    latest = await repository.latest_tenant(session, user.id)
    if latest in tenants:
        return latest
    if not tenants and within is not None:
        raise ForbiddenError(
            f"Your password opens {within} alone, where you are not any more. Sign in with your identity provider, or"
            " ask an administrator of the platform for a link that sets a password."
        )
    if not tenants and not user.is_platform_admin:
        raise ForbiddenError("Your account belongs to no tenant. Ask an administrator to add you to one.")
    return tenants[0] if tenants else None


@asynccontextmanager
async def _alike_in_time() -> AsyncIterator[None]:
    """Let a failure in the block come out no sooner than others do."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
    except UnauthenticatedError:
        await _pause(max(0.0, began + FAILURE_SECONDS - loop.time()))
        raise


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _link_digest(token: str) -> bytes:
    return key_digest(token[:_MAX_LINK])

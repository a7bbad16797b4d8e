"""What people's sign-ins leave behind: entries of the audit log, and a loud word on a break-glass account.

An entry stands in the log of each tenant that it concerns. What concerns none (a platform administrator, a stranger)
stands in the installation's own log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.models import IdentityProvider, User
from deskhand.access.people import repository
from deskhand.access.people.schemas import EMAIL_PATTERN
from deskhand.access.sessions import Proof, actor_of
from deskhand.appstate import AppState
from deskhand.audit import service as audit
from deskhand.audit.refusals import STRANGER, Subject
from deskhand.audit.service import PLATFORM, Status
from deskhand.errors import RateLimitedError

log = structlog.get_logger(__name__)

PERSON = Subject("console.sign_in", "person", "user")
TOO_MANY = "too many tries"
_EMAIL = re.compile(EMAIL_PATTERN, re.ASCII)

Shown = Literal["password", "code", "recovery_code", "confirmation", "provider"]


async def record(
    session: AsyncSession,
    user: User,
    operation: str,
    *,
    tenants: Iterable[str] | None = None,
    actor: str | None = None,
    status: Status = "success",
    **details: object,
) -> None:
    """Put on record what a person did, or what was done to a person.

    Args:
        session: A platform session.
        user: The person.
        operation: What was done.
        tenants: In whose logs; those of all the person's tenants if None.
        actor: Who did it; the person if None.
        status: How it ended.
        details: More about it; where it came from, the log knows by itself.
    """
    concerned = await repository.tenants_of(session, user.id) if tenants is None else tenants
    # Sorted, because each log is locked in turn: two changes that met in another order would deadlock.
    for tenant_id in sorted(_logs(user, concerned)):
        await audit.record(
            session,
            tenant_id=tenant_id,
            actor=actor or actor_of(user.email),
            operation=operation,
            resource_type="person",
            resource_id=user.id,
            status=status,
            details=details,
        )


def _logs(user: User, tenants: Iterable[str]) -> set[str]:
    concerned = set(tenants)
    if user.is_platform_admin or not concerned:
        concerned.add(PLATFORM)
    return concerned


async def logs_of_account(session: AsyncSession, email: str) -> Sequence[str]:
    """Whose audit logs an account concerns, if it is one; the installation's, if it is none.

    Args:
        session: A platform session.
        email: The account's address.
    """
    user = await repository.user_by_email(session, email)
    return [PLATFORM] if user is None else sorted(_logs(user, await repository.tenants_of(session, user.id)))


@contextmanager
def noting_lock_out(app: AppState, *, email: str, shown: Shown) -> Iterator[None]:
    """Put on record that the block refused a try because there were too many before.

    Args:
        app: The process's shared objects.
        email: The account that was tried, as typed.
        shown: What was tried.
    """
    try:
        yield
    except RateLimitedError:
        account = _address_or_nothing(email)
        app.refusals.note(PERSON, reason=f"{TOO_MANY} ({shown})", account=account)
        raise


def _address_or_nothing(typed: str) -> str:
    # Only what looks like an address: people type their password into the wrong field, and entries stay.
    return typed if _EMAIL.fullmatch(typed) else ""


async def record_refusal(app: AppState, email: str, user: User | None, *, shown: Shown) -> None:
    """Put a failed sign-in on record, in a transaction of its own: the failure takes the caller's back.

    Args:
        app: The process's shared objects.
        email: What was typed.
        user: Whose account that is, if it is one.
        shown: What did not fit.
    """
    async with app.db.platform_session() as session:
        if user is not None:
            await record(session, user, "console.sign_in", status="denied", shown=shown)
        else:
            await audit.record(
                session,
                tenant_id=PLATFORM,
                actor=STRANGER,
                operation="console.sign_in",
                resource_type="person",
                resource_id=None,
                status="denied",
                details={"email": _address_or_nothing(email), "shown": shown},
            )
    if user is not None and user.is_break_glass:
        app.telemetry.break_glass("denied")
        log.warning("break_glass_refused", email=user.email, shown=shown)


async def arrive(
    app: AppState, session: AsyncSession, user: User, *, tenant_id: str | None, proof: Proof, now: datetime
) -> bytes:
    """Begin the session of somebody who has shown all there is to show, and put it on record.

    Args:
        app: The process's shared objects.
        session: A platform session.
        user: Who, locked.
        tenant_id: Where the person acts.
        proof: What was shown.
        now: Current time.

    Returns:
        The session's hash, as ``sessions.open_session``.
    """
    user.last_sign_in_at = now
    digest = await sessions.open_session(session, user_id=user.id, tenant_id=tenant_id, now=now, proof=proof)
    entered = [] if tenant_id is None else [tenant_id]
    shown = proof.second_factor or proof.method
    source = await _provider_of(session, proof)
    await record(session, user, "console.sign_in", tenants=entered, shown=shown, **source)
    if user.is_break_glass:
        # In every log that the account reaches: whoever looks after a tenant should ask why the door was broken.
        await record(session, user, "console.break_glass", shown=shown, **source)
        app.telemetry.break_glass("success")
        log.warning("break_glass_sign_in", email=user.email, shown=shown)
    return digest


async def _provider_of(session: AsyncSession, proof: Proof) -> dict[str, Any]:
    """Which provider signed the person in, for the entry; nothing after a password."""
    provider = await session.get(IdentityProvider, proof.provider_id) if proof.provider_id is not None else None
    if provider is None:
        return {}
    return {"method": proof.method, "provider": provider.name, "provider_id": str(provider.id)}

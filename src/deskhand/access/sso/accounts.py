"""From a provider's word to an account here: who it is, and what the person may do now.

Whoever runs a provider can say anything about anybody, so what a provider says counts where its owner rules and nowhere
else: a tenant's own provider makes members of that tenant, connects accounts of its members alone, and its sessions
stay there (``find_user_session()``). Neither an address nor a subject of one tenant's provider means anything to
another's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access import sessions
from deskhand.access.models import IdentityProvider, User
from deskhand.access.people import repository as people
from deskhand.access.people.schemas import EMAIL_PATTERN
from deskhand.access.principal import PLATFORM_ADMIN
from deskhand.access.sso import repository
from deskhand.audit import service as audit
from deskhand.errors import ForbiddenError
from deskhand.kit.oidc.client import Identity
from deskhand.kit.storable import storable_text

MAX_EMAIL = 254
MAX_NAME = 200
_EMAIL = re.compile(EMAIL_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person's groups give, by the rules of the provider."""

    roles: Mapping[str, str]
    platform: bool

    def __bool__(self) -> bool:
        return bool(self.roles) or self.platform


def wanted_roles(provider: IdentityProvider, claims: Mapping[str, Any]) -> Wanted:
    """What a person's groups give; for each tenant the first rule decides."""
    groups = groups_of(claims, provider.groups_claim)
    roles: dict[str, str] = {}
    platform = False
    for rule in provider.role_rules:
        if rule["group"] not in groups:
            continue
        if provider.tenant_id is not None:
            # Whatever stands in the row: a tenant's own provider says nothing of other tenants, nor of the platform.
            if rule["role"] != PLATFORM_ADMIN and rule.get("tenant_id") in (None, provider.tenant_id):
                roles.setdefault(provider.tenant_id, rule["role"])
        elif rule["role"] == PLATFORM_ADMIN:
            platform = True
        else:
            roles.setdefault(rule["tenant_id"], rule["role"])
    return Wanted(roles, platform)


def groups_of(claims: Mapping[str, Any], name: str) -> set[str]:
    """The groups in a claim, which is a list or, for a single one (Google's ``hd``), a text."""
    value = claims.get(name)
    groups = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return {group for group in groups if isinstance(group, str)}


async def account_of(session: AsyncSession, provider: IdentityProvider, identity: Identity, wanted: Wanted) -> User:
    """The account of whom the provider vouches for: known, connected now, or made now.

    Args:
        session: A platform session.
        provider: Who says so.
        identity: What it says.
        wanted: What the person would be allowed to do.

    Raises:
        ForbiddenError: There is none that may be used; says why in a sentence.
    """
    await repository.one_at_a_time(session, f"{provider.tenant_id}\n{provider.issuer}\n{identity.subject}")
    user = await repository.user_of(session, provider, identity.subject)
    if user is None:
        if not wanted:
            raise no_access(provider)
        user = await _first_seen(session, provider, identity)
        await repository.connect(session, provider, identity.subject, user.id)
    if not user.is_active:
        raise ForbiddenError("Your account is disabled. Ask an administrator.")
    return user


async def apply_roles(
    session: AsyncSession, provider: IdentityProvider, user: User, wanted: Wanted, *, now: datetime
) -> None:
    """Let a person have what the groups give by now, and nothing any more that this provider gave before."""
    before = await repository.memberships(session, user.id)
    known = await repository.existing_tenants(session, list(wanted.roles))
    for tenant_id in sorted(set(before) | known):
        held, role = before.get(tenant_id), wanted.roles.get(tenant_id)
        if role is not None and tenant_id in known:
            await repository.set_membership(
                session, tenant_id=tenant_id, user_id=user.id, role=role, provider_id=provider.id
            )
            if held is None or held.role != role:
                await _record(session, provider, user, tenant_id, role=role, before=held.role if held else None)
        elif held is not None and held.provider_id == provider.id:
            await people.remove_membership(session, tenant_id, user.id)
            await sessions.end_sessions_of(session, user.id, now=now, tenant_id=tenant_id)
            await _record(session, provider, user, tenant_id, role=None, before=held.role)
    await _apply_platform(session, provider, user, wanted)


def no_access(provider: IdentityProvider) -> ForbiddenError:
    """Who is known and has no group that counts."""
    return ForbiddenError(
        f"{provider.name} has signed you in, but none of your groups there gives access here. Ask your administrator"
        " to add you to one."
    )


async def _apply_platform(session: AsyncSession, provider: IdentityProvider, user: User, wanted: Wanted) -> None:
    was = user.is_platform_admin
    if wanted.platform and not was:
        user.is_platform_admin, user.platform_admin_by = True, provider.id
    elif was and not wanted.platform and user.platform_admin_by == provider.id:
        user.is_platform_admin, user.platform_admin_by = False, None
    await session.flush()
    if user.is_platform_admin != was:
        role, before = (PLATFORM_ADMIN, None) if wanted.platform else (None, PLATFORM_ADMIN)
        await _record(session, provider, user, audit.PLATFORM, role=role, before=before)


async def _first_seen(session: AsyncSession, provider: IdentityProvider, identity: Identity) -> User:
    email = identity.claims.get("email")
    if not isinstance(email, str) or len(email) > MAX_EMAIL or not _EMAIL.fullmatch(email):
        raise ForbiddenError(
            f"{provider.name} did not tell your email address. Ask your administrator to let it send the claim email."
        )
    email = email.lower()
    if await people.add_user(session, email=email, name=_name(identity.claims), is_platform_admin=False):
        user = await people.user_by_email(session, email)
        assert user is not None
        return user
    user = await people.user_by_email(session, email)
    assert user is not None
    if not await _may_connect(session, provider, identity, user):
        # One sentence for every reason: it must not tell a tenant's provider where else somebody has an account.
        raise ForbiddenError(
            f"{provider.name} may not vouch for {email}: there is an account of this address that it cannot be"
            " connected to. Ask your administrator."
        )
    return user


async def _may_connect(session: AsyncSession, provider: IdentityProvider, identity: Identity, user: User) -> bool:
    """Whether an account that exists is the one that the provider speaks of, and the provider's to speak of."""
    domain = user.email.rpartition("@")[2].lower()
    vouched = identity.claims.get("email_verified") is True and domain in {
        allowed.lower() for allowed in provider.email_domains
    }
    if not vouched or provider.tenant_id is None:
        return vouched
    return provider.tenant_id in await people.tenants_of(session, user.id)


def _name(claims: Mapping[str, Any]) -> str | None:
    name = claims.get("name")
    if not isinstance(name, str):
        return None
    shown = "".join(char for char in storable_text(name) if char.isprintable()).strip()
    return shown[:MAX_NAME] or None


async def _record(
    session: AsyncSession,
    provider: IdentityProvider,
    user: User,
    tenant_id: str,
    *,
    role: str | None,
    before: str | None,
) -> None:
    await audit.record(
        session,
        tenant_id=tenant_id,
        actor=f"identity-provider:{provider.name}",
        operation="person.role",
        resource_type="person",
        resource_id=user.id,
        details={"email": user.email, "before": before, "role": role},
    )

"""Who a request comes from, and what a role may do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

Factor = Literal["code", "recovery_code", "provider"]
"""What a session was proved with besides: ours, or by the word of an identity provider that is trusted with it."""
Role = Literal["viewer", "editor", "operator", "tenant_admin"]
PLATFORM_ADMIN = "platform_admin"

_GRANTS: dict[str, frozenset[str]] = {
    "viewer": frozenset({"viewer"}),
    "editor": frozenset({"viewer", "editor"}),
    "operator": frozenset({"viewer", "operator"}),
    "tenant_admin": frozenset({"viewer", "editor", "operator", "tenant_admin"}),
    PLATFORM_ADMIN: frozenset({PLATFORM_ADMIN}),
}
"""What each role includes. Editors change what an agent is, operators decide when it runs; neither
includes the other, so that the two can be different people."""


def role_includes(role: str, needed: str) -> bool:
    """Whether a role includes another one."""
    return needed in _GRANTS.get(role, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The key or person that a credential comes from and ends with; none for one that the command line made."""

    key_id: UUID | None = None
    platform_key_id: UUID | None = None
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTenant:
    """A tenant that a person may enter, and as what."""

    tenant_id: str
    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is signed in, beyond the role in the current tenant.

    In a session that a tenant's own identity provider opened, that tenant is the only one and there is no platform,
    whatever the account may with a password.

    Attributes:
        method: How the person signed in: ``password``, or ``oidc`` for an identity provider.
        provider_id: With which provider.
        signed_in_at: When the password, or the provider's word, was shown.
        within: The one tenant that the session opens, because a tenant's word began it; None: all of the account's.
        second_factor: What the session was proved with besides; None: nothing.
        has_second_factor: Whether the account has one to ask for.
        is_break_glass: Whether it is the account for the day on which the identity provider is down.
    """

    user_id: UUID
    email: str
    name: str | None
    is_platform_admin: bool
    method: str = "password"
    provider_id: UUID | None = None
    signed_in_at: datetime | None = None
    within: str | None = None
    second_factor: Factor | None = None
    has_second_factor: bool = False
    is_break_glass: bool = False
    tenants: tuple[OpenTenant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller of one request.

    Attributes:
        kind: How the caller proved who it is: a machine's key, a platform key, a console session that a key opened,
            a person's own session, or a link in a mail to that person.
        tenant_id: The one tenant it acts in; None for a platform administrator.
        role: One of ``access.models.ROLES``, or ``platform_admin``.
        actor: Name in the audit log, e.g. ``api-key:dhk_ab12cd34``.
        origin: What the sign-in tokens it makes end with.
        digest: Hash of its key, by which a long answer asks whether the caller may still see it.
        person: Who it is, where a person signed in.
        limited_to: Companies whose runs and tickets alone it sees, as ``<desk>:<id>``; None: everything of the tenant.
    """

    kind: Literal["api_key", "platform", "session", "person", "link"]
    tenant_id: str | None
    role: str
    actor: str
    origin: Origin = field(default_factory=Origin)
    digest: bytes = field(default=b"", repr=False)
    person: Person | None = None
    limited_to: tuple[str, ...] | None = None

    def may(self, role: str) -> bool:
        """Whether this caller's role includes ``role``."""
        return role_includes(self.role, role)


def principal_in(principal: Principal, tenant_id: str) -> Principal | None:
    """The same caller as a member of a tenant, with the role it has there; None where it does not belong to it."""
    if principal.tenant_id == tenant_id:
        return principal
    tenants = principal.person.tenants if principal.person else ()
    role = next((one.role for one in tenants if one.tenant_id == tenant_id), None)
    return None if role is None else replace(principal, tenant_id=tenant_id, role=role)

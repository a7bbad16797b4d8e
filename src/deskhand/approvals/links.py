"""A link in a mail to a named person: it shows a call, and answers it once in that person's name.

It counts for the person, the call and the words of the call that the notice was about, and for no longer than the call
waits. Where the tenant or the installation asks for more than a mailbox, it leads to signing in and counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Origin, Principal
from deskhand.access.sessions import actor_of
from deskhand.approvals import service
from deskhand.approvals.rules import wants_four_eyes
from deskhand.approvals.schemas import ApprovalView
from deskhand.appstate import AppState, SignInRules
from deskhand.errors import ForbiddenError, NotFoundError
from deskhand.kit.crypto import key_digest

MOST_CHARACTERS = 200

Verb = Literal["approve", "decline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link that holds.

    Attributes:
        digest: Of the call as the notice was about it.
        holder: The person it was sent to, in the tenant.
        must_sign_in: Whether the holder's account is guarded by more than a password.
        roles: The holder's, in all tenants: one of them may ask for a second factor.
    """

    tenant_id: str
    approval_id: UUID
    digest: str
    email: str
    holder: Principal
    must_sign_in: bool
    roles: frozenset[str]

    @property
    def page(self) -> str:
        """Where the call is answered by whoever signs in."""
        return f"/approvals/{self.tenant_id}/{self.approval_id}"


async def link_behind(app: AppState, token: str) -> Link:
    """What a link is for.

    Raises:
        NotFoundError: There is none, or its person may not answer in the tenant any more: one answer for all of them.
    """
    digest = key_digest(token[:MOST_CHARACTERS])
    async with app.db.anonymous_session() as session:
        result = await session.execute(text("SELECT * FROM find_approval_link(:digest)"), {"digest": digest})
        row = result.one_or_none()
    if row is None:
        raise NotFoundError("This link holds no more. Sign in to see what waits for you.")
    holder = Principal(
        kind="link",
        tenant_id=row.tenant_id,
        role=row.role,
        actor=actor_of(row.email),
        origin=Origin(user_id=row.user_id),
    )
    return Link(
        tenant_id=row.tenant_id,
        approval_id=row.approval_id,
        digest=row.digest,
        email=row.email,
        holder=holder,
        must_sign_in=row.must_sign_in,
        roles=frozenset(row.roles),
    )


async def counts_by_itself(session: AsyncSession, link: Link, rules: SignInRules) -> bool:
    """Whether nothing more than the mailbox is asked of the link's person."""
    # Whoever signs in elsewhere, or shows a code, would come in with less by a mail than by the door.
    if link.must_sign_in or rules.break_glass_only or not link.roles.isdisjoint(rules.second_factor_roles):
        return False
    return not await wants_four_eyes(session, link.tenant_id)


async def look(session: AsyncSession, link: Link) -> ApprovalView:
    """The call as it is shown before an answer.

    Raises:
        ForbiddenError: It takes a higher role by now.
        ConflictError: It was answered, changed or given up.
    """
    asked = await service.get_open(session, link.approval_id, link.digest)
    if not link.holder.may(asked.approver):
        raise ForbiddenError(f"This needs the role {asked.approver}; yours is {link.holder.role}.")
    return asked


async def answer(session: AsyncSession, link: Link, verb: Verb, *, reason: str) -> ApprovalView:
    """Answer in the person's name. Raises as ``look``."""
    if verb == "approve":
        return await service.approve(session, link.approval_id, link.digest, principal=link.holder)
    return await service.decline(session, link.approval_id, link.digest, reason=reason, principal=link.holder)

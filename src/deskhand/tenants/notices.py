"""Whether the people and channels that a tenant names for notices can be told at all, asked when they are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.nearest import what_exists
from deskhand.kit.pointer import pointer
from deskhand.tenants.approval_rules import NoticeChannel, NoticeRules, approval_rules
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.notification_rules import notification_rules
from deskhand.tenants.outside import outside_settings
from deskhand.tenants.storm_rules import storm_rules

_PLACE = ("enhancement_preferences", "approvals", "notices")
_TOLD = ("enhancement_preferences", "notifications")
_OF_STORMS = ("enhancement_preferences", "storms", "tell")


@dataclass(frozen=True, slots=True)
class ApprovingMember:
    """A member who may answer something."""

    user_id: UUID
    role: str


async def approving_members(session: AsyncSession) -> dict[str, ApprovingMember]:
    """Members of the session's tenant who may answer something, by address in lower case."""
    rows = await session.execute(text("SELECT user_id, lower(email) AS email, role FROM approving_members()"))
    return {row.email: ApprovingMember(row.user_id, row.role) for row in rows}


async def ensure_notices_reach(session: AsyncSession, tenant: TenantConfig, secrets: SecretBox) -> None:
    """Refuse notices to whom nobody could send them, or who could not answer.

    Raises:
        InvalidInputError: Names every fault, and what to do first.
    """
    await _ensure_notifications_reach(session, tenant, secrets)
    rules = approval_rules(tenant.enhancement_preferences).notices
    if not rules.reach_somebody:
        return
    members = await approving_members(session)
    faults = [*_unreachable_people(rules, set(members)), *_unknown_channels(rules.channels, _PLACE, tenant, secrets)]
    if rules.mail and mail_settings(tenant, secrets) is None:
        detail = "needs the tenant's mail: set `email` in `connection_extras` first"
        faults.append(FieldProblem(pointer([*_PLACE, "mail"]), detail))
    if faults:
        raise InvalidInputError(f"Notices: {'; '.join(fault.detail for fault in faults)}", errors=faults)


async def _ensure_notifications_reach(session: AsyncSession, tenant: TenantConfig, secrets: SecretBox) -> None:
    # No mail is asked for: until there is one, mails wait, and the page of notifications says so.
    rules = notification_rules(tenant.enhancement_preferences)
    named = (((*_TOLD, "mail"), rules.mail), (_OF_STORMS, storm_rules(tenant.enhancement_preferences).tell))
    asked = any(addresses for _, addresses in named)
    rows = await session.execute(text("SELECT lower(email) AS email FROM members_to_tell()")) if asked else ()
    members = {row.email for row in rows}
    faults = [
        FieldProblem(pointer([*place, number]), f"{address} is no active member of the tenant; invite the person first")
        for place, addresses in named
        for number, address in enumerate(addresses)
        if address.lower() not in members
    ]
    faults += _unknown_channels(rules.channels, _TOLD, tenant, secrets)
    if faults:
        raise InvalidInputError(f"Notifications: {'; '.join(fault.detail for fault in faults)}", errors=faults)


def _unreachable_people(rules: NoticeRules, members: Set[str]) -> Iterator[FieldProblem]:
    for number, address in enumerate(rules.mail):
        if address.lower() not in members:
            # The same words for whoever has no account: who has one elsewhere is not this tenant's to know.
            detail = f"{address} is no active member with the role operator or tenant_admin; invite the person first"
            yield FieldProblem(pointer([*_PLACE, "mail", number]), detail)


def _unknown_channels(
    channels: Sequence[NoticeChannel], place: Sequence[str], tenant: TenantConfig, secrets: SecretBox
) -> Iterator[FieldProblem]:
    settings = outside_settings(tenant, secrets) if channels else {}
    for number, one in enumerate(channels):
        names = list(settings[one.tool].places) if one.tool in settings else []
        if one.channel not in names:
            detail = f"the tenant has no {one.tool} channel '{one.channel}'; {what_exists(one.channel, names)}"
            yield FieldProblem(pointer([*place, "channels", number]), detail)

"""Who is told that calls wait: what is due, who takes it, and how it ended. Nothing is sent here.

A notice is taken in one transaction, leaves outside of any, and is settled in another. Between them it is on record
that it is leaving, so that of a worker that died everybody knows whether its notice may have arrived: one that
certainly did not is sent again, and one that may have is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import role_includes
from deskhand.approvals import notice_rows as rows
from deskhand.approvals.models import ApprovalNotice, NoticeState
from deskhand.approvals.notice_rows import WaitingCall
from deskhand.audit.service import record
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.crypto import key_digest, new_api_key
from deskhand.kit.db.session import database_now
from deskhand.tenants.approval_rules import NoticeRules, approval_rules
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.notices import approving_members

MAIL = "mail"
LINK = "dha"
ACTOR = "deskhand"
MOST_TENANTS = 20
"""Tenants that one look takes; the next look takes further ones."""
LOST_AFTER = timedelta(minutes=5)
"""A notice that was taken and not settled for so long has lost its worker: no way of sending takes half as long."""
AGAIN_AFTER = timedelta(minutes=10)
"""How long a recipient is left alone whose server refused."""
NOT_PARKED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to tell: a member by mail, or a channel of a chat.

    Attributes:
        kind: ``mail``, or the chat.
        name: The address or the channel.
        role: What the member may answer; None for a channel, which is told everything.
        user_id: The member's account.
    """

    kind: str
    name: str
    role: str | None = None
    user_id: UUID | None = None

    @property
    def key(self) -> str:
        """As stored."""
        return f"{self.kind}:{self.name}"

    def is_told(self, call: WaitingCall) -> bool:
        """Whether a call concerns this recipient."""
        return self.role is None or role_includes(self.role, call.approver)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message that a worker has taken, about calls that nobody has told its recipient of.

    Attributes:
        tokens: Secrets of the links of a mail, by call; known at this moment alone.
    """

    tenant: TenantConfig
    message_id: UUID
    recipient: Recipient
    calls: Sequence[WaitingCall]
    tokens: Mapping[UUID, str] = field(default_factory=dict, repr=False)

    @property
    def tenant_id(self) -> str:
        """Whose calls they are."""
        return self.tenant.tenant_id


async def first_notice_at(session: AsyncSession, tenant_id: str) -> datetime | None:
    """When a call that is asked now is to be told of; None where the tenant names nobody."""
    rules = approval_rules(await rows.preferences(session, tenant_id)).notices
    return await database_now(session) + timedelta(seconds=rules.gather_seconds) if rules.reach_somebody else None


async def tenants_to_notify(pool: asyncpg.Pool[asyncpg.Record]) -> list[str]:
    """Tenants in which something is due."""
    due = await pool.fetch("SELECT tenant_id FROM tenants_to_notify($1)", MOST_TENANTS)
    return [row["tenant_id"] for row in due]


async def take(session: AsyncSession, tenant_id: str) -> list[Notice]:
    """Take what is due in a tenant, one notice for each recipient; the caller sends them after the commit."""
    # Two workers that looked at once would each find the same calls untold.
    if not await rows.lock_tenant(session, tenant_id):
        return []
    now = await database_now(session)
    for lost in await rows.lost_ones(session, before=now - LOST_AFTER):
        await settle(session, lost, NoticeState.DOUBT)
    calls = await rows.calls_to_tell(session)
    tenant = await rows.tenant_of(session, tenant_id)
    rules = approval_rules(tenant.enhancement_preferences).notices
    recipients = [*await _members(session, rules), *(Recipient(one.tool, one.channel) for one in rules.channels)]
    looks = {call.id: _second_look(call, now) for call in calls}
    parked = [call for call in calls if call.run_status == ExecutionStatus.WAITING]
    notices = []
    for recipient in recipients:
        mine = [call for call in parked if recipient.is_told(call)]
        untold, later = await _untold(session, recipient, mine, rules, now)
        for call_id, at in later.items():
            looks[call_id].append(at)
        if untold:
            notices.append(await _begin(session, tenant, recipient, untold, now))
    await rows.look_again(session, {call_id: min(times, default=None) for call_id, times in looks.items()})
    return notices


async def hand_over(session: AsyncSession, notice: Notice) -> bool:
    """Put on record that a notice leaves now; False where another worker has taken its calls meanwhile."""
    return await rows.hand_over(session, notice.message_id) == len(notice.calls)


async def settle(
    session: AsyncSession, notice: Notice | Sequence[ApprovalNotice], state: NoticeState, *, why: str = ""
) -> None:
    """Put on record how a notice ended; sent or not, people can read in the audit log who was told of what."""
    told = (
        [(notice.tenant_id, call.id, notice.recipient.key, notice.message_id) for call in notice.calls]
        if isinstance(notice, Notice)
        else [(one.tenant_id, one.approval_id, one.recipient, one.message_id) for one in notice]
    )
    tenant_id, _, recipient, message_id = told[0]
    if not await rows.settle(session, message_id, state):
        return
    await record(
        session,
        tenant_id=tenant_id,
        actor=ACTOR,
        operation="approval.notice",
        resource_type="approval_notice",
        resource_id=message_id,
        status="success" if state is NoticeState.SENT else "failure",
        details={"to": recipient, "approvals": [str(one[1]) for one in told], "state": state.value, "why": why},
    )


async def _begin(
    session: AsyncSession, tenant: TenantConfig, recipient: Recipient, calls: Sequence[WaitingCall], now: datetime
) -> Notice:
    # A channel is read by whoever is in it: its links are nobody's, and so lead to signing in.
    tokens = {call.id: new_api_key(LINK) for call in calls} if recipient.user_id is not None else {}
    notice = Notice(tenant=tenant, message_id=uuid4(), recipient=recipient, calls=calls, tokens=tokens)
    values = [
        {
            "tenant_id": notice.tenant_id,
            "approval_id": call.id,
            "recipient": recipient.key,
            "message_id": notice.message_id,
            "state": NoticeState.BEGUN,
            "changed_at": now,
            "user_id": recipient.user_id,
            "secret_hash": key_digest(tokens[call.id]) if tokens else None,
            "digest": call.digest,
        }
        for call in calls
    ]
    await rows.begin(session, values)
    return notice


async def _members(session: AsyncSession, rules: NoticeRules) -> Iterator[Recipient]:
    """The people who are named and who may answer something at this moment."""
    members = await approving_members(session) if rules.mail else {}
    addresses = dict.fromkeys(address.lower() for address in rules.mail)
    people = ((address, members[address]) for address in addresses if address in members)
    return (Recipient(MAIL, address, member.role, member.user_id) for address, member in people)


async def _untold(
    session: AsyncSession, recipient: Recipient, calls: Sequence[WaitingCall], rules: NoticeRules, now: datetime
) -> tuple[list[WaitingCall], dict[UUID, datetime]]:
    """What a recipient is to be told of now, and when to look at each call again because of this recipient."""
    known = await rows.notices_to(session, recipient.key, [call.id for call in calls])
    later: dict[UUID, datetime] = {}
    untold = []
    for call in calls:
        notice = known.get(call.id)
        if notice is None:
            untold.append(call)
        elif notice.state in (NoticeState.FAILED, NoticeState.BEGUN):
            # Begun and not handed over: nothing has left, so it may be begun anew.
            rest = AGAIN_AFTER if notice.state == NoticeState.FAILED else LOST_AFTER
            if notice.changed_at + rest <= now:
                untold.append(call)
            else:
                later[call.id] = notice.changed_at + rest
        elif notice.state == NoticeState.HANDED:
            later[call.id] = notice.changed_at + LOST_AFTER
    last = await rows.last_notice_at(session, recipient.key, begun_after=now - LOST_AFTER)
    free = None if last is None else last + timedelta(minutes=rules.pause_minutes)
    if free is not None and free > now:
        return [], {**later, **{call.id: free for call in untold}}
    return untold, {**later, **{call.id: now + LOST_AFTER for call in untold}}


def _second_look(call: WaitingCall, now: datetime) -> list[datetime]:
    # Asked, and on its way to waiting: the worker has not ended the attempt yet.
    status = ExecutionStatus(call.run_status)
    on_its_way = status is not ExecutionStatus.WAITING and not status.is_final
    return [now + NOT_PARKED] if on_its_way else []

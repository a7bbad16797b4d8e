"""Queries of notices. Private to this feature; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, and_, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentVersion
from deskhand.approvals.models import Approval, ApprovalNotice, ApprovalState, NoticeState
from deskhand.engine.models import AgentExecution
from deskhand.tenants.models import TenantConfig

MOST_CALLS = 500
"""Calls that one look takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCall:
    """What may be told of a call: nothing that a requester or a model has written."""

    id: UUID
    operation: str
    risk: str
    approver: str
    digest: str
    ticket_number: str | None
    agent_name: str
    agent_version: int
    expires_at: datetime
    run_status: str


async def preferences(session: AsyncSession, tenant_id: str) -> dict[str, Any] | None:
    """The tenant's own settings, as stored."""
    return (await tenant_of(session, tenant_id)).enhancement_preferences


async def tenant_of(session: AsyncSession, tenant_id: str) -> TenantConfig:
    """The tenant's row."""
    return (await session.execute(select(TenantConfig).where(TenantConfig.tenant_id == tenant_id))).scalar_one()


async def lock_tenant(session: AsyncSession, tenant_id: str) -> bool:
    """Keep other workers from the tenant's notices until the end of the transaction; False if one keeps us."""
    statement = text("SELECT pg_try_advisory_xact_lock(hashtextextended('deskhand.notices/' || :tenant_id, 0))")
    return bool((await session.execute(statement, {"tenant_id": tenant_id})).scalar_one())


async def calls_to_tell(session: AsyncSession) -> list[WaitingCall]:
    """Calls that wait and that somebody may still have to be told of; the longest due first."""
    statement = (
        select(Approval, AgentExecution.status, Agent.name, AgentVersion.version_number)
        .join(AgentExecution, AgentExecution.id == Approval.execution_id)
        .join(Agent, Agent.id == AgentExecution.agent_id)
        .join(AgentVersion, AgentVersion.id == AgentExecution.agent_version_id)
        .where(Approval.notify_at.is_not(None), Approval.state == ApprovalState.WAITING)
        .order_by(Approval.notify_at, Approval.created_at, Approval.id)
        .limit(MOST_CALLS)
    )
    return [
        WaitingCall(
            id=approval.id,
            operation=approval.operation,
            risk=approval.risk,
            approver=approval.approver,
            digest=approval.digest,
            ticket_number=(approval.ticket or {}).get("number") or approval.ticket_id,
            agent_name=name,
            agent_version=version,
            expires_at=approval.expires_at,
            run_status=status,
        )
        for approval, status, name, version in await session.execute(statement)
    ]


async def notices_to(session: AsyncSession, recipient: str, calls: Sequence[UUID]) -> dict[UUID, ApprovalNotice]:
    """What a recipient was told of these calls, by call."""
    statement = (
        select(ApprovalNotice)
        .where(ApprovalNotice.recipient == recipient, ApprovalNotice.approval_id.in_(calls))
        .execution_options(populate_existing=True)
    )
    return {one.approval_id: one for one in (await session.execute(statement)).scalars()}


async def last_notice_at(session: AsyncSession, recipient: str, *, begun_after: datetime) -> datetime | None:
    """When a recipient was sent something last, or is being sent something."""
    left = ApprovalNotice.state.in_((NoticeState.HANDED, NoticeState.SENT, NoticeState.DOUBT))
    leaving = and_(ApprovalNotice.state == NoticeState.BEGUN, ApprovalNotice.changed_at > begun_after)
    statement = select(func.max(ApprovalNotice.changed_at)).where(
        ApprovalNotice.recipient == recipient, or_(left, leaving)
    )
    return (await session.execute(statement)).scalar_one()


async def lost_ones(session: AsyncSession, *, before: datetime) -> list[list[ApprovalNotice]]:
    """Notices that were leaving when their worker was heard of last, by message."""
    statement = (
        select(ApprovalNotice)
        .where(ApprovalNotice.state == NoticeState.HANDED, ApprovalNotice.changed_at <= before)
        .order_by(ApprovalNotice.message_id, ApprovalNotice.approval_id)
    )
    lost = (await session.execute(statement)).scalars()
    return [list(notices) for _, notices in groupby(lost, key=lambda one: one.message_id)]


async def begin(session: AsyncSession, values: Sequence[Mapping[str, Any]]) -> None:
    """Take calls for one message; whoever took them before has lost them, and the links that never left."""
    statement = insert(ApprovalNotice).values(values)
    keys = ("tenant_id", "approval_id", "recipient")
    taken = {name: statement.excluded[name] for name in values[0] if name not in keys}
    await session.execute(statement.on_conflict_do_update(index_elements=keys, set_=taken))


_HAND_OVER = text(
    "UPDATE approval_notices SET state = 'handed', changed_at = clock_timestamp()"
    " WHERE message_id = :message_id AND state = 'begun' RETURNING approval_id"
)
_SETTLE = {
    # Late, but true: a worker that was only slow knows better than whoever took it for dead.
    NoticeState.SENT: text(
        "UPDATE approval_notices SET state = 'sent', changed_at = clock_timestamp()"
        " WHERE message_id = :message_id AND state IN ('begun', 'handed', 'doubt') RETURNING approval_id"
    ),
    NoticeState.DOUBT: text(
        "UPDATE approval_notices SET state = 'doubt' WHERE message_id = :message_id AND state = 'handed'"
        " RETURNING approval_id"
    ),
    NoticeState.FAILED: text(
        "UPDATE approval_notices SET state = 'failed', changed_at = clock_timestamp()"
        " WHERE message_id = :message_id AND state IN ('begun', 'handed') RETURNING approval_id"
    ),
}


async def hand_over(session: AsyncSession, message_id: UUID) -> int:
    """Note that a message leaves; how many calls it is about that are still its own."""
    return await _count(session, _HAND_OVER, message_id)


async def settle(session: AsyncSession, message_id: UUID, state: NoticeState) -> bool:
    """Note how a message ended; False where that was known."""
    return await _count(session, _SETTLE[state], message_id) > 0


async def look_again(session: AsyncSession, times: Mapping[UUID, datetime | None]) -> None:
    """When each call is to be looked at next; None: all who are to be told were."""
    if not times:
        return
    statement = text("UPDATE approvals SET notify_at = CAST(:at AS timestamptz) WHERE id = :call")
    await session.execute(statement, [{"call": call, "at": at} for call, at in times.items()])


async def _count(session: AsyncSession, statement: TextClause, message_id: UUID) -> int:
    return len((await session.execute(statement, {"message_id": message_id})).all())

"""From a fact to a message that leaves: what is due, who takes it, and how it ended. Nothing is sent here.

Facts are gathered into one open message for each recipient, in the transaction that marks them as seen to; so a fact is
in each recipient's messages once, whoever dies when. A message that is due is closed and taken in one transaction,
leaves outside of any, and is settled in another. Between them it is on record that it is leaving (``handed``): one that
certainly did not leave is tried again, and one that may have is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import role_includes
from deskhand.audit.service import record
from deskhand.budgets.models import Budget
from deskhand.kit.db.session import database_now
from deskhand.notifications import repository
from deskhand.notifications.gathering import Fact, Line, add, due_at, lines_of, sift
from deskhand.notifications.kinds import MEANINGS, next_digest, usual_pace
from deskhand.notifications.models import Kind, MessageState, Notification, NotificationFact, Pace
from deskhand.tenants.approval_rules import approval_rules
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.notification_rules import NotificationRules, notification_rules

MAIL = "mail"
ACTOR = "deskhand"
MOST_TENANTS = 20
LOST_AFTER = timedelta(minutes=5)
"""A message that was taken and not settled for so long has lost its worker: no way of sending takes half as long."""
MOST_TRIES = 10
LONGEST_REST = timedelta(hours=4)
HELD_UP_FOR = timedelta(minutes=10)
FACTS_KEPT, MESSAGES_KEPT = timedelta(days=30), timedelta(days=90)
NO_MAIL = "The tenant has no mail server; set `email` among its connections."
DIED = "Its worker died while it was leaving: it may have arrived, and is not sent again."


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to tell: a member by mail, or a channel of a chat.

    Attributes:
        kind: ``mail``, or the chat.
        name: The address or the channel.
        paces: How soon, by kind of fact; what is not in it is not told.
    """

    kind: str
    name: str
    paces: Mapping[Kind, Pace]
    user_id: UUID | None = None

    @property
    def key(self) -> str:
        """As stored."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that a worker has taken."""

    tenant: TenantConfig
    id: UUID
    attempt: int
    to_kind: str
    to_name: str
    user_id: UUID | None
    pace: str
    lines: Sequence[Line]

    @property
    def tenant_id(self) -> str:
        """Whose message it is."""
        return self.tenant.tenant_id


async def tenants_to_tell(pool: asyncpg.Pool[asyncpg.Record]) -> list[str]:
    """Tenants in which something is due."""
    due = await pool.fetch("SELECT tenant_id FROM tenants_to_tell($1)", MOST_TENANTS)
    return [row["tenant_id"] for row in due]


async def take(session: AsyncSession, tenant_id: str, *, has_mail: Callable[[TenantConfig], bool]) -> list[Message]:
    """Gather what happened, and take the messages that are due; the caller sends them after the commit.

    Args:
        session: A tenant session.
        tenant_id: Of which tenant.
        has_mail: Whether a tenant has a mail server; without one its mails go on gathering, and nothing is lost.
    """
    if not await repository.lock_tenant(session, tenant_id):
        return []
    now = await database_now(session)
    tenant = await repository.tenant_of(session, tenant_id)
    found = await repository.facts(session)
    if found:
        await _gather(session, tenant, found, now)
        await repository.prune(session, facts_before=FACTS_KEPT, messages_before=MESSAGES_KEPT)
    members = {user_id for user_id, _, _ in await repository.members(session)}
    can_mail = has_mail(tenant)
    taken = []
    for message in await repository.due_messages(session, now):
        if await _may_leave(session, message, now, members=members, can_mail=can_mail):
            message.state, message.attempt = MessageState.READY, message.attempt + 1
            message.closed_at, message.due_at = message.closed_at or now, now + LOST_AFTER
            taken.append(_message(tenant, message))
    await session.flush()
    return taken


async def hand_over(session: AsyncSession, message: Message) -> bool:
    """Put on record that a message leaves now; False where another worker has taken it meanwhile."""
    return await repository.hand_over(session, message.id, message.attempt)


async def settle(session: AsyncSession, message: Message, state: MessageState, *, why: str = "") -> None:
    """Put on record how a try ended. One that failed (``ready``) is tried again, for half a day."""
    due = await database_now(session)
    if state is MessageState.READY:
        if message.attempt >= MOST_TRIES:
            state = MessageState.FAILED
        due += min(timedelta(minutes=2 ** min(message.attempt, MOST_TRIES)), LONGEST_REST)
    values = {"state": state, "why": why[:500], "due_at": due}
    if await repository.settle(session, message.id, message.attempt, values) and state is not MessageState.READY:
        to = f"{message.to_kind}:{message.to_name}"
        await _record(session, message.tenant_id, message.id, to=to, state=state, why=why)


async def _recipients(session: AsyncSession, tenant: TenantConfig) -> list[Recipient]:
    rules = notification_rules(tenant.enhancement_preferences)
    asked = approval_rules(tenant.enhancement_preferences).notices
    chosen = await repository.choices(session)
    found = []
    for user_id, email, role in await repository.members(session):
        paces = {
            kind: Pace(chosen.get((user_id, kind), usual_pace(kind, email, tenant.enhancement_preferences)))
            for kind, meaning in MEANINGS.items()
            if role_includes(role, meaning.role)
        }
        # These people get a notice of each call with a link to answer it; twice the same is noise.
        if email in {address.lower() for address in asked.mail}:
            paces.pop(Kind.APPROVAL)
        found.append(Recipient(MAIL, email, _wanted(paces), user_id))
    for one in rules.channels:
        kinds = [kind for kind in Kind if kind is not Kind.APPROVAL or one not in asked.channels]
        found.append(Recipient(one.tool, one.channel, dict.fromkeys(kinds, Pace.NOW)))
    return [one for one in found if one.paces]


def _wanted(paces: Mapping[Kind, Pace]) -> dict[Kind, Pace]:
    return {kind: pace for kind, pace in paces.items() if pace is not Pace.OFF}


async def _gather(
    session: AsyncSession, tenant: TenantConfig, found: Sequence[NotificationFact], now: datetime
) -> None:
    sifted = sift(await _described(session, found), now)
    rules = notification_rules(tenant.enhancement_preferences)
    for recipient in await _recipients(session, tenant):
        for pace in (Pace.NOW, Pace.DIGEST):
            mine = [fact for fact in sifted.told if recipient.paces.get(fact.kind) is pace]
            if mine:
                await _put(session, tenant.tenant_id, recipient, pace, mine, rules=rules, now=now)
    await session.flush()
    await repository.seen_to(session, [one.fact_key for one in found], sifted.waiting)


async def _put(
    session: AsyncSession,
    tenant_id: str,
    recipient: Recipient,
    pace: Pace,
    facts: Sequence[Fact],
    *,
    rules: NotificationRules,
    now: datetime,
) -> None:
    due = await _due_at(session, recipient, facts, rules, now) if pace is Pace.NOW else next_digest(rules, after=now)
    message = await repository.open_message(session, recipient.key, pace)
    if message is None:
        session.add(
            Notification(
                tenant_id=tenant_id,
                recipient=recipient.key,
                user_id=recipient.user_id,
                pace=pace,
                items=add({}, facts),
                due_at=due,
            )
        )
        return
    message.items = add(message.items, facts)
    # Held up, it waits for a server and not for its time; else what comes first decides.
    if not message.why:
        message.due_at = min(message.due_at, due)


async def _due_at(
    session: AsyncSession, recipient: Recipient, facts: Sequence[Fact], rules: NotificationRules, now: datetime
) -> datetime:
    pause, repeat = timedelta(minutes=rules.pause_minutes), timedelta(minutes=rules.repeat_minutes)
    told: dict[str, datetime] = {}
    free: datetime | None = None
    for one in await repository.closed_since(session, recipient.key, now - max(pause, repeat)):
        if one.closed_at is not None:
            free = max(free or one.closed_at + pause, one.closed_at + pause)
            told |= {key: max(told.get(key, one.closed_at), one.closed_at) for key in one.items}
    gather = timedelta(seconds=rules.gather_seconds)
    return due_at(facts, told, now=now, gather=gather, repeat=repeat, free=free)


async def _may_leave(
    session: AsyncSession, message: Notification, now: datetime, *, members: Iterable[UUID], can_mail: bool
) -> bool:
    if message.state == MessageState.HANDED:
        await _end(session, message, now, MessageState.DOUBT, DIED)
        return False
    if message.user_id is not None and message.user_id not in members:
        await _end(session, message, now, MessageState.FAILED, "The recipient is no active member any more.")
        return False
    if message.user_id is not None and not can_mail:
        message.due_at, message.why = now + HELD_UP_FOR, NO_MAIL
        return False
    return True


def _message(tenant: TenantConfig, message: Notification) -> Message:
    kind, _, name = message.recipient.partition(":")
    lines = list(lines_of(message.items).values())
    return Message(
        tenant=tenant,
        id=message.id,
        attempt=message.attempt,
        to_kind=kind,
        to_name=name,
        user_id=message.user_id,
        pace=message.pace,
        lines=lines,
    )


async def _described(session: AsyncSession, found: Sequence[NotificationFact]) -> list[Fact]:
    """The facts with the names that people know: nothing that a requester or a model wrote."""
    agents = await repository.agent_names(session, [one.agent_id for one in found])
    budgets = await repository.budgets(
        session, [one.subject_id for one in found if one.kind in (Kind.BUDGET_WARNING, Kind.BUDGET_STOP)]
    )
    described = []
    for one in found:
        label, detail = agents.get(one.agent_id, "") if one.agent_id else "", ""
        if one.kind == Kind.FAILURE:
            detail = one.cause.partition(":")[2]
        elif one.kind == Kind.CONNECTION:
            detail, _, label = one.cause.partition(":")
        elif one.kind == Kind.STORM:
            detail, label, _ = one.cause.split(":", 2)
        elif one.subject_id in budgets:
            label = _budget(budgets[one.subject_id])
        described.append(
            Fact(
                fact_key=one.fact_key,
                kind=Kind(one.kind),
                cause=one.cause,
                label=label,
                detail=detail,
                subject_id=one.subject_id,
                ticket=one.ticket,
                happened_at=one.happened_at,
            )
        )
    return described


def _budget(budget: Budget) -> str:
    of = {"tenant": "for the tenant", "agent": "for an agent", "ticket": "for each ticket"}[budget.scope]
    return f"{budget.amount_usd.normalize():f} dollars a {budget.period} {of}"


async def _end(session: AsyncSession, message: Notification, now: datetime, state: MessageState, why: str) -> None:
    message.state, message.why, message.closed_at = state, why, message.closed_at or now
    await _record(session, message.tenant_id, message.id, to=message.recipient, state=state, why=why)


async def _record(
    session: AsyncSession, tenant_id: str, message_id: UUID, *, to: str, state: MessageState, why: str
) -> None:
    await record(
        session,
        tenant_id=tenant_id,
        actor=ACTOR,
        operation="notification.send",
        resource_type="notification",
        resource_id=message_id,
        status="success" if state is MessageState.SENT else "failure",
        details={"to": to, "state": state.value, "why": why},
    )

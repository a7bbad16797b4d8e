"""Queries of notifications. Private to this feature; each runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent
from deskhand.budgets.models import Budget
from deskhand.notifications.models import Kind, MessageState, Notification, NotificationChoice, NotificationFact, Pace
from deskhand.storms.schemas import StormView
from deskhand.tenants.models import TenantConfig

MOST_FACTS = 5_000
"""Facts that one look takes."""
PRUNED = 1_000
GONE = (MessageState.SENT, MessageState.DOUBT, MessageState.FAILED)


async def tenant_of(session: AsyncSession, tenant_id: str) -> TenantConfig:
    """The tenant's row."""
    return (await session.execute(select(TenantConfig).where(TenantConfig.tenant_id == tenant_id))).scalar_one()


async def lock_tenant(session: AsyncSession, tenant_id: str, *, wait: bool = False) -> bool:
    """Keep others from the tenant's messages until the end of the transaction; False if one keeps us."""
    function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
    statement = text(f"SELECT {function}(hashtextextended('deskhand.notifications/' || :tenant_id, 0))")
    answer = (await session.execute(statement, {"tenant_id": tenant_id})).scalar_one()
    return wait or bool(answer)


async def members(session: AsyncSession) -> list[tuple[UUID, str, str]]:
    """Id, address in lower case and role of whoever a mail may go to."""
    rows = await session.execute(text("SELECT user_id, lower(email) AS email, role FROM members_to_tell() ORDER BY 2"))
    return [(row.user_id, row.email, row.role) for row in rows]


async def choices(session: AsyncSession, user_id: UUID | None = None) -> dict[tuple[UUID, str], str]:
    """What members chose, by person and kind; of one person or of all."""
    statement = select(NotificationChoice)
    if user_id is not None:
        statement = statement.where(NotificationChoice.user_id == user_id)
    return {(one.user_id, one.kind): one.pace for one in await session.scalars(statement)}


async def choose(session: AsyncSession, tenant_id: str, user_id: UUID, paces: Mapping[Kind, Pace]) -> None:
    """Keep what one person chose, for these kinds."""
    values = [{"tenant_id": tenant_id, "user_id": user_id, "kind": kind, "pace": pace} for kind, pace in paces.items()]
    statement = insert(NotificationChoice).values(values)
    await session.execute(
        statement.on_conflict_do_update(constraint="notification_choices_pkey", set_={"pace": statement.excluded.pace})
    )


async def facts(session: AsyncSession) -> Sequence[NotificationFact]:
    """What nobody has seen to yet, the oldest first."""
    statement = (
        select(NotificationFact)
        .where(NotificationFact.look_at.is_not(None))
        .order_by(NotificationFact.happened_at, NotificationFact.fact_key)
        .limit(MOST_FACTS)
    )
    return (await session.scalars(statement)).all()


async def agent_names(session: AsyncSession, ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """What these are called, of those that are still there."""
    rows = await session.execute(select(Agent.id, Agent.name).where(Agent.id.in_({one for one in ids if one})))
    return {row.id: row.name for row in rows}


async def budgets(session: AsyncSession, ids: Iterable[UUID | None]) -> dict[UUID, Budget]:
    """Budgets by id."""
    found = await session.scalars(select(Budget).where(Budget.id.in_({one for one in ids if one})))
    return {one.id: one for one in found}


async def seen_to(session: AsyncSession, keys: Sequence[str], waiting: Mapping[str, datetime]) -> None:
    """Note that facts were gathered, or until when they wait for more of their kind."""
    gathered = [key for key in keys if key not in waiting]
    if gathered:
        await session.execute(
            update(NotificationFact).where(NotificationFact.fact_key.in_(gathered)).values(look_at=None)
        )
    for key, at in waiting.items():
        await session.execute(update(NotificationFact).where(NotificationFact.fact_key == key).values(look_at=at))


async def open_message(session: AsyncSession, recipient: str, pace: str) -> Notification | None:
    """The message in which facts are gathered for a recipient."""
    statement = select(Notification).where(
        Notification.recipient == recipient, Notification.pace == pace, Notification.state == MessageState.OPEN
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()


async def open_messages_of(session: AsyncSession, user_id: UUID) -> Sequence[Notification]:
    """What is being gathered for a person."""
    statement = select(Notification).where(Notification.user_id == user_id, Notification.state == MessageState.OPEN)
    return (await session.scalars(statement)).all()


async def closed_since(session: AsyncSession, recipient: str, since: datetime) -> Sequence[Notification]:
    """What a recipient was sent at once, or is being sent, since a moment."""
    statement = select(Notification).where(
        Notification.recipient == recipient,
        Notification.pace == "now",
        Notification.closed_at > since,
        Notification.state != MessageState.FAILED,
    )
    return (await session.scalars(statement)).all()


async def due_messages(session: AsyncSession, now: datetime) -> Sequence[Notification]:
    """Messages that leave now, are tried again, or whose worker was not heard of again."""
    statement = (
        select(Notification)
        .where(
            Notification.state.in_((MessageState.OPEN, MessageState.READY, MessageState.HANDED)),
            Notification.due_at <= now,
        )
        .order_by(Notification.due_at, Notification.id)
        .limit(100)
        .execution_options(populate_existing=True)
    )
    return (await session.scalars(statement)).all()


async def hand_over(session: AsyncSession, message_id: UUID, attempt: int) -> bool:
    """Note that a message leaves; False where another worker has it."""
    statement = (
        update(Notification)
        .where(Notification.id == message_id, Notification.attempt == attempt, Notification.state == MessageState.READY)
        .values(state=MessageState.HANDED)
        .returning(Notification.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def settle(session: AsyncSession, message_id: UUID, attempt: int, values: Mapping[str, Any]) -> bool:
    """Note how a try ended; False where somebody else has settled it."""
    states = [MessageState.READY, MessageState.HANDED]
    if values["state"] == MessageState.SENT:
        states.append(MessageState.DOUBT)  # late, but true: a worker that was only slow knows better
    statement = (
        update(Notification)
        .where(Notification.id == message_id, Notification.attempt == attempt, Notification.state.in_(states))
        .values(**values)
        .returning(Notification.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def list_messages(
    session: AsyncSession, states: Sequence[str], *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Notification]:
    """Messages of these states, the newest first."""
    n = Notification
    statement = select(n).order_by(n.created_at.desc(), n.id.desc()).limit(limit)
    if states:
        statement = statement.where(n.state.in_(states))
    if after is not None:
        statement = statement.where(tuple_(n.created_at, n.id) < after)
    return (await session.scalars(statement)).all()


async def get_message(session: AsyncSession, message_id: UUID) -> Notification | None:
    """One message, locked until the end of the transaction."""
    statement = select(Notification).where(Notification.id == message_id).with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def count_held_up(session: AsyncSession) -> int:
    """Messages that should have left and have not, and say why."""
    statement = select(func.count()).where(
        Notification.state.in_((MessageState.OPEN, MessageState.READY)), Notification.why != ""
    )
    return int((await session.execute(statement)).scalar_one())


async def troubles(session: AsyncSession) -> list[tuple[str, int, int]]:
    """By tenant, in a platform session: messages that are held up, and those that failed within a day."""
    held = func.count().filter(Notification.state.in_((MessageState.OPEN, MessageState.READY)), Notification.why != "")
    failed = func.count().filter(
        Notification.state == MessageState.FAILED, Notification.closed_at > func.now() - timedelta(days=1)
    )
    rows = await session.execute(select(Notification.tenant_id, held, failed).group_by(Notification.tenant_id))
    return sorted((row[0], row[1], row[2]) for row in rows if row[1] or row[2])


_NOTE = text("SELECT note_fact(:tenant, 'audit', :key, 'chain', NULL, NULL, NULL)")


async def note_broken_chain(session: AsyncSession, tenant_id: str, broken_at: int) -> None:
    """Note, once, that a tenant's audit log does not verify from an entry on."""
    await session.execute(_NOTE, {"tenant": tenant_id, "key": f"audit:{broken_at}"})


_NOTE_STORM = text("SELECT note_fact(:tenant, 'storm', :key, :cause, CAST(:storm AS uuid), NULL, :ticket)")


async def note_storm(session: AsyncSession, tenant_id: str, storm: StormView) -> None:
    """Note, once, that tickets tell of an outage."""
    values = {
        **{"tenant": tenant_id, "key": f"storm:{storm.id}", "storm": storm.id, "ticket": storm.first_number},
        "cause": f"{storm.tickets}:{storm.tool_type}:{storm.id}",
    }
    await session.execute(_NOTE_STORM, values)


_NOTE_PUBLISHED = text(
    "SELECT note_fact(:tenant, 'published', :key, :cause, CAST(:run AS uuid), CAST(:agent AS uuid), :ticket)"
)


async def note_published(
    session: AsyncSession, tenant_id: str, *, run: UUID, agent: UUID, note: str, ticket: str | None
) -> None:
    """Note, once, that an internal note became public."""
    values = {"tenant": tenant_id, "key": f"published:{run}:{note}", "cause": str(agent), "run": run, "agent": agent}
    await session.execute(_NOTE_PUBLISHED, {**values, "ticket": ticket})


async def prune(session: AsyncSession, *, facts_before: timedelta, messages_before: timedelta) -> None:
    """Delete a batch of what is old."""
    old_facts = (
        select(NotificationFact.fact_key)
        .where(NotificationFact.happened_at < func.now() - facts_before, NotificationFact.look_at.is_(None))
        .limit(PRUNED)
    )
    await session.execute(delete(NotificationFact).where(NotificationFact.fact_key.in_(old_facts)))
    old = (
        select(Notification.id)
        .where(
            Notification.created_at < func.now() - messages_before, or_(*(Notification.state == one for one in GONE))
        )
        .limit(PRUNED)
    )
    await session.execute(delete(Notification).where(Notification.id.in_(old)))

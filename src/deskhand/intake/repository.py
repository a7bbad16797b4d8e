"""Every query of the accept path, each one statement on the application's pool; and the list of what came in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import and_, func, or_, select, tuple_, union
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from deskhand.agents.models import Agent, AgentTool, AgentTrigger
from deskhand.agents.schemas import AgentStatus
from deskhand.intake.echo import Write
from deskhand.intake.models import WebhookDelivery
from deskhand.intake.schemas import DeliveryAnswer, DeliveryFilters, DeliveryRecord, Outcome
from deskhand.kit.page import Page, cut_page, decode_cursor


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """A webhook trigger with what its endpoint has to know; secrets still encrypted."""

    trigger_id: UUID
    tenant_id: str
    agent_id: UUID
    agent_status: str
    agent_revision: int
    hmac_secret: str | None
    previous_hmac_secret: str | None
    previous_hmac_secret_expires_at: datetime | None
    payload_schema: dict[str, Any] | None
    tool_ids: tuple[str, ...]
    tenant_tool_type: str
    tenant_is_active: bool
    webhook_signing_secret_encrypted: str
    rate_limits: dict[str, Any]
    note_word: str | None = None
    event_filter: dict[str, Any] | None = None


LOOKED_THROUGH = 5_000
"""Deliveries among which a desk's newest is looked for: a page that waits for one asks every two seconds."""

# Where the SQL functions call a column otherwise than the field is called here.
_COLUMNS = {"tenant_tool_type": "tool_type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is kept of one delivery; never its body."""

    delivery_id: str | None
    scheme: str | None
    event: str | None = None
    tool_type: str | None = None
    ticket_ref: str | None = None
    body_sha256: str | None
    body_bytes: int | None
    facts: dict[str, Any] | None = None


async def triggers_of_agent(pool: asyncpg.Pool[asyncpg.Record], agent_id: UUID) -> list[TriggerRow]:
    """The webhook triggers of an agent, whichever tenant it belongs to."""
    return [_row(r) for r in await pool.fetch("SELECT * FROM find_webhook_triggers($1)", agent_id)]


async def triggers_of_desk(pool: asyncpg.Pool[asyncpg.Record], tenant_id: str, tool_type: str) -> list[TriggerRow]:
    """The webhook triggers of a tenant's agents that work on one desk."""
    return [_row(r) for r in await pool.fetch("SELECT * FROM find_tenant_hook($1, $2)", tenant_id, tool_type)]


async def secret_of_desk(pool: asyncpg.Pool[asyncpg.Record], tenant_id: str, tool_type: str) -> asyncpg.Record | None:
    """What a tenant's desk signs with, where no agent has a trigger for it."""
    return await pool.fetchrow("SELECT * FROM find_desk_secret($1, $2)", tenant_id, tool_type)


def _row(record: asyncpg.Record) -> TriggerRow:
    values = {name: record[_COLUMNS.get(name, name)] for name in TriggerRow.__dataclass_fields__}
    return TriggerRow(
        **{**values, "tool_ids": tuple(values["tool_ids"] or ()), "rate_limits": values["rate_limits"] or {}}
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """One verified delivery on its way into the database.

    Attributes:
        change: What the event says of the change that it tells of, where that may be a requester's answer.
    """

    trigger: TriggerRow
    delivery: Delivery
    payload: dict[str, Any]
    change: dict[str, Any] | None = None

    @property
    def order(self) -> tuple[str, str, str, str]:
        """Where its locks stand in the one order in which everybody takes them."""
        d = self.delivery
        return self.trigger.tenant_id, str(self.trigger.agent_id), f"{d.tool_type}/{d.ticket_ref}", str(d.delivery_id)

    def as_row(self) -> dict[str, Any]:
        """What ``accept_events`` reads."""
        t, d = self.trigger, self.delivery
        return {
            "tenant": t.tenant_id,
            "agent": str(t.agent_id),
            "trigger": str(t.trigger_id),
            "revision": t.agent_revision,
            "delivery": d.delivery_id,
            "scheme": d.scheme,
            "event": d.event,
            "tool": d.tool_type,
            "ticket": d.ticket_ref,
            "body_sha256": d.body_sha256,
            "body_bytes": d.body_bytes,
            "payload": self.payload,
            "change": self.change,
            "facts": d.facts,
        }


async def accept(pool: asyncpg.Pool[asyncpg.Record], arrivals: Sequence[Arrival]) -> Sequence[DeliveryAnswer | None]:
    """Store deliveries, executions and hand-overs in one transaction.

    Returns:
        In the order of the arrivals, each answer, or None if the agent has changed since the trigger was read.
    """
    rows = await pool.fetch(
        "SELECT outcome, execution_id, reason FROM accept_events($1) ORDER BY ordinal",
        [arrival.as_row() for arrival in arrivals],
    )
    # "stale": the trigger was cached and its agent has changed since; the inbox reads it anew and tries once more.
    return [None if row["outcome"] == "stale" else _answer(row) for row in rows]


async def wake_listener(
    pool: asyncpg.Pool[asyncpg.Record], trigger: TriggerRow, tool_type: str, ticket_id: str
) -> UUID | None:
    """Let the run of the trigger's agent look that waits for the requester of a ticket; which one, if any."""
    woken: UUID | None = await pool.fetchval(
        "SELECT wake_listener($1, $2, $3, $4)", trigger.tenant_id, trigger.agent_id, tool_type, ticket_id
    )
    return woken


async def writes_on_ticket(
    pool: asyncpg.Pool[asyncpg.Record], tenant_id: str, tool_type: str, ticket_id: str, *, limit: int
) -> list[Write]:
    """Our writes on a ticket, newest first."""
    rows = await pool.fetch("SELECT * FROM writes_on_ticket($1, $2, $3, $4)", tenant_id, tool_type, ticket_id, limit)
    return [Write(**row) for row in rows]


async def deliveries_of_run(session: AsyncSession, execution_id: UUID) -> tuple[int, float]:
    """How many events a run took up, and how many seconds ago the newest came."""
    d = WebhookDelivery
    since = func.extract("epoch", func.clock_timestamp() - func.max(d.received_at))
    row = (await session.execute(select(func.count(), since).where(d.execution_id == execution_id))).one()
    return int(row[0]), float(row[1] or 0.0)


async def was_told_of(
    session: AsyncSession, *, tool_type: str, ticket_id: str, within: timedelta, besides: UUID
) -> bool:
    """Whether an event about a ticket came in lately, and is not one that a run took up.

    Args:
        session: A session of the tenant.
        tool_type: Desk of the ticket.
        ticket_id: The ticket.
        within: How long ago the oldest is that counts.
        besides: The run.
    """
    d = WebhookDelivery
    statement = select(d.id).where(
        d.received_at > func.clock_timestamp() - within,
        d.tool_type == tool_type,
        d.ticket_ref == ticket_id,
        d.execution_id.is_distinct_from(besides),
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def record(
    pool: asyncpg.Pool[asyncpg.Record],
    trigger: TriggerRow,
    delivery: Delivery,
    *,
    outcome: Outcome,
    reason: str,
    http_status: int,
) -> DeliveryAnswer | None:
    """Keep a delivery that starts nothing; a redelivery of an ignored one gets its first answer."""
    row = await pool.fetchrow(
        "SELECT outcome, execution_id, reason FROM record_delivery("
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        trigger.tenant_id,
        trigger.trigger_id,
        delivery.delivery_id,
        outcome.value,
        reason,
        http_status,
        delivery.scheme,
        delivery.event,
        delivery.tool_type,
        delivery.ticket_ref,
        delivery.body_sha256,
        delivery.body_bytes,
        delivery.facts,
    )
    # A rejected request gets no stored answer: nothing proves that the next one of that id is from the same sender.
    return None if outcome is Outcome.REJECTED or row is None else _answer(row)


def _answer(row: asyncpg.Record) -> DeliveryAnswer:
    return DeliveryAnswer(status=Outcome(row["outcome"]), execution_id=row["execution_id"], reason=row["reason"])


async def agents_by_tool(session: AsyncSession) -> dict[str, list[str]]:
    """The names of the tenant's agents, by each tool that they were granted."""
    query = (
        select(AgentTool.tool_id, Agent.name)
        .join(Agent, Agent.id == AgentTool.agent_id)
        .where(Agent.status != AgentStatus.INACTIVE.value)
        .order_by(Agent.name, Agent.id)
    )
    named: dict[str, list[str]] = {}
    for tool_id, name in (await session.execute(query)).all():
        named.setdefault(tool_id, []).append(name)
    return named


async def agent_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """What these agents are called."""
    rows = (await session.execute(select(Agent.id, Agent.name).where(Agent.id.in_(ids)))).all()
    return {row.id: row.name for row in rows}


async def list_deliveries(
    session: AsyncSession, filters: DeliveryFilters, *, limit: int, cursor: str | None
) -> Page[DeliveryRecord]:
    """Deliveries to the tenant's triggers, newest first.

    Raises:
        NotFoundError: The cursor is none of this list.
    """
    query = select(WebhookDelivery, AgentTrigger.agent_id).join(
        AgentTrigger, AgentTrigger.id == WebhookDelivery.trigger_id
    )
    if filters.agent_id is not None:
        query = query.where(AgentTrigger.agent_id == filters.agent_id)
    if filters.trigger_id is not None:
        query = query.where(WebhookDelivery.trigger_id == filters.trigger_id)
    if filters.outcome is not None:
        query = query.where(WebhookDelivery.outcome == filters.outcome.value)
    if filters.tool_type is not None:
        on_desk = select(AgentTool.agent_id).where(AgentTool.tool_id == filters.tool_type)
        unread = and_(WebhookDelivery.tool_type.is_(None), AgentTrigger.agent_id.in_(on_desk))
        query = query.where(or_(WebhookDelivery.tool_type == filters.tool_type, unread))
    position = (WebhookDelivery.received_at, WebhookDelivery.id)
    if after := decode_cursor(cursor, datetime, UUID):
        query = query.where(tuple_(*position) < tuple_(*after))
    # One row more than the page holds tells whether another page follows.
    rows = (await session.execute(query.order_by(*(column.desc() for column in position)).limit(limit + 1))).all()
    records = [_record(delivery, agent_id) for delivery, agent_id in rows]
    return cut_page(records, limit, lambda record: (record.received_at, record.id))


async def deliveries_of_ticket(
    session: AsyncSession,
    tool_type: str,
    names: Collection[str],
    runs: Collection[UUID],
    *,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[DeliveryRecord]:
    """What started or joined these runs, and what named the ticket and started nothing, newest first."""
    d = WebhookDelivery
    newest = select(d).order_by(d.received_at.desc(), d.id.desc()).limit(LOOKED_THROUGH).subquery()
    unheard = select(newest.c.id).where(
        newest.c.tool_type == tool_type, newest.c.ticket_ref.in_(names), newest.c.execution_id.is_(None)
    )
    if since is not None:
        unheard = unheard.where(newest.c.received_at >= since)
    if until is not None:
        unheard = unheard.where(newest.c.received_at < until)
    query = (
        select(d, AgentTrigger.agent_id)
        .join(AgentTrigger, AgentTrigger.id == d.trigger_id)
        # As a union, so that the index of runs is used for the one half.
        .where(d.id.in_(union(select(d.id).where(d.execution_id.in_(runs)), unheard)))
        .order_by(d.received_at.desc(), d.id.desc())
        .limit(limit)
    )
    return [_record(delivery, agent_id) for delivery, agent_id in (await session.execute(query)).all()]


async def newest_by_desk(session: AsyncSession) -> dict[str, DeliveryRecord]:
    """The newest delivery of each desk, among the newest of all.

    One that nobody could read counts for each desk of the agent whose address it came to.
    """
    newest = (
        select(WebhookDelivery)
        .order_by(WebhookDelivery.received_at.desc(), WebhookDelivery.id.desc())
        .limit(LOOKED_THROUGH)
        .subquery()
    )
    delivery = aliased(WebhookDelivery, newest)
    desk = func.coalesce(delivery.tool_type, AgentTool.tool_id)
    unread = and_(AgentTool.agent_id == AgentTrigger.agent_id, delivery.tool_type.is_(None))
    query = (
        select(desk, delivery, AgentTrigger.agent_id)
        .join(AgentTrigger, AgentTrigger.id == delivery.trigger_id)
        .outerjoin(AgentTool, unread)
        .where(desk.is_not(None))
        .ext(distinct_on(desk))
        .order_by(desk, delivery.received_at.desc(), delivery.id.desc())
    )
    rows = (await session.execute(query)).all()
    return {tool_type: _record(delivery, agent_id) for tool_type, delivery, agent_id in rows}


def _record(delivery: WebhookDelivery, agent_id: UUID) -> DeliveryRecord:
    values = {name: getattr(delivery, name) for name in DeliveryRecord.model_fields if name != "agent_id"}
    return DeliveryRecord(agent_id=agent_id, **values)

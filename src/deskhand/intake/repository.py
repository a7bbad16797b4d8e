"""Every query of the accept path. Each is one statement on the application's pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from deskhand.intake.schemas import DeliveryAnswer, Outcome


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


_COLUMNS = {"tenant_tool_type": "tool_type"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is kept of one delivery; never its body."""

    delivery_id: str | None
    scheme: str | None
    event: str | None = None
    tool_type: str | None = None
    ticket_ref: str | None = None
    marks: tuple[str, ...] = ()
    body_sha256: str
    body_bytes: int


async def triggers_of_agent(pool: asyncpg.Pool[asyncpg.Record], agent_id: UUID) -> list[TriggerRow]:
    """The webhook triggers of an agent, whichever tenant it belongs to."""
    return [_row(r) for r in await pool.fetch("SELECT * FROM find_webhook_triggers($1)", agent_id)]


async def triggers_of_desk(pool: asyncpg.Pool[asyncpg.Record], tenant_id: str, tool_type: str) -> list[TriggerRow]:
    """The webhook triggers of a tenant's agents that work on one desk."""
    return [_row(r) for r in await pool.fetch("SELECT * FROM find_tenant_hook($1, $2)", tenant_id, tool_type)]


def _row(record: asyncpg.Record) -> TriggerRow:
    values = {name: record[_COLUMNS.get(name, name)] for name in TriggerRow.__dataclass_fields__}
    return TriggerRow(
        **{**values, "tool_ids": tuple(values["tool_ids"] or ()), "rate_limits": values["rate_limits"] or {}}
    )


@dataclass(frozen=True, slots=True)
class Arrival:
    """One verified delivery on its way into the database."""

    trigger: TriggerRow
    delivery: Delivery
    payload: dict[str, Any]

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
            "marks": d.marks,
            "body_sha256": d.body_sha256,
            "body_bytes": d.body_bytes,
            "payload": self.payload,
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
    return [None if row["outcome"] == "stale" else _answer(row) for row in rows]


async def record(
    pool: asyncpg.Pool[asyncpg.Record],
    trigger: TriggerRow,
    delivery: Delivery,
    *,
    outcome: str,
    reason: str,
    http_status: int,
) -> DeliveryAnswer | None:
    """Keep a delivery that starts nothing; a redelivery of an ignored one gets its first answer."""
    row = await pool.fetchrow(
        "SELECT outcome, execution_id, reason FROM record_delivery($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        trigger.tenant_id,
        trigger.trigger_id,
        delivery.delivery_id,
        outcome,
        reason,
        http_status,
        delivery.scheme,
        delivery.event,
        delivery.tool_type,
        delivery.ticket_ref,
        delivery.body_sha256,
        delivery.body_bytes,
    )
    return None if outcome == "rejected" or row is None else _answer(row)


def _answer(row: asyncpg.Record) -> DeliveryAnswer:
    return DeliveryAnswer(status=Outcome(row["outcome"]), execution_id=row["execution_id"], reason=row["reason"])

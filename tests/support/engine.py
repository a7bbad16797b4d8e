"""The engine's tables for tests that call its statements themselves: customers, events, and a clock to be moved."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from tests.support.lent import LENDER
from tests.support.logins import PROVER

from deskhand.intake import repository
from deskhand.intake.repository import Arrival, Delivery, TriggerRow
from deskhand.intake.schemas import DeliveryAnswer

TOOL = "servicedesk_plus"

SEED_AGENT = (
    "INSERT INTO agents (id, tenant_id, name, status, system_prompt) VALUES ($1, $2, 'Triage', 'active', 'Help.')",
    "INSERT INTO agent_versions (agent_id, tenant_id, version_number, system_prompt, llm_config)"
    " VALUES ($1, $2, 1, 'Help.', '{}')",
    "INSERT INTO agent_triggers (agent_id, tenant_id, trigger_type, hmac_secret) VALUES ($1, $2, 'webhook', 'unused')",
)

# Everything that is still to happen becomes so much older; what has ended keeps its times.
LET_TIME_PASS = (
    "UPDATE agent_executions SET queued_at = queued_at - $1::interval, heartbeat_at = heartbeat_at - $1::interval,"
    " not_before = not_before - $1::interval WHERE status IN ('queued', 'running')",
    "UPDATE pgqueuer SET execute_after = execute_after - $1::interval",
)


@dataclass
class EngineTables:
    """The engine as its callers see it (``pool``, the application's role) and as only a test may (``everything``).

    Attributes:
        everything: A superuser's connection, which no policy binds.
    """

    pool: asyncpg.Pool[asyncpg.Record]
    everything: asyncpg.Connection[asyncpg.Record]

    async def tenant(self, tenant_id: str, **rate_limits: int) -> None:
        """A tenant with these limits."""
        await self.everything.execute(
            "INSERT INTO tenant_configs (tenant_id, name, webhook_signing_secret_encrypted, rate_limits)"
            " VALUES ($1, $1, 'none', $2)",
            tenant_id, rate_limits,
        )  # fmt: skip

    async def agent(self, tenant_id: str) -> TriggerRow:
        """An active agent with a version; its webhook trigger."""
        agent_id = uuid4()
        for statement in SEED_AGENT:
            await self.everything.execute(statement, agent_id, tenant_id)
        return await self.trigger(agent_id)

    async def trigger(self, agent_id: UUID) -> TriggerRow:
        """The agent's webhook trigger as it is now."""
        (row,) = await repository.triggers_of_agent(self.pool, agent_id)
        return row

    async def set_agent_status(self, agent_id: UUID, status: str) -> None:
        """What suspending or activating an agent leaves in its row."""
        await self.everything.execute(
            "UPDATE agents SET status = $2, revision = revision + 1 WHERE id = $1", agent_id, status
        )

    async def accept(self, *arrivals: Arrival) -> list[DeliveryAnswer | None]:
        """Verified events, in one commit; None for one whose agent has changed meanwhile."""
        return await repository.accept(self.pool, arrivals)

    async def let_time_pass(self, by: timedelta) -> None:
        """Make everything that waits or runs so much older."""
        for statement in LET_TIME_PASS:
            await self.everything.execute(statement, by)


def arrival(trigger: TriggerRow, delivery_id: str, ticket: str | None, payload: dict[str, Any]) -> Arrival:
    """An event about a ticket, or about none."""
    delivery = Delivery(
        delivery_id=delivery_id, scheme="test", event="request.created", tool_type=TOOL, ticket_ref=ticket,
        body_sha256="0" * 64, body_bytes=2,
    )  # fmt: skip
    return Arrival(trigger, delivery, payload)


@asynccontextmanager
async def engine_tables(app_url: str, superuser_url: str, *, connections: int = 4) -> AsyncIterator[EngineTables]:
    """The engine's tables, on connections of the running event loop."""
    pool = await LENDER.pool(app_url, min_size=connections, max_size=connections, process="worker", prover=PROVER)
    everything = await asyncpg.connect(superuser_url)
    try:
        await everything.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        yield EngineTables(pool, everything)
    finally:
        await everything.close()
        await pool.close()

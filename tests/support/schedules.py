"""Agents with schedules, put into the database directly: per-second expressions are not for the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg

from deskhand.kit.cron import next_fire, occurrences

EVERY_SECOND = "* * * * * *"
EVERY_OTHER = "*/2 * * * * *"


class Deal(NamedTuple):
    """What became of one instant."""

    instant: datetime
    outcome: str
    at: datetime
    runs: int


class Schedules(NamedTuple):
    """Schedules that fire alike.

    Attributes:
        first: Their first instant.
    """

    ids: list[UUID]
    cron: str
    first: datetime


class ScheduleBook:
    """Writes schedules and reads what became of them, across tenants (as a superuser).

    Args:
        connection: A superuser's connection, in autocommit.
    """

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self.connection = connection

    async def now(self) -> datetime:
        """The database's clock."""
        return await self.connection.fetchval("SELECT clock_timestamp()")

    async def agent(self, tenant_id: str = "acme", *, status: str = "active") -> UUID:
        """A tenant (if it is not there) with one more agent and its version."""
        await self.connection.execute(
            "INSERT INTO tenant_configs (tenant_id, name, webhook_signing_secret_encrypted) VALUES ($1, $1, 'none')"
            " ON CONFLICT DO NOTHING",
            tenant_id,
        )
        agent_id = uuid4()
        await self.connection.execute(
            "INSERT INTO agents (id, tenant_id, name, status, system_prompt) VALUES ($1, $2, 'Clock', $3, 'Report.')",
            agent_id, tenant_id, status,
        )  # fmt: skip
        await self.connection.execute(
            "INSERT INTO agent_versions (tenant_id, agent_id, version_number, system_prompt, llm_config)"
            " VALUES ($1, $2, 1, 'Report.', '{}')",
            tenant_id, agent_id,
        )  # fmt: skip
        return agent_id

    async def schedule(self, agent_id: UUID, cron: str = EVERY_SECOND, *, count: int = 1, **columns: Any) -> Schedules:
        """Schedules of an agent; they start with their first instant from now on, unless ``next_fire_at`` is given."""
        values = {
            "schedule_timezone": "UTC",
            "misfire_policy": "all",
            "misfire_max_age_seconds": 2 * 3600,
            "next_fire_at": None,
            **columns,
        }
        if values["next_fire_at"] is None:
            values["next_fire_at"] = next_fire(cron, values["schedule_timezone"], after=await self.now())
        ids = [uuid4() for _ in range(count)]
        await self.connection.execute(
            "INSERT INTO agent_triggers (id, tenant_id, agent_id, trigger_type, schedule_cron, schedule_timezone,"
            " misfire_policy, misfire_max_age_seconds, next_fire_at)"
            " SELECT i, a.tenant_id, a.id, 'schedule', $3, $4, $5, $6, $7 FROM unnest($1::uuid[]) i, agents a"
            " WHERE a.id = $2",
            ids, agent_id, cron, *values.values(),
        )  # fmt: skip
        return Schedules(ids, cron, values["next_fire_at"])

    async def pause(self, schedules: Schedules) -> datetime:
        """Pause schedules; a time after which they must not fire."""
        await self.connection.execute(
            "UPDATE agent_triggers SET is_paused = true, next_fire_at = NULL WHERE id = ANY ($1)", schedules.ids
        )
        return await self.now()

    async def resume(self, schedules: Schedules, cron: str) -> Schedules:
        """Resume schedules with another expression."""
        first = next_fire(cron, "UTC", after=await self.now())
        await self.connection.execute(
            "UPDATE agent_triggers SET is_paused = false, schedule_cron = $2, next_fire_at = $3 WHERE id = ANY ($1)",
            schedules.ids, cron, first,
        )  # fmt: skip
        return Schedules(schedules.ids, cron, first)

    async def passed(self, moment: datetime) -> bool:
        """Whether every schedule that fires has been moved past a moment."""
        return not await self.connection.fetchval(
            "SELECT EXISTS (SELECT 1 FROM agent_triggers WHERE NOT is_paused AND next_fire_at <= $1)", moment
        )

    async def deals(self) -> dict[UUID, list[Deal]]:
        """What became of every instant of every schedule, in order."""
        found = await self.connection.fetch(
            "SELECT f.trigger_id, f.fire_at, f.outcome, f.fired_at, count(e.id) AS runs FROM schedule_fires f"
            " LEFT JOIN agent_executions e ON e.trigger_id = f.trigger_id"
            "  AND (e.input_payload -> 'schedule' ->> 'fire_at')::timestamptz = f.fire_at"
            " GROUP BY f.trigger_id, f.fire_at ORDER BY f.fire_at"
        )
        deals: dict[UUID, list[Deal]] = {}
        for row in found:
            deals.setdefault(row["trigger_id"], []).append(
                Deal(row["fire_at"], row["outcome"], row["fired_at"], row["runs"])
            )
        return deals

    async def fires(self, trigger_id: UUID) -> list[tuple[datetime, str]]:
        """Instants of a schedule and what became of them."""
        rows = await self.connection.fetch(
            "SELECT fire_at, outcome FROM schedule_fires WHERE trigger_id = $1 ORDER BY fire_at", trigger_id
        )
        return [(row["fire_at"], row["outcome"]) for row in rows]

    async def next_fire_at(self, trigger_id: UUID) -> datetime | None:
        """The stored next instant."""
        return await self.connection.fetchval("SELECT next_fire_at FROM agent_triggers WHERE id = $1", trigger_id)


def instants(cron: str, first: datetime, last: datetime, zone: str = "UTC") -> list[datetime]:
    """What an expression names from ``first`` to ``last``, both included."""
    found = []
    for instant in occurrences(cron, zone, after=first - timedelta(seconds=1)):
        if instant > last:
            break
        found.append(instant.astimezone(UTC))
    return found

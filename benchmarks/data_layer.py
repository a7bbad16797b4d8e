"""The specification's five figures on a large installation, and what row-level security costs.

Run: ``.venv/bin/python -m benchmarks.data_layer [--rounds 200] [--others 40]`` (starts a PostgreSQL of its own,
with its default durability: every commit is flushed to disk).

1,000 tenants; 10,000 agents in one of them and ``--others`` in each other one; two triggers and three tools per
agent. Every figure is what a caller waits: the statement from this process and back, rows decoded, in a transaction
of ``deskhand_app`` with its tenant set. Compared in the same run, statement by statement in turn, with a superuser's
connection, which no policy binds, asking for the same rows.

"Tenant query < 5 ms" cannot hold for all 10,000 rows of a tenant at once: those are 10 MB to read, send and decode,
whatever the plan. So the query is measured three ways: an ordinary tenant's rows (all of them), a page of the large
tenant's (what the API asks for), and all 10,000.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from benchmarks.support import migrated_server, open_database
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from tests.support.tenancy import set_tenant

from deskhand.agents.models import Agent
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.session import PLAN_PER_TENANT, Database

TENANTS, AGENTS = 1_000, 10_000
LARGE, ORDINARY = "tenant-1", "tenant-500"
PAGE = 50
INDEXES = ("idx_agents_tenant_id_status", "idx_agents_created_at", "idx_agents_llm_config",
           "idx_agent_triggers_agent_id", "idx_agent_tools_agent_id", "agents_pkey", "agent_tools_pkey")  # fmt: skip

FILL = """
    INSERT INTO tenant_configs (tenant_id, name, webhook_signing_secret_encrypted)
        SELECT 'tenant-' || n, 'Tenant ' || n, 'token' FROM generate_series(1, {tenants}) n;
    INSERT INTO agents (tenant_id, name, status, system_prompt, llm_config, created_at)
        SELECT 'tenant-' || n, 'Agent ' || m,
               (ARRAY['active', 'draft', 'suspended', 'inactive'])[1 + (m + n) % 4],
               repeat('You help the technicians of a service desk. ', 15),
               jsonb_build_object('provider', 'litellm', 'temperature', 0.7, 'max_tokens', 4096, 'model',
                   (ARRAY['gpt-4', 'gpt-4-turbo', 'claude-3-5-sonnet', 'claude-3-haiku', 'ollama/llama3'])
                   [1 + m % 5]),
               timestamptz '2026-01-01' + make_interval(secs => m * 1000 + n)
          FROM generate_series(1, {tenants}) n,
               generate_series(1, CASE n WHEN 1 THEN {agents} ELSE {others} END) m;
    INSERT INTO agent_triggers (tenant_id, agent_id, trigger_type, schedule_cron)
        SELECT tenant_id, id, kind, CASE kind WHEN 'schedule' THEN '0 9 * * *' END
          FROM agents, unnest(ARRAY['webhook', 'schedule']) kind;
    INSERT INTO agent_tools (tenant_id, agent_id, tool_id)
        SELECT tenant_id, id, tool FROM agents, unnest(ARRAY['servicedesk_plus', 'jira', 'zendesk']) tool;
"""


@dataclass(frozen=True)
class Reading:
    """One query to measure.

    Attributes:
        name: What it is.
        limit: Milliseconds of the specification, or None where it gives none for this form.
        sql: The statement.
        arguments: Its parameters; the first is the tenant.
        index: What its plan shall show.
        share: Of ``--rounds``; a slow one is repeated less.
    """

    name: str
    limit: float | None
    sql: str
    arguments: tuple[Any, ...]
    index: str | None
    share: float = 1.0


def readings(agent_id: Any) -> list[Reading]:
    """The specification's reading queries."""
    page = f"ORDER BY created_at DESC, id DESC LIMIT {PAGE}"
    tenant = "SELECT * FROM agents WHERE tenant_id = $1"
    active = f"{tenant} AND status = 'active'"
    model = "SELECT * FROM agents WHERE tenant_id = $1 AND llm_config->>'model' = 'gpt-4'"
    joined = """
        SELECT a.*, t.trigger_type, t.webhook_url, t.schedule_cron, array_agg(at.tool_id) AS tools
          FROM agents a
          LEFT JOIN agent_triggers t ON a.id = t.agent_id
          LEFT JOIN agent_tools at ON a.id = at.agent_id
         WHERE a.tenant_id = $1 AND a.id = $2
         GROUP BY a.id, t.id"""
    index = "idx_agents_tenant_id_status"
    return [
        Reading("tenant query: an ordinary tenant, all rows", 5, tenant, (ORDINARY,), index),
        Reading(f"tenant query: the newest {PAGE} of the 10,000", 5, f"{tenant} {page}", (LARGE,), None),
        Reading("tenant query: all 10,000", None, tenant, (LARGE,), index, 0.1),
        Reading("status filter: an ordinary tenant, all active", 10, active, (ORDINARY,), index),
        Reading(f"status filter: the newest {PAGE} of the 2,500 active", 10, f"{active} {page}", (LARGE,), None),
        Reading("status filter: all 2,500 active", None, active, (LARGE,), index, 0.2),
        Reading("JSONB filter: an ordinary tenant, all on gpt-4", 20, model, (ORDINARY,), index),
        Reading(f"JSONB filter: the newest {PAGE} of the 2,000 on gpt-4", 20, f"{model} {page}", (LARGE,), None),
        Reading("JSONB filter: all 2,000 on gpt-4", None, model, (LARGE,), index, 0.2),
        Reading("relationship load: one agent, in SQL", 15, joined, (LARGE, agent_id), "idx_agent_triggers_agent_id"),
    ]  # fmt: skip


async def percentiles(work: Callable[[], Awaitable[Any]], rounds: int) -> list[float]:
    """Milliseconds of each round, sorted; the first three warm caches up and are not counted."""
    taken = []
    for number in range(rounds + 3):
        start = time.perf_counter()
        await work()
        if number >= 3:
            taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)


def line(name: str, taken: list[float], limit: float | None, ratio: float | None = None) -> str:
    cut = statistics.quantiles(taken, n=100, method="inclusive")
    aim = "" if limit is None else f"  < {limit:g} ms: {'met' if cut[94] < limit else 'MISSED'} at p95"
    cost = "" if ratio is None else f"  RLS x{ratio:4.2f}"
    return f"  {name:52} p50 {cut[49]:8.2f}  p95 {cut[94]:8.2f}  p99 {cut[98]:8.2f} ms{cost}{aim}"


async def compare(app: asyncpg.Connection, free: asyncpg.Connection, reading: Reading, rounds: int) -> str:
    """One reading, as the application and as a login no policy binds, in turn."""
    bound: list[float] = []
    unbound: list[float] = []
    counts = set()
    chunks = 5
    for _ in range(chunks):
        for connection, taken in ((app, bound), (free, unbound)):
            async with connection.transaction(readonly=True):
                await set_tenant(connection, reading.arguments[0])

                async def ask(connection: asyncpg.Connection = connection) -> None:
                    counts.add(len(await connection.fetch(reading.sql, *reading.arguments)))

                taken.extend(await percentiles(ask, max(4, int(rounds * reading.share / chunks))))
    assert len(counts) == 1, f"{reading.name}: the two logins saw {counts} rows"
    assert counts != {0}, reading.name
    return line(reading.name, sorted(bound), reading.limit, statistics.median(bound) / statistics.median(unbound))


async def plan(connection: asyncpg.Connection, reading: Reading) -> list[str]:
    """The plan, as executed, for the application; says if the index of the specification is not in it."""
    async with connection.transaction(readonly=True):
        await set_tenant(connection, reading.arguments[0])
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {reading.sql}", *reading.arguments)
    text = [str(row[0]) for row in rows]
    used = [name for name in INDEXES if any(name in one for one in text)]
    verdict = "" if reading.index is None or reading.index in used else f"  WITHOUT {reading.index}"
    return [f"\n  {reading.name}: uses {', '.join(used) or 'no index'}{verdict}", *(f"    {one}" for one in text)]


INSERTS = (
    """INSERT INTO agents (tenant_id, name, status, system_prompt, llm_config)
       VALUES ($1, 'New', 'draft', 'You help the technicians of a service desk.', $2) RETURNING id""",
    """INSERT INTO agent_triggers (tenant_id, agent_id, trigger_type, webhook_url, hmac_secret, schedule_cron)
       VALUES ($1, $2, $3, $4, $5, $6)""",
    "INSERT INTO agent_tools (tenant_id, agent_id, tool_id) VALUES ($1, $2, $3)",
)


async def insert_agent(connection: asyncpg.Connection) -> None:
    """Agent, two triggers and three tools in one transaction, commit included."""
    async with connection.transaction():
        await set_tenant(connection, LARGE)
        made = await connection.fetchval(INSERTS[0], LARGE, json.dumps({"provider": "litellm", "model": "gpt-4"}))
        triggers = [("webhook", f"/agents/{made}/webhook", "token", None), ("schedule", None, None, "0 9 * * *")]
        await connection.executemany(INSERTS[1], [(LARGE, made, *columns) for columns in triggers])
        tools = ("servicedesk_plus", "jira", "zendesk")
        await connection.executemany(INSERTS[2], [(LARGE, made, tool) for tool in tools])


async def load_agents(db: Database, agent_id: Any, count: int) -> None:
    """Agents with triggers and tools through the models, as the services load them; begin and commit included."""
    query = select(Agent).options(selectinload(Agent.triggers), selectinload(Agent.tools))
    if count == 1:
        query = query.where(Agent.id == agent_id)
    else:
        query = query.order_by(Agent.created_at.desc(), Agent.id.desc()).limit(count)
    async with db.tenant_session(LARGE) as session:
        found = (await session.scalars(query)).all()
    assert [(len(agent.triggers), len(agent.tools)) for agent in found] == [(2, 3)] * count


async def nothing(db: Database) -> None:
    """What every transaction costs by itself: begin, set the tenant, commit."""
    async with db.tenant_session(LARGE):
        pass


async def measure(server: EmbeddedPostgres, rounds: int, others: int) -> None:
    free = await asyncpg.connect(server.superuser_url, server_settings=PLAN_PER_TENANT)
    app = await asyncpg.connect(server.app_url, server_settings=PLAN_PER_TENANT)
    db = open_database(server, pool_size=1)
    start = time.perf_counter()
    await free.execute(FILL.format(tenants=TENANTS, agents=AGENTS, others=others))
    await free.execute("VACUUM ANALYZE")
    total = await free.fetchval("SELECT count(*) FROM agents")
    version = (await free.fetchval("SHOW server_version")).split()[0]
    print(
        f"PostgreSQL {version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {TENANTS:,} tenants, {total:,}"
        f" agents, {AGENTS:,} of them in one; filled in {time.perf_counter() - start:.0f} s; {rounds} rounds each"
    )
    agent_id = await free.fetchval("SELECT id FROM agents WHERE tenant_id = $1 AND name = 'Agent 5000'", LARGE)
    found = readings(agent_id)
    print("\nThe specification's figures (RLS xN: p50 divided by the same query's without row-level security)")
    for reading in found:
        print(await compare(app, free, reading, rounds))
    for count in (1, PAGE):
        taken = await percentiles(lambda count=count: load_agents(db, agent_id, count), rounds)
        print(line(f"relationship load: {count} through the models", taken, 15 if count == 1 else None))
    bound, unbound = [await percentiles(lambda login=login: insert_agent(login), rounds) for login in (app, free)]
    ratio = statistics.median(bound) / statistics.median(unbound)
    print(line("insert: agent, 2 triggers, 3 tools, commit on disk", bound, 50, ratio))
    print(
        line("a transaction with nothing in it (tenant_session)", await percentiles(lambda: nothing(db), rounds), None)
    )
    print(f"\nload at the end {os.getloadavg()[0]:.1f}\n\nPlans, as the application")
    for reading in found:
        print("\n".join(await plan(app, reading)))
    contains = 'SELECT * FROM agents WHERE llm_config @> \'{"model": "gpt-4"}\' AND tenant_id = $1'
    print(
        "\n".join(await plan(app, Reading("JSONB containment, as the application", None, contains, (ORDINARY,), None)))
    )
    rare = "SELECT * FROM agents WHERE llm_config @> '{\"model\": \"rare\"}' AND $1 <> ''"
    print("\n".join(await plan(free, Reading("JSONB containment across tenants", None, rare, (LARGE,), None))))
    await db.dispose()
    await app.close()
    await free.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--others", type=int, default=40, help="agents of each other tenant")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, migrated_server(Path(directory)) as server:
        asyncio.run(measure(server, given.rounds, given.others))


if __name__ == "__main__":
    main()

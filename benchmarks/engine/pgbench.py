"""What PostgreSQL itself commits here: the same two rows, by pgbench, on the same server."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import asyncpg

from deskhand.kit.db.programs import find_binaries

# The tables of the product with their columns, defaults, checks, indexes and foreign keys, but without policies.
TABLES = ("webhook_deliveries", "agent_executions")
SCRIPT = """\
\\set who random(1, {count})
\\set ticket random(1, 1000000000)
BEGIN;
INSERT INTO bench.webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, http_status, scheme, event,
    tool_type, ticket_ref, body_sha256, body_bytes, execution_id)
  SELECT tenant_id, trigger_id, gen_random_uuid()::text, 'accepted', 202, 'standard-webhooks', 'request.created',
    'servicedesk_plus', :ticket::text, '{sha}', {length}, gen_random_uuid() FROM bench.who WHERE id = :who;
INSERT INTO bench.agent_executions (tenant_id, agent_id, trigger_id, agent_version_id, tool_type, ticket_ref, lane,
    input_payload)
  SELECT tenant_id, agent_id, trigger_id, agent_version_id, 'servicedesk_plus', :ticket::text,
    'servicedesk_plus/' || :ticket::text || gen_random_uuid()::text, '{payload}' FROM bench.who WHERE id = :who;
COMMIT;
"""


async def prepare(connection: asyncpg.Connection, payload: bytes) -> str:
    """Make the tables; needs the agents of the run. Returns pgbench's script."""
    await connection.execute("DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench")
    await connection.execute(
        """CREATE TABLE bench.who AS
             SELECT row_number() OVER () AS id, a.tenant_id, a.id AS agent_id, t.id AS trigger_id,
                    v.id AS agent_version_id
               FROM agents a JOIN agent_triggers t ON t.agent_id = a.id
               JOIN agent_versions v ON v.agent_id = a.id AND v.version_number = a.current_version;
           ALTER TABLE bench.who ADD PRIMARY KEY (id); ANALYZE bench.who"""
    )
    for table in TABLES:
        await connection.execute(f"CREATE TABLE bench.{table} (LIKE public.{table} INCLUDING ALL)")
        keys = await connection.fetch(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = $1::regclass",
            f"public.{table}",
        )
        for key in keys:
            await connection.execute(f"ALTER TABLE bench.{table} ADD {key[0]}")
    count = await connection.fetchval("SELECT count(*) FROM bench.who")
    text = payload.decode().replace("'", "''")
    return SCRIPT.format(count=count, sha="0" * 64, length=len(payload), payload=text)


def run(url: str, file: Path, *, clients: int, seconds: int) -> float:
    """Committed transactions per second.

    Raises:
        RuntimeError: A transaction failed.
    """
    program = find_binaries(None) / "pgbench"
    command = [program, "-n", "-M", "prepared", "-f", file, "-c", str(clients), "-j", "1", "-T", str(seconds), url]
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    failed = re.search(r"number of failed transactions: (\d+)", said.stdout)
    rate = re.search(r"tps = ([\d.]+)", said.stdout)
    if said.returncode or rate is None or failed is None or failed[1] != "0":
        raise RuntimeError(f"pgbench: {said.stdout}{said.stderr}")
    return float(rate[1])

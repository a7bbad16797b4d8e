"""How long a quiet tenant's event waits for its start while another tenant has 10,000 queued, and without them.

Run: ``.venv/bin/python -m benchmarks.fairness [queued] [events]`` (default 10,000 and 200; starts a PostgreSQL of its
own, as shipped). The aim is 2 s at p95.

Two workers in this process with four slots each; every run is one journaled step with a wait of 10 ms. The flooding
tenant may use more slots than there are, so that every slot is fought for. From the moment before an event is accepted
to ``started_at`` of its run, both by the database's clock. In the same run: first nobody else, then the flood, then
nobody else again, since this machine may have other work.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support import migrated_server
from tests.support.engine import EngineTables, engine_tables
from tests.support.fairness import Town, workers
from tests.support.product import until

from deskhand.kit.log import configure_logging

AIM = 2_000.0
WORKERS, SLOTS = 2, 4
CAP = 50


async def waits(town: Town, name: str, first: int, count: int) -> list[float]:
    """Milliseconds from the moment before each event to the start of its run; one event after another."""
    found = []
    clock = town.tables.everything
    for number in range(first, first + count):
        before = await clock.fetchval("SELECT clock_timestamp()")
        run = await town.event(name, number)
        await until(lambda run=run: town.started(run))
        started = await clock.fetchval("SELECT started_at FROM agent_executions WHERE id = $1", run)
        found.append((started - before).total_seconds() * 1000)
    return found


def show(name: str, found: Sequence[float]) -> float:
    """Print a line; its p95."""
    p95 = statistics.quantiles(found, n=20)[18]
    print(f"  {name:<34} p50 {statistics.median(found):7.1f} ms   p95 {p95:7.1f} ms   max {max(found):7.1f} ms")
    return p95


async def measure(tables: EngineTables, queued: int, events: int) -> None:
    """Print the three lines and what the flood did meanwhile."""
    town = Town(tables)
    await town.tenant("quiet", cap=2)
    await town.tenant("flooding", cap=CAP)
    async with workers(tables.pool, count=WORKERS, slots=SLOTS):
        show("nobody else", await waits(town, "quiet", 0, events))
    begun = time.perf_counter()
    await town.flood("flooding", queued)
    print(f"  ({queued:,} events accepted in {time.perf_counter() - begun:.1f} s)")
    async with workers(tables.pool, count=WORKERS, slots=SLOTS):
        begun = time.perf_counter()
        p95 = show("another tenant has them queued", await waits(town, "quiet", events, events))
        took = time.perf_counter() - begun
    done = await town.count("tenant_id = 'flooding' AND status = 'completed'")
    left = await town.count("tenant_id = 'flooding' AND status = 'queued'")
    print(f"  (meanwhile {done / took:.0f} runs of the flood ended each second; {left:,} are still queued)")
    await tables.everything.execute("DELETE FROM agent_executions WHERE tenant_id = 'flooding'")
    await tables.everything.execute("DELETE FROM pgqueuer")
    async with workers(tables.pool, count=WORKERS, slots=SLOTS):
        show("nobody else, again", await waits(town, "quiet", 2 * events, events))
    print(f"  aim: {AIM:.0f} ms at p95: {'met' if p95 <= AIM and left else 'MISSED'}")


async def main() -> None:
    queued = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    configure_logging(level="ERROR", log_format="json")
    with tempfile.TemporaryDirectory() as directory, migrated_server(Path(directory)) as server:
        async with engine_tables(server.app_url, server.superuser_url, connections=12) as tables:
            await measure(tables, queued, events)


if __name__ == "__main__":
    asyncio.run(main())

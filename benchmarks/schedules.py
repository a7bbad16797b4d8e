"""How late 500 schedules of every second or two fire, with three scheduler processes and rows that change meanwhile.

Run: ``.venv/bin/python -m benchmarks.schedules [seconds]`` (default 10; starts a PostgreSQL of its own, as shipped).

Nothing takes the executions that are started: this is the clock's part alone. Missed and doubled are counted from the
rows; lateness is from an instant to the moment its row was written. API schedules are of a minute at least; seconds
make the load sixty times as heavy.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import asyncpg
from benchmarks.support import migrated_server
from tests.support.logins import PROVER
from tests.support.product import until
from tests.support.schedules import EVERY_OTHER, EVERY_SECOND, ScheduleBook, Schedules, instants

from deskhand.kit.db.session import create_pool
from deskhand.kit.log import configure_logging
from deskhand.schedules.scheduler import Scheduler

SCHEDULERS = 3
LATENESS = """
    SELECT count(*) AS fires,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM fired_at - fire_at)) AS p50,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM fired_at - fire_at)) AS p99,
           max(extract(epoch FROM fired_at - fire_at)) AS longest
      FROM schedule_fires
"""


def scheduler_process(orders: Connection) -> None:
    """One scheduler: is told the database, says that it is ready, and stops at the next word."""
    asyncio.run(schedule(orders))


async def schedule(orders: Connection) -> None:
    """Fire until told to stop."""
    pool = await create_pool(orders.recv(), min_size=1, max_size=2, process="worker", prover=PROVER)
    scheduler = Scheduler(pool)
    orders.send("ready")
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(orders.fileno())
        scheduler.request_stop()

    loop.add_reader(orders.fileno(), stop)
    await scheduler.run()
    await pool.close()
    orders.send("stopped")


@contextmanager
def schedulers() -> Iterator[list[Connection]]:
    """Scheduler processes, each waiting for its orders. Forked before anything runs here: they need no start-up."""
    context = get_context("fork")
    pipes = [context.Pipe() for _ in range(SCHEDULERS)]
    processes = [context.Process(target=scheduler_process, args=(far,), daemon=True) for _, far in pipes]
    for process in processes:
        process.start()
    yield [near for near, _ in pipes]
    for process in processes:
        process.join()


async def measure(book: ScheduleBook, seconds: float) -> list[Schedules]:
    """Let schedules fire while some are added and paused; those that fired from beginning to end."""
    agents = [await book.agent(f"tenant-{number}") for number in range(5)]
    groups = [await book.schedule(agent, EVERY_SECOND, count=60) for agent in agents]
    groups += [await book.schedule(agent, EVERY_OTHER, count=40) for agent in agents]
    await asyncio.sleep(seconds / 2)
    await book.pause(await book.schedule(agents[0], EVERY_SECOND, count=20))
    groups.append(await book.schedule(agents[1], EVERY_OTHER, count=20))
    await asyncio.sleep(seconds / 2)
    end = await book.now()
    await until(lambda: book.passed(end))
    return groups


async def report(book: ScheduleBook, groups: list[Schedules]) -> None:
    """Print what the rows say."""
    deals = await book.deals()
    missed = 0
    for group in groups:
        for trigger_id in group.ids:
            got = [deal.instant for deal in deals[trigger_id] if deal.outcome == "fired"]
            missed += len(set(instants(group.cron, group.first, got[-1])) - set(got))
    doubled = sum(deal.runs != 1 for found in deals.values() for deal in found)
    row = await book.connection.fetchrow(LATENESS)
    assert row is not None
    p50, p99, longest = (round(row[name] * 1000) for name in ("p50", "p99", "longest"))
    print(f"{row['fires']} firings of {len(deals)} schedules by {SCHEDULERS} processes")
    print(f"{doubled} doubled, {missed} missed")
    print(f"late by p50 {p50} ms, p99 {p99} ms, at most {longest} ms")
    print(f"machine: {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


async def main(seconds: float, orders: list[Connection]) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as directory, migrated_server(Path(directory) / "pg") as server:
        for one in orders:
            one.send(server.app_url)
            await asyncio.to_thread(one.recv)
        connection = await asyncpg.connect(server.superuser_url)
        book = ScheduleBook(connection)
        groups = await measure(book, seconds)
        for one in orders:
            one.send("stop")
            await asyncio.to_thread(one.recv)
        await report(book, groups)
        await connection.close()


if __name__ == "__main__":
    configure_logging(level="WARNING", log_format="console")
    with schedulers() as waiting:
        asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0, waiting))

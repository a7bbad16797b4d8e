"""Accepting events and running executions, beside pgbench and beside a home-grown FastAPI + Celery + Redis stack.

Run: ``.venv/bin/python -m benchmarks.executions [--quick] [--parts accept,runs,starts,write]``. Needs Redis and wrk
(``tools/ci-setup.sh benchmarks``); starts a PostgreSQL of its own, as shipped (every commit is flushed to disk), and
installs the other stack's locked packages once, into ``.cache``. How to read it: ``docs/reference/benchmarks.md``.

Both stacks get the same bytes, use the same PostgreSQL server, and are measured in turn (pgbench, ours, theirs, and
again); figures are medians with their range. What the machine does besides changes figures more than ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from benchmarks.engine import first_write, load, measures, ours, pgbench, rival
from benchmarks.engine.first_write import FirstWrite
from benchmarks.engine.measures import Bench, Stack
from benchmarks.engine.report import DATABASE, Figures, aims, table
from benchmarks.support import migrated_server

from deskhand.kit.db.embedded import EmbeddedPostgres

PARTS = ("accept", "runs", "starts", "write")
CONNECTIONS = (8, 32)
IN_FLIGHT = (1, 8)
TENANTS = 20
WAIT = 0.05  # seconds of input and output in a run
AT_ONCE = 200
CAP = 20  # a tenant's runs at once while runs are measured; webhooks are measured with the shipped 5
MODEL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        seconds: Of each accept reading.
        runs: Of each reading of a worker.
        events: Of each reading of event to first write.
        logs: Folder the processes' logs are kept in, or None.
    """

    parts: tuple[str, ...]
    rounds: int
    seconds: int
    runs: int
    events: int
    rival_processes: int
    logs: Path | None


@dataclass
class Session:
    """Everything that runs, and what was measured."""

    plan: Plan
    server: EmbeddedPostgres
    directory: Path
    bench: Bench
    stacks: tuple[Stack, Stack]
    known: rival.Rival
    keys: str
    figures: Figures

    async def accept(self) -> None:
        """Webhooks at each number of connections; pgbench before each pair."""
        for stack in self.stacks:
            await self.bench.accept(stack, connections=8, seconds=1)  # opens connections, reads agents; not counted
        for turn in range(self.plan.rounds):
            for count in CONNECTIONS:
                self._say("accept", turn, f"{count} connections")
                committed = await self.bench.commit(clients=count, seconds=self.plan.seconds)
                self.figures.add(DATABASE, f"commits {count}", committed)
                for stack in self._in_turn(turn):
                    got = await self.bench.accept(stack, connections=count, seconds=self.plan.seconds)
                    self.figures.add_accepted(stack.name, count, got)

    async def work(self, part: str, wait: float) -> None:
        """A full queue and one worker process."""
        for turn in range(self.plan.rounds):
            for stack in self._in_turn(turn):
                self._say(part, turn, stack.name)
                ran = await self.bench.work(stack, runs=self.plan.runs, wait=wait, concurrency=AT_ONCE)
                self.figures.add_ran(stack.name, part, ran)

    async def write(self) -> None:
        """The whole of both products, with a desk and a model."""
        await self.bench.empty(self.stacks)
        with first_write.surroundings(self.directory, model_seconds=MODEL_SECONDS) as around:
            connection = {"servicedesk_url": around.desk_url, "servicedesk_api_key": first_write.KEY}
            url = self.stacks[0].url
            targets = await ours.make_targets(self.server, url, 1, prefix="desk", **connection)
            await self.bench.set_caps(CAP)
            await ours.load_history(self.server, targets[0].tenant_id)
            await self.known.add_agents(targets)
            with (
                ours.product_worker(self.server, self.directory, self.keys, model_url=around.model_url),
                self._their_worker(around),
            ):
                for turn in range(self.plan.rounds):
                    for stack in self._in_turn(turn):
                        timer = FirstWrite(stack.url, around.desk_url, targets)
                        await timer.measure(count=8, in_flight=4)  # warm, not counted
                        for count in IN_FLIGHT:
                            self._say("write", turn, f"{stack.name}, {count} in flight")
                            taken = await timer.measure(count=self.plan.events, in_flight=count)
                            self.figures.add_times(stack.name, count, taken)

    @contextmanager
    def _their_worker(self, around: first_write.Surroundings) -> Iterator[None]:
        more = {"RIVAL_DESK_URL": around.desk_url, "RIVAL_DESK_KEY": first_write.KEY}
        more["RIVAL_MODEL_URL"] = around.model_url
        with rival.working(self.known, wait=0, concurrency=20, **more) as worker:
            worker.go()
            yield

    def _in_turn(self, turn: int) -> tuple[Stack, ...]:
        """Whoever went first goes second the next time."""
        return self.stacks if turn % 2 == 0 else self.stacks[::-1]

    def _say(self, part: str, turn: int, what: str) -> None:
        print(f"  {time.strftime('%H:%M:%S')} {part} {turn + 1}/{self.plan.rounds}: {what}", file=sys.stderr)


@asynccontextmanager
async def session(plan: Plan, figures: Figures) -> AsyncIterator[Session]:
    """Both stacks, running, on one PostgreSQL."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deskhand-bench-")))
        stack.callback(keep_logs, directory, plan.logs)
        server = stack.enter_context(migrated_server(directory / "pg"))
        keys = ours.new_keys()
        our_api = stack.enter_context(ours.serving(server, directory, keys))
        targets = await ours.make_targets(server, our_api.url, TENANTS)
        known = stack.enter_context(rival.installed(server, directory))
        await known.add_agents(targets)
        their_api = stack.enter_context(rival.serving(known, processes=plan.rival_processes))
        connection = await asyncpg.connect(server.superuser_url)
        stack.push_async_callback(connection.close)
        script = await pgbench.prepare(connection, load.event_body("100000"))
        (directory / "pgbench.sql").write_text(script)
        bench = Bench(server, directory, targets)
        both = (measures.our_stack(server, directory, our_api), measures.rival_stack(known, their_api))
        yield Session(plan, server, directory, bench, both, known, keys, figures)


def keep_logs(directory: Path, kept: Path | None) -> None:
    """Copy the processes' logs out of the folder that is about to go."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        for log in directory.glob("*.log"):
            shutil.copy(log, kept)


async def measure(plan: Plan, figures: Figures) -> None:
    """Every part of the plan."""
    async with session(plan, figures) as running:
        if "accept" in plan.parts:
            await running.accept()
        await running.bench.set_caps(CAP)
        if "runs" in plan.parts:
            await running.work("runs", WAIT)
        if "starts" in plan.parts:
            await running.work("starts", 0.0)
        if "write" in plan.parts:
            await running.write()


def machine() -> list[str]:
    """What the figures were taken on, as far as it matters to them."""
    start = time.process_time()
    sum(number * number for number in range(2_000_000))
    spent = time.process_time() - start
    average = os.getloadavg()[0]
    lines = [f"machine: {os.cpu_count()} CPUs, load average {average:.2f}, 2 million multiplications in {spent:.2f} s"]
    if average > 0.5:
        lines.append("WARNING: the machine is not quiet; read ratios and CPU times, not figures per second")
    return lines


def versions() -> str:
    """Versions of what both stacks are made of, from what is installed."""
    lock = [line.split(" ")[0] for line in rival.LOCK.read_text().splitlines() if "==" in line]
    wanted = ("fastapi", "uvicorn", "sqlalchemy", "asyncpg", "psycopg", "celery", "kombu", "redis")
    theirs = ", ".join(one for one in lock if one.split("==")[0] in wanted)
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return f"theirs: {theirs}; Redis server {redis.removeprefix('v=')}, appendfsync everysec; 1 uvicorn, -P threads"


def read_arguments() -> Plan:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="one short round, about a minute")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--rounds", type=int, help="readings of each figure (3)")
    parser.add_argument("--seconds", type=int, help="length of an accept reading (6)")
    parser.add_argument("--runs", type=int, help="runs in a worker's reading (3000)")
    parser.add_argument("--events", type=int, help="events in a reading of event to first write (40)")
    parser.add_argument("--rival-processes", type=int, default=1, help="uvicorn processes of the other stack (1)")
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    given = parser.parse_args()
    parts = tuple(given.parts.split(","))
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    rounds, seconds, runs, events = (1, 2, 600, 8) if given.quick else (3, 6, 3_000, 40)
    return Plan(
        parts=parts,
        rounds=given.rounds or rounds,
        seconds=given.seconds or seconds,
        runs=given.runs or runs,
        events=given.events or events,
        rival_processes=given.rival_processes,
        logs=given.logs,
    )


def main() -> None:
    """Measure and print."""
    plan = read_arguments()
    for program in ("redis-server", "wrk"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing; run: tools/ci-setup.sh benchmarks")
    print(f"python -m benchmarks.executions {' '.join(sys.argv[1:])}")
    print("\n".join(machine()))
    print(versions(), flush=True)
    figures = Figures()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or what was started would be left running
    try:
        asyncio.run(measure(plan, figures))
    finally:  # what was measured before a failure is worth reading too
        show(figures)


def show(figures: Figures) -> None:
    """Print the table and the aims."""
    print("\nmedian [lowest–highest]; ratio is ours by theirs")
    print("\n".join(table(figures, CONNECTIONS, IN_FLIGHT)))
    print("\naims")
    print("\n".join(str(aim) for aim in aims(figures)) or "  none of the measured parts has one")
    print("\n".join(machine()[:1]).replace("machine:", "machine, afterwards:"))


if __name__ == "__main__":
    main()

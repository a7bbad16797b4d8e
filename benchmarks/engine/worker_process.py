"""A worker for the benchmark: the product's Runner, Journal and pool; only what a run does is a wait.

Says ``ready`` on its standard output, begins at the first line on its standard input, ends at SIGTERM or when that
is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import asyncpg
from tests.support.engine_workers import MARKS
from tests.support.logins import PROVER

from deskhand.cli.common import run_service
from deskhand.engine.claims import Ending, RunningExecution
from deskhand.engine.journal import Journal
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.engine.runner import Runner
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.db.session import create_pool
from deskhand.kit.log import configure_logging
from deskhand.kit.telemetry import Telemetry

OUTPUT = {"answer": "done"}


class Waiting:
    """What a run does here.

    Args:
        pool: Connections of the application role.
        wait: Seconds of the one journaled step; 0 means no step.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], wait: float) -> None:
        self._statements = RunStatements(pool)
        self._wait = wait

    async def execute(self, execution: RunningExecution, lease: Lease) -> Ending:
        """One run."""
        if self._wait:
            budget = RunBudget(RunLimits())
            journal = Journal(self._statements, execution, budget, lease, Telemetry(), marks=MARKS)
            await journal.step(name="get_ticket", kind="tool", body=self._io, input={"ticket": execution.ticket_ref})
        return Ending(ExecutionStatus.COMPLETED, output={**OUTPUT, "waited": self._wait})

    async def _io(self) -> dict[str, Any]:
        await asyncio.sleep(self._wait)
        return {"waited": self._wait}


async def main(url: str, wait: float, concurrency: int) -> None:
    """Run until told to stop."""
    pool = await create_pool(url, min_size=4, max_size=12, process="worker", prover=PROVER)  # as deskhand/worker.py
    runner = Runner(pool, Waiting(pool, wait).execute, concurrency=concurrency)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.request_stop)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    asyncio.get_running_loop().add_reader(sys.stdin, runner.request_stop)  # at its end: whoever started us is gone
    await runner.run()
    asyncio.get_running_loop().remove_reader(sys.stdin)
    await pool.close()


if __name__ == "__main__":
    configure_logging()  # INFO and JSON, as shipped: writing the log is part of what a run costs
    if profile := os.environ.get("BENCH_PROFILE"):
        import cProfile  # only when somebody asks where the time goes

        cProfile.run("asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))", profile)
    else:
        run_service(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))

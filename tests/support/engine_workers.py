"""Workers that do one statement at a time and stand still in between, and the desk whose tickets they write on.

A worker is the product's own code (start, ``Journal``, ``decide``, finish); the pool it is given stops it before and
after every statement and holds each answer against the model's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from tests.support.engine_model import Model, Run

from deskhand.engine.claims import Ending, RunningExecution, finish_execution, start_execution
from deskhand.engine.journal import NOT_DONE, Journal
from deskhand.engine.lease import Lease
from deskhand.engine.limits import RunBudget, RunLimits
from deskhand.engine.queue import decode_job
from deskhand.engine.retry import decide
from deskhand.engine.runner import interrupted
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import InDoubtError, LostClaimError, RunInterrupted
from deskhand.kit.marks import MarkMaker
from deskhand.kit.telemetry import Telemetry
from deskhand.plugins.errors import DeskCannotTellError, DeskError, DeskUnavailableError, DeskValidationError

WRITES = ("add_note:note", "update_ticket:triage")
STALE_AFTER = 300.0  # seconds; no machine is so slow that a run goes stale by itself here
RETRY_DELAY = 200.0
MARKS = MarkMaker(b"of these tests")


@dataclass
class CountingDesk:
    """A desk that keeps what was written under each mark, and fails when told.

    Attributes:
        written: Receipts by mark.
        fault: What the next call meets: ``refused``, ``down``, ``answer-lost`` or ``cannot-tell``.
    """

    written: dict[str, list[str]] = field(default_factory=dict)
    fault: str | None = None

    def read(self) -> dict[str, str]:
        self._meet("refused", "down")
        return {"subject": "VPN drops"}

    def write(self, mark: str, by: str) -> dict[str, str]:
        self._meet("refused", "down")
        self.written.setdefault(mark, []).append(by)
        self._meet("answer-lost")
        return {"id": by}

    def find(self, mark: str) -> Any:
        self._meet("cannot-tell", "down")
        return {"id": self.written[mark][0], "adopted": True} if mark in self.written else NOT_DONE

    def _meet(self, *faults: str) -> None:
        if self.fault not in faults:
            return
        fault, self.fault = self.fault, None
        if fault == "refused":
            raise DeskValidationError("The desk refuses this.")
        if fault == "cannot-tell":
            raise DeskCannotTellError("The desk cannot search its notes.")
        raise DeskUnavailableError("The desk cannot be reached.")


class Gate:
    """Where a worker stands still until it is told to go on.

    Attributes:
        place: Where it stands.
    """

    def __init__(self) -> None:
        self.place = ""
        self._go = asyncio.Event()
        self._standing = asyncio.Event()

    async def __call__(self, place: str) -> None:
        self.place = place
        self._standing.set()
        await self._go.wait()
        self._go.clear()

    async def arrival(self, task: asyncio.Task[None]) -> None:
        """Wait until the worker stands somewhere, or is done."""
        waiter = asyncio.create_task(self._standing.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiter

    def open(self) -> None:
        """Let the worker go on."""
        self._standing.clear()
        self._go.set()


class ModelLease(Lease):
    """A lease that ends when the test says so instead of by a clock."""

    def __init__(self) -> None:
        super().__init__(valid_for=STALE_AFTER)
        self.lost = False

    @property
    def holds(self) -> bool:
        return not self.lost


class Worker:
    """One process that was handed one job. It takes the job's run as far as it is let.

    Args:
        statements: The process's way to the database.
        model: What must be answered.
        desk: Where the effects are.
        job: The row of PgQueuer's table.
        name: Of the process.
        racing: Whether other workers start at the same moment, so that the model cannot know the verdict.
    """

    def __init__(
        self,
        statements: RunStatements,
        model: Model,
        desk: CountingDesk,
        job: asyncpg.Record,
        *,
        name: str,
        racing: bool = False,
    ) -> None:
        self.job_id: int = job["id"]
        self.tenant, self.execution_id = decode_job(job["payload"])
        self.name = name
        self.gate = Gate()
        self.lease = ModelLease()
        self.owned: RunningExecution | None = None
        self.verdict: str | None = None
        self.done_with_job = False
        self.seen: Counter[str] = Counter()
        self._racing = racing
        self._model = model
        self._desk = desk
        self._statements: Any = WatchedStatements(statements, self.gate, self)
        self.task = asyncio.create_task(self._work(), name=name)

    def __repr__(self) -> str:
        return f"<{self.name} on {str(self.execution_id)[:8]} {self.gate.place}>"

    @property
    def over(self) -> bool:
        return self.task.done()

    async def go(self, hops: int) -> None:
        """Let it do so many statements or effects."""
        await self.gate.arrival(self.task)
        for _ in range(hops):
            if self.task.done():
                break
            self.gate.open()
            await self.gate.arrival(self.task)
        if self.task.done() and not self.task.cancelled():
            self.task.result()

    async def die(self) -> None:
        """``kill -9``: nothing more is sent."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    # -- the worker's own code ---------------------------------------------------------------

    async def _work(self) -> None:
        start = await start_execution(
            self._statements,
            tenant_id=self.tenant,
            execution_id=self.execution_id,
            worker_id=self.name,
            stale_after=STALE_AFTER,
        )
        if start.execution is not None:
            self.owned = start.execution
            ending = await self._attempt(start.execution)
            if ending is not None:
                await finish_execution(self._statements, start.execution, ending)
        self.done_with_job = True

    async def _attempt(self, execution: RunningExecution) -> Ending | None:
        budget = RunBudget(RunLimits(timeout=float("inf"), max_steps=100, max_tokens=1, max_cost_usd=Decimal(1)))
        try:
            return await self._steps(Journal(self._statements, execution, budget, self.lease, Telemetry(), marks=MARKS))
        except LostClaimError:
            return None
        except RunInterrupted as error:
            return interrupted(error)
        except DeskError as error:
            decision = decide(error, attempt=execution.attempt, max_attempts=execution.max_attempts)
            status = "queued" if decision.again else "failed"
            return Ending(status, error_code=decision.code, error_message=decision.message, delay=RETRY_DELAY)

    async def _steps(self, journal: Journal) -> Ending:
        await journal.step(name="get_ticket", kind="tool", body=lambda: self._effect("get_ticket#1", self._desk.read))
        for key in WRITES:
            await self._write(journal, key)
        return Ending(ExecutionStatus.COMPLETED, output={"written": len(WRITES)})

    async def _write(self, journal: Journal, key: str) -> None:
        mark = journal.mark_for(key)
        await journal.step(
            name=key.split(":", maxsplit=1)[0],
            key=key,
            kind="write",
            idempotent=False,
            body=lambda: self._effect(key, lambda: self._desk.write(mark, self.name)),
            recover=lambda: self._recover(mark),
        )

    async def _effect(self, key: str, call: Any) -> Any:
        await self.gate(f"before the effect of {key}")
        self.lease.check()  # as HttpClientFactory.before_send does
        step = self._model.runs[self.execution_id].steps[key]
        assert step.state != "finished", f"{key} is finished and is done again"
        return call()

    async def _recover(self, mark: str) -> Any:
        try:
            return self._desk.find(mark)
        except DeskCannotTellError as error:
            raise InDoubtError("Look at the ticket.") from error

    # -- what it was answered ------------------------------------------------------------------

    def check(self, statement: str, given: dict[str, Any], answer: Any) -> None:
        """Hold an answer of the engine against the model's."""
        run = self._model.runs[UUID(given["execution"])]
        if statement == "start_execution":
            self._check_start(run, str(answer["verdict"]))
        elif statement == "begin_step":
            expected = self._model.begin(
                run, given["attempt"], given["key"], idempotent=given["idempotent"], mark=given["mark"]
            )
            assert answer["verdict"] == expected, f"{given['key']} of {run}: {answer['verdict']}, not {expected}"
            self.seen[f"begin: {expected}"] += 1
        elif statement == "end_step":
            kept = self._model.end(run, given["attempt"], given["key"], given["state"])
            assert answer["kept"] is kept, f"result of {given['key']} of {run}: {answer}"
            adopted = isinstance(given["output"], dict) and given["output"].get("adopted")
            self.seen[f"end: {'adopted' if adopted else given['state']}" if kept else "end: fenced"] += 1
        else:
            applied = self._model.finish(run, given["attempt"], given["status"])
            assert answer["applied"] is applied, f"ending of {run}: {answer}"
            self.seen[f"finish: {given['status']}" if applied else "finish: fenced"] += 1

    def _check_start(self, run: Run, verdict: str) -> None:
        self.verdict = verdict
        self.seen[f"start: {verdict}"] += 1
        if not self._racing:
            expected = self._model.start(run)
            assert verdict == expected, f"start of {run}: {verdict}, not {expected}"


class WatchedStatements:
    """Stands between a worker and the database.

    Args:
        statements: The real ones.
        gate: Where the worker stops, before and after each statement.
        worker: Told of each answer.
    """

    def __init__(self, statements: RunStatements, gate: Gate, worker: Worker) -> None:
        self._statements = statements
        self._gate = gate
        self._worker = worker

    async def start_execution(self, **given: Any) -> Any:
        return await self._around("start_execution", given)

    async def begin_step(self, **given: Any) -> Any:
        return await self._around("begin_step", given)

    async def end_step(self, **given: Any) -> Any:
        return await self._around("end_step", given)

    async def finish_execution(self, **given: Any) -> Any:
        return await self._around("finish_execution", given)

    async def _around(self, statement: str, given: dict[str, Any]) -> Any:
        await self._gate(f"before {statement}")
        answer = await getattr(self._statements, statement)(**given)
        self._worker.check(statement, given, answer)
        await self._gate(f"after {statement}")
        return answer


def doubled(desk: CountingDesk) -> dict[str, int]:
    """Writes that a desk holds more than once, by mark."""
    return {mark: count for mark, count in Counter({m: len(w) for m, w in desk.written.items()}).items() if count > 1}

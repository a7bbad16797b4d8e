"""The worker loop: takes execution ids from PgQueuer, runs those that may start, keeps its claims alive.

Side by side run PgQueuer's queue manager (restarted when the database comes back), the heartbeat, the
sweeper, what shows people that the worker lives, and one task per run. Truth stays in ``agent_executions``.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from uuid import uuid4

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.errors import PgqException
from pgqueuer.models import Job

from deskhand.engine.claims import (
    Claim,
    Ending,
    RunningExecution,
    Verdict,
    finish_execution,
    heartbeat,
    start_execution,
    sweep,
)
from deskhand.engine.lease import Lease, boot_clock
from deskhand.engine.presence import SHOW_SECONDS, forget_worker, show_worker
from deskhand.engine.queue import ENTRYPOINT, POLL, Transport, Waker, decode_job
from deskhand.engine.retry import decide
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import DeskhandError, LostClaimError, RunInterrupted, WorkerStoppedError
from deskhand.kit.clock import utc_now
from deskhand.kit.db.away import DATABASE_ERRORS, is_passing
from deskhand.kit.log import log_context
from deskhand.kit.loops import let_cancellation_pass, repeat, wait_or_stop
from deskhand.kit.telemetry import Telemetry

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
LEAVE_SECONDS = 2.0

Execute = Callable[[RunningExecution, Lease], Coroutine[None, None, Ending]]


class Runner:
    """Runs executions until told to stop.

    Args:
        pool: Connections of the application role.
        execute: Does one run and says how it ended; raises what went wrong.
        concurrency: Runs at once.
        stale_after: Seconds without a heartbeat after which others may take a run over.
        transport: How the queue is reached; None: over the pool, which no proxy stands before.
        drain_timeout: Seconds that running work gets after a stop request, before it is handed back.
        telemetry: Counts the runs that end here.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        execute: Execute,
        *,
        concurrency: int = 20,
        stale_after: float = 5.0,
        transport: Transport | None = None,
        drain_timeout: float = 30.0,
        telemetry: Telemetry | None = None,
    ) -> None:
        # Host and process tell an operator where to look; the random part keeps a restarted process, which may get the
        # same number again, from being taken for its predecessor and heartbeating the runs that one lost.
        self.worker_id = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._pool = pool
        self._transport = transport or Transport(pool)
        self._statements = RunStatements(pool)
        self._waker = Waker(pool)
        self._execute = execute
        self._concurrency = concurrency
        self._stale_after = stale_after
        self._drain_timeout = drain_timeout
        # The worker gives its runs up before anybody may take them: the difference is for clocks that do not run alike
        # and for a request that is already on its way to a desk.
        self._lease = Lease(valid_for=stale_after * 0.8)
        self._telemetry = telemetry or Telemetry()
        self._runs: dict[Claim, asyncio.Task[Ending]] = {}
        self._stop = asyncio.Event()
        self._over = asyncio.Event()  # nothing runs any more: the helpers end
        self._queue: PgQueuer | None = None

    @property
    def running(self) -> int:
        """Executions this worker is running now."""
        return len(self._runs)

    @property
    def alive(self) -> bool:
        """Whether the database heard this worker lately, so that it may take and finish runs."""
        return self._lease.holds

    def request_stop(self) -> None:
        """Take no more work, let runs finish within the drain limit, hand the rest back."""
        self._stop.set()
        if self._queue is not None:
            self._queue.shutdown.set()

    async def run(self) -> None:
        """Work until ``request_stop``."""
        log.info("worker_started", worker_id=self.worker_id, concurrency=self._concurrency)
        # A task group: a worker that can no longer send heartbeats must not go on taking work.
        async with self._waker, asyncio.TaskGroup() as group:
            again = partial(repeat, stop=self._over, passing=DATABASE_ERRORS, passes=is_passing)
            beat = again(self._beat, pause=self._stale_after / 4, event="heartbeat_failed")
            group.create_task(beat, name="heartbeat")
            group.create_task(again(self._sweep, pause=SWEEP_SECONDS, event="sweep_failed"), name="sweeper")
            group.create_task(again(self._show, pause=SHOW_SECONDS, event="worker_not_shown"), name="shown")
            group.create_task(self._drain_guard(), name="drain-guard")
            await self._consume()
            self._over.set()
        await self._leave()
        log.info("worker_stopped", worker_id=self.worker_id)

    # -- taking work -------------------------------------------------------------------------

    async def _consume(self) -> None:
        while not self._stop.is_set():
            self._queue = self._transport.open()
            self._queue.entrypoint(ENTRYPOINT)(self._take)
            try:
                await self._queue.qm.run(
                    # Small batches: what this worker has dequeued waits for it alone, while another one may be idle.
                    dequeue_timeout=POLL,
                    batch_size=max(1, min(10, self._concurrency // 2)),
                    max_concurrent_tasks=max(2, self._concurrency),
                    shutdown_on_listener_failure=self._transport.listens,
                    heartbeat_timeout=timedelta(seconds=self._stale_after + 1),
                )
            except (*DATABASE_ERRORS, PgqException, RuntimeError) as error:
                # The queue manager ends when its listener dies; runs go on and the queue is taken up again. It also
                # ends when the heartbeat failed for good, and what its clean-up says then must not keep it going.
                let_cancellation_pass()
                if isinstance(error, DATABASE_ERRORS) and not is_passing(error):
                    raise
                log.warning("queue_interrupted", error=str(error) or type(error).__name__)
                await wait_or_stop(self._stop, 0.5)

    async def _take(self, job: Job) -> None:
        """PgQueuer's entry point: decide, then run to the end of this attempt."""
        tenant_id, execution_id = decode_job(job.payload)
        while not self._lease.holds:
            # Frozen, or cut off for a while: what is started before the next heartbeat would be lost at its first step.
            # The job ends here, its run does not: nobody holds it yet, so the sweeper hands it over again.
            if self._stop.is_set():
                return
            await wait_or_stop(self._stop, 0.1)
        # Only the row knows whether the run may go on. The job is an id that may be minutes old.
        start = await start_execution(
            self._statements,
            tenant_id=tenant_id,
            execution_id=execution_id,
            worker_id=self.worker_id,
            stale_after=self._stale_after,
        )
        if start.verdict is not Verdict.STARTED or start.execution is None:
            log.info("execution_not_started", execution_id=str(execution_id), verdict=start.verdict.value)
            return
        execution = start.execution
        with log_context(tenant_id=tenant_id, execution_id=str(execution_id)):
            task = asyncio.create_task(self._execute(execution, self._lease), name=f"run-{execution_id}")
            claim = (execution.id, execution.attempt)
            self._runs[claim] = task
            # In the table before the first await: a heartbeat must name every run that this worker has started.
            try:
                ending = await self._outcome(execution, task)
            finally:
                del self._runs[claim]
            await self._finish(execution, ending)

    async def _outcome(self, execution: RunningExecution, task: asyncio.Task[Ending]) -> Ending:
        """How the run ended, or that it is handed back; whether it is still ours to end, the fence decides."""
        # wait() and not await: awaiting the run's task would raise its CancelledError here, as if this task were
        # cancelled.
        await asyncio.wait({task})
        # Cancelled by the heartbeat (the claim is lost) or by the drain; either way the run itself did nothing wrong.
        if task.cancelled():
            return self._hand_back(execution)
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, LostClaimError):
            return self._hand_back(execution)
        # A person or the journal stopped it; retrying would do what they stopped.
        if isinstance(error, RunInterrupted):
            return interrupted(error)
        # KeyboardInterrupt and the like are for the whole process, not for one run.
        if not isinstance(error, Exception):
            raise error
        decision = decide(error, attempt=execution.attempt, max_attempts=execution.max_attempts)
        # Of a known failure the log has the sentence; only a bug is worth a traceback.
        trace = error if decision.code == DeskhandError.code else None
        log.warning(
            "execution_failed", code=decision.code, again=decision.again, reason=decision.message, exc_info=trace
        )
        return Ending(
            ExecutionStatus.QUEUED if decision.again else ExecutionStatus.FAILED,
            error_code=decision.code,
            error_message=decision.message,
            delay=decision.delay,
        )

    def _hand_back(self, execution: RunningExecution) -> Ending:
        """The ending of a run that stopped through no fault of its own: another worker, or this one, goes on with it.

        A run that is lost again and again may be what holds its worker up, so its tries are limited like any other's.
        """
        if self._stop.is_set():
            message = "Handed back by a stopping worker."
            return Ending(ExecutionStatus.QUEUED, error_code=WorkerStoppedError.code, error_message=message)
        log.warning("claim_lost")
        if execution.attempt >= execution.max_attempts:
            message = f"Its worker lost the run {execution.attempt} times. Retry it once the cause is known."
            return Ending(ExecutionStatus.FAILED, error_code=LostClaimError.code, error_message=message)
        message = "Handed back by a worker that was away for a while."
        return Ending(ExecutionStatus.QUEUED, error_code=LostClaimError.code, error_message=message)

    async def _finish(self, execution: RunningExecution, ending: Ending) -> None:
        finish = await finish_execution(self._statements, execution, ending)
        log.info("execution_finished", status=ending.status, code=ending.error_code, applied=finish.applied)
        # The fence may have refused the ending because another worker owns the run; its ending is the one to count.
        if finish.applied and ending.status is not ExecutionStatus.QUEUED:
            waited = (utc_now() - execution.queued_at).total_seconds()
            # A run that waits has not ended: its time is measured when it has.
            seconds = max(0.0, waited) if ending.status.is_final else None
            self._telemetry.execution(ending.status, seconds=seconds)
        # finish_execution() handed over parked runs; this worker or an idle one should hear of them now, not at the
        # next poll.
        if finish.promoted:
            self._waker.wake()

    # -- keeping claims ----------------------------------------------------------------------

    async def _beat(self) -> float:
        # Taken before the question: an answer can be slow, and what is confirmed is the moment of asking.
        asked_at, claims = boot_clock(), set(self._runs)
        try:
            owned = await asyncio.wait_for(
                heartbeat(self._pool, worker_id=self.worker_id, runs=claims), timeout=self._stale_after
            )
        except DATABASE_ERRORS:
            # A heartbeat that failed once says nothing yet. Once the lease is over, another worker may hold the runs,
            # so this one stops before its next effect.
            if not self._lease.holds:
                self._abandon(set(self._runs))
            raise
        self._lease.confirm(asked_at)
        # Only what was asked about: a run that began meanwhile is missing from the answer without being lost.
        self._abandon(claims - owned)
        # Four heartbeats in the time that makes a run stale: three may be lost before another worker takes it over.
        return self._stale_after / 4

    def _abandon(self, lost: set[Claim]) -> None:
        for claim in lost & set(self._runs):
            log.warning("run_abandoned", execution_id=str(claim[0]), attempt=claim[1])
            self._runs[claim].cancel()

    async def _sweep(self) -> float:
        if await sweep(self._pool, stale_after=self._stale_after):
            self._waker.wake()
        return SWEEP_SECONDS

    async def _show(self) -> float:
        await show_worker(self._pool, worker_id=self.worker_id, slots=self._concurrency, running=len(self._runs))
        return SHOW_SECONDS

    async def _leave(self) -> None:
        try:
            await asyncio.wait_for(forget_worker(self._pool, worker_id=self.worker_id), timeout=LEAVE_SECONDS)
        except DATABASE_ERRORS as error:
            let_cancellation_pass()
            # Seen as silent then, and forgotten after a day; the worker must not wait for the database to stop.
            log.warning("worker_not_forgotten", error=str(error) or type(error).__name__)

    async def _drain_guard(self) -> None:
        await self._stop.wait()
        # PgQueuer waits for its tasks when it shuts down, so runs that do not end in time are cancelled from here.
        await wait_or_stop(self._over, self._drain_timeout)
        for task in list(self._runs.values()):
            task.cancel()


def interrupted(error: RunInterrupted) -> Ending:
    """How a run ends that was stopped from outside."""
    endings = {
        "cancelled": ExecutionStatus.CANCELLED,
        "in-doubt": ExecutionStatus.WAITING,
        "approval-needed": ExecutionStatus.WAITING,
        "requester": ExecutionStatus.WAITING,
    }
    status = endings.get(error.code, ExecutionStatus.FAILED)
    # A run that waits for an answer goes on by itself when nobody gives one in time.
    delay = error.retry_after or 0.0 if status is ExecutionStatus.WAITING else 0.0
    return Ending(status, error_code=error.code, error_message=error.detail, delay=delay)

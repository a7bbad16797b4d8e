"""The fenced statements of a run's life: start, heartbeat, finish, sweep.

What they do is in ``engine.sql``, how they are sent in ``statements.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.engine.models import ExecutionStep
from deskhand.engine.statements import RunStatements
from deskhand.engine.status import ExecutionStatus, StepState

Claim = tuple[UUID, int]
"""An execution and the attempt by which a worker holds it."""


class Verdict(StrEnum):
    """Answer of ``start_execution``."""

    STARTED = "started"
    PARKED = "parked"  # promoted in the transaction that frees a slot
    ACTIVE = "active"  # another worker is alive on it
    LATER = "later"  # a retry whose time has not come; handed over again with a delay
    CANCELLED = "cancelled"
    FAILED = "failed"  # its worker died too often
    ENDED = "ended"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class RunningExecution:
    """What a worker knows of a run it owns; ``attempt`` is its fencing token."""

    id: UUID
    tenant_id: str
    agent_id: UUID
    agent_version_id: UUID
    attempt: int
    max_attempts: int
    mode: str
    tool_type: str | None
    ticket_ref: str | None
    input_payload: dict[str, Any]
    queued_at: datetime
    started_at: datetime
    trigger_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Verdict, and the run if it is ours now."""

    verdict: Verdict
    execution: RunningExecution | None = None


async def start_execution(
    statements: RunStatements, *, tenant_id: str, execution_id: UUID, worker_id: str, stale_after: float
) -> Start:
    """Try to become the owner of an execution.

    Args:
        statements: The worker's way to the database.
        tenant_id: Its tenant.
        execution_id: Which one.
        worker_id: Who asks.
        stale_after: Seconds without a heartbeat after which a running one may be taken over.
    """
    row = await statements.start_execution(
        tenant=tenant_id, execution=str(execution_id), worker=worker_id, stale_seconds=stale_after
    )
    verdict = Verdict(row["verdict"])
    # Only a start that PostgreSQL granted carries the run; after any other verdict the worker holds nothing that it
    # could write with.
    if verdict is not Verdict.STARTED:
        return Start(verdict)
    return Start(verdict, _running(row["execution"]))


# The run travels as one jsonb value, because start_executions() answers many runs in one statement; so ids and times
# arrive as text.
def _running(row: dict[str, Any]) -> RunningExecution:
    return RunningExecution(
        id=UUID(row["id"]),
        tenant_id=row["tenant_id"],
        agent_id=UUID(row["agent_id"]),
        agent_version_id=UUID(row["agent_version_id"]),
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        mode=row["mode"],
        tool_type=row["tool_type"],
        ticket_ref=row["ticket_ref"],
        input_payload=row["input_payload"] or {},
        queued_at=datetime.fromisoformat(row["queued_at"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        trigger_id=UUID(row["trigger_id"]) if row["trigger_id"] else None,
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends, or why it is handed back.

    Attributes:
        status: Where the run stands then; ``queued`` is another try.
        delay: Seconds before the other try, or until a run that waits goes on unasked; 0 waits for ever.
    """

    status: ExecutionStatus
    output: dict[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Finish:
    """What became of an ending.

    Attributes:
        applied: False if another worker owns the run by now; nothing was changed then.
        promoted: Runs that were handed over because a slot became free.
    """

    applied: bool
    promoted: int


async def finish_execution(statements: RunStatements, execution: RunningExecution, ending: Ending) -> Finish:
    """Write the ending, if the run still holds its fence, and promote what waited for the slot."""
    row = await statements.finish_execution(
        tenant=execution.tenant_id,
        execution=str(execution.id),
        attempt=execution.attempt,
        status=ending.status,
        output=ending.output,
        error_code=ending.error_code,
        error_message=ending.error_message,
        delay_seconds=ending.delay,
    )
    return Finish(row["applied"], row["promoted"] or 0)


async def heartbeat(pool: asyncpg.Pool[asyncpg.Record], *, worker_id: str, runs: Collection[Claim]) -> set[Claim]:
    """Say that a worker is alive on its runs.

    Args:
        pool: Connections of the application role.
        worker_id: The worker.
        runs: Executions with the attempt that it holds. A worker that was away may hold an old attempt beside its own
            new one.

    Returns:
        Those it still owns.
    """
    rows = await pool.fetch(
        "SELECT execution_id FROM heartbeat_executions($1, $2, $3)",
        worker_id,
        # Two arrays in step instead of an array of pairs: the driver sends pairs only as a type that PostgreSQL knows
        # by name, and unnest() joins the arrays by place.
        [execution_id for execution_id, _ in runs],
        [attempt for _, attempt in runs],
    )
    newest = dict(sorted(runs, key=lambda claim: claim[1]))  # only the newest attempt can be the row's
    return {(row["execution_id"], newest[row["execution_id"]]) for row in rows}


async def sweep(pool: asyncpg.Pool[asyncpg.Record], *, stale_after: float) -> int:
    """Hand over runs of dead workers and whatever else fell between two transactions.

    Args:
        pool: Connections of the application role.
        stale_after: Seconds without a heartbeat that make a run count as abandoned.

    Returns:
        How many executions were handed over.
    """
    return int(await pool.fetchval("SELECT sweep_executions($1)", stale_after))


async def kept_marks(session: AsyncSession, execution_id: UUID) -> dict[str, str]:
    """By step key, the marks of the writes that a run has begun."""
    query = select(ExecutionStep.step_key, ExecutionStep.mark).where(
        ExecutionStep.execution_id == execution_id, ExecutionStep.mark.is_not(None)
    )
    return {key: mark for key, mark in (await session.execute(query)).all() if mark}


@dataclass(frozen=True, slots=True)
class OpenWrite:
    """A write that was begun and has no end, as the journal has it."""

    key: str
    name: str
    mark: str
    idempotent: bool
    input: Any


async def open_writes(session: AsyncSession, execution_id: UUID) -> list[OpenWrite]:
    """Those of a run, in the order in which they were begun."""
    s = ExecutionStep
    query = (
        select(s.step_key, s.name, s.mark, s.idempotent, s.input)
        .where(
            s.execution_id == execution_id,
            s.kind == "write",
            s.mark.is_not(None),
            s.state.in_((StepState.STARTED, StepState.IN_DOUBT)),
        )
        .order_by(s.position)
    )
    return [OpenWrite(*row) for row in (await session.execute(query)).all()]

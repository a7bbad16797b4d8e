"""Runs that listen: a run that asked somebody outside may be woken by an event of its ticket (``engine.sql``).

Each statement is fenced by the run's attempt, as its journal is. Who is asked, and what counts as an answer, other
rooms know.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from deskhand.engine.claims import RunningExecution
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.errors import LostClaimError

_LISTENING = "uq_agent_executions_listening"


async def listen(session: AsyncSession, execution: RunningExecution, until: datetime) -> bool:
    """Let events of the run's ticket wake it from now on; what was heard before counts no more.

    Returns:
        False if another run of the agent listens to this ticket.

    Raises:
        LostClaimError: Another worker owns the run.
    """
    try:
        # A savepoint: the unique index may refuse, and the caller goes on in its transaction.
        async with session.begin_nested():
            await _set(session, execution, listens_until=until, heard=False)
    except IntegrityError as error:
        if _LISTENING not in str(error.orig):
            raise
        return False
    return True


async def stop_listening(
    session: AsyncSession, execution: RunningExecution, *, answered: dict[str, Any] | None = None
) -> None:
    """Let events of the ticket start runs again.

    Args:
        session: A session of the run's tenant.
        execution: The run.
        answered: What the ticket was when the answer was read (``notes``, ``revision``, ``at``): events that tell of
            no more than that belong to this run.

    Raises:
        LostClaimError: Another worker owns the run.
    """
    kept = {} if answered is None else {"answered": answered}
    await _set(session, execution, listens_until=None, **kept)


async def _set(session: AsyncSession, execution: RunningExecution, **values: Any) -> None:
    statement = (
        update(AgentExecution)
        .where(
            AgentExecution.id == execution.id,
            AgentExecution.attempt == execution.attempt,
            AgentExecution.status == ExecutionStatus.RUNNING,
        )
        .values(**values)
        .returning(AgentExecution.id)
        .execution_options(synchronize_session=False)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        raise LostClaimError(f"another worker took over execution {execution.id}")


async def count_writes(session: AsyncSession, execution: RunningExecution, name: str, *, besides: str) -> int:
    """How often runs of the agent have made, or may have made, a write of that name on the run's ticket.

    Args:
        session: A session of the run's tenant.
        execution: The run.
        name: Of the write.
        besides: Journal key of the write of this run that is not counted.
    """
    run, step = AgentExecution, ExecutionStep
    statement = (
        select(func.count())
        .select_from(step)
        .join(run, run.id == step.execution_id)
        .where(
            run.agent_id == execution.agent_id,
            run.tool_type == execution.tool_type,
            run.ticket_ref == execution.ticket_ref,
            step.kind == "write",
            step.name == name,
            step.state != StepState.FAILED,
            ~((run.id == execution.id) & (step.step_key == besides)),
        )
    )
    return int((await session.execute(statement)).scalar_one())


async def receipts(session: AsyncSession, execution: RunningExecution, ticket_ref: str | None = None) -> set[str]:
    """What the desk called every write that was made on a ticket: by its own runs, and by those of others.

    Args:
        session: A session of the run's tenant.
        execution: The run.
        ticket_ref: Which ticket of its desk; None for the run's own.
    """
    run, step, ref = AgentExecution, ExecutionStep, ticket_ref or execution.ticket_ref
    made = select(step.output["id"].astext).where(step.kind == "write", step.state == StepState.FINISHED)
    own = made.join(run, run.id == step.execution_id).where(run.tool_type == execution.tool_type, run.ticket_ref == ref)
    # A union, since each half has an index of its own.
    elsewhere = made.where(step.input["target"].astext == f"{execution.tool_type}/{ref}")
    return {receipt for receipt in (await session.execute(own.union(elsewhere))).scalars() if receipt}


async def find_finished(
    session: AsyncSession, execution: RunningExecution, name: str, output: dict[str, Any]
) -> UUID | None:
    """Another run of the agent on the run's ticket, in which a step of that name ended in just that."""
    run, step = AgentExecution, ExecutionStep
    statement = (
        select(run.id)
        .join(step, run.id == step.execution_id)
        .where(
            run.agent_id == execution.agent_id,
            run.tool_type == execution.tool_type,
            run.ticket_ref == execution.ticket_ref,
            run.mode == execution.mode,
            run.id != execution.id,
            step.name == name,
            step.state == StepState.FINISHED,
            step.output == output,
        )
        .limit(1)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def time_listened(session: AsyncSession, execution: RunningExecution, name: str, waiting: str) -> timedelta:
    """How long a run has waited for answers to its writes of one name; none of it counts as the run's own time.

    Args:
        session: A session of the run's tenant.
        execution: The run.
        name: Of the writes.
        waiting: Prefix of the key of the step that waits for the answer to one.
    """
    asked, answered = aliased(ExecutionStep), aliased(ExecutionStep)
    # A wait that is not over has no end yet; it lasts until this start.
    until = func.coalesce(answered.finished_at, func.clock_timestamp())
    statement = (
        select(func.sum(until - asked.finished_at))
        .select_from(asked)
        .outerjoin(
            answered,
            (answered.execution_id == asked.execution_id) & (answered.step_key == func.concat(waiting, asked.step_key)),
        )
        .where(asked.execution_id == execution.id, asked.name == name, asked.kind == "write")
        .where(asked.state == StepState.FINISHED)
    )
    listened: Any = (await session.execute(statement)).scalar_one()
    return timedelta() if listened is None else listened

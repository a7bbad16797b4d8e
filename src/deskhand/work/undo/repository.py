"""What an undo reads of runs and their journals. Private to this room; runs inside a tenant session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.agents.models import Agent, AgentVersion
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.work.hands import RECEIPT
from deskhand.work.undo.arranging import Write
from deskhand.work.undo.schemas import UNDO, Effect, UndoneWrite

_OVER = (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED)
_RECEIPT = ("id", "ticket_id", "mark", "revision", "adopted", "changes", "display_id", "url")
_TAKEN = (Effect.WITHDRAW_NOTE.value, Effect.CORRECT_NOTE.value, Effect.RESTORE_NOTE.value)


async def get_run(session: AsyncSession, execution_id: UUID) -> AgentExecution | None:
    """As it stands now, also where this transaction read it before."""
    return await session.get(AgentExecution, execution_id, populate_existing=True)


async def lock_agent(session: AsyncSession, agent_id: UUID) -> Agent | None:
    """The agent, held until the end of the transaction: two who undo its writes at once come one after the other."""
    # Not FOR UPDATE: that would hold up every run that is born meanwhile, which refers to the row.
    statement = select(Agent).where(Agent.id == agent_id).with_for_update(key_share=True)
    return (await session.execute(statement)).scalar_one_or_none()


async def name_of(session: AsyncSession, agent_id: UUID) -> str | None:
    """An agent's name; None where there is no such agent."""
    return (await session.execute(select(Agent.name).where(Agent.id == agent_id))).scalar_one_or_none()


async def version_of(session: AsyncSession, agent_id: UUID, number: int) -> UUID | None:
    """Id of an agent's version; None where there is none of that number."""
    statement = select(AgentVersion.id).where(AgentVersion.agent_id == agent_id, AgentVersion.version_number == number)
    return (await session.execute(statement)).scalar_one_or_none()


async def count_unfinished(session: AsyncSession, version_id: UUID) -> int:
    """Runs of a version that may still write."""
    e = AgentExecution
    statement = select(func.count()).where(
        e.agent_version_id == version_id, e.mode == "live", e.status.not_in(_OVER), e.attempt > 0
    )
    return int((await session.execute(statement)).scalar_one())


async def writes_of_run(session: AsyncSession, execution_id: UUID, step_key: str | None) -> list[Write]:
    """A run's writes, newest first."""
    statement = _writes().where(AgentExecution.id == execution_id)
    if step_key is not None:
        statement = statement.where(ExecutionStep.step_key == step_key)
    return [read_write(*row) for row in (await session.execute(statement)).all()]


async def writes_of_version(session: AsyncSession, version_id: UUID, since: datetime, limit: int) -> list[Write]:
    """What the runs of a version wrote since a time, newest first."""
    statement = _writes().where(
        AgentExecution.agent_version_id == version_id, AgentExecution.mode == "live", ExecutionStep.started_at >= since
    )
    return [read_write(*row) for row in (await session.execute(statement.limit(limit))).all()]


async def undos_of(session: AsyncSession, agent_id: UUID, keys: Sequence[str]) -> Sequence[AgentExecution]:
    """Undos that have to do with some of these writes, newest first."""
    e = AgentExecution
    statement = (
        select(e)
        .where(
            e.agent_id == agent_id,
            e.mode == UNDO,
            e.input_payload["undoes"].bool_op("?|")(cast(list(keys), ARRAY(Text))),
        )
        .order_by(e.queued_at.desc())
    )
    return (await session.execute(statement)).scalars().all()


async def withdrawn_notes(session: AsyncSession, undos: Sequence[UUID]) -> set[str]:
    """Writes whose note one of these undos took back, by key."""
    s = ExecutionStep
    statement = select(s.input).where(
        s.execution_id.in_(undos), s.kind == "write", s.state == StepState.FINISHED, s.name.in_(_TAKEN)
    )
    return {key for trace in (await session.execute(statement)).scalars() for key in trace.get("undoes", ())}


def _writes() -> Select[ExecutionStep, AgentExecution]:
    s = ExecutionStep
    return (
        select(s, AgentExecution)
        .join(AgentExecution, AgentExecution.id == s.execution_id)
        .where(s.kind == "write", s.state != StepState.FAILED)
        .order_by(s.started_at.desc(), s.position.desc())
    )


def read_write(step: ExecutionStep, run: AgentExecution) -> Write:
    """A write as its journal has it, on the run that made it."""
    trace: dict[str, Any] = step.input if isinstance(step.input, dict) else {}
    answer: dict[str, Any] = step.output if isinstance(step.output, dict) else {}
    tool, slash, ticket = str(trace.get("target") or "").partition("/")
    receipt = RECEIPT.validate_python(_own_fields(answer)) if "ticket_id" in answer else None
    # A write without a target is on the run's own ticket; a filed ticket is known by its receipt alone.
    own = "" if tool else run.ticket_ref or ""
    ticket_id = ticket or own or (receipt.ticket_id if receipt and slash else "")
    return Write(
        key=UndoneWrite(execution_id=run.id, step_key=step.step_key, operation=step.name),
        tool_type=tool or run.tool_type or "",
        ticket_id=ticket_id or None,
        receipt=receipt,
        trace=trace,
        mark=step.mark or "",
        at=step.finished_at or step.started_at,
        asked_at=run.queued_at,
        resumed=step.attempt > 1 and receipt is not None and receipt.adopted,
        in_doubt=step.state != StepState.FINISHED,
    )


def _own_fields(answer: dict[str, Any]) -> dict[str, Any]:
    """A stored receipt without what stands beside it, such as who gave it."""
    return {name: answer[name] for name in _RECEIPT if name in answer}

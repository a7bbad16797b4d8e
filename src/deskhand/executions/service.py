"""What people do with executions: look, cancel, retry, dismiss. Every change is audited where it happens.

Changes touch only what a worker does not own: a running execution is never written to except for
``cancel_requested_at``, which its worker reads between two steps. Nothing here wakes a worker; the
caller does, after its commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.audit.service import record
from deskhand.errors import ConflictError, NotFoundError
from deskhand.executions import repository
from deskhand.executions.models import AgentExecution
from deskhand.executions.queue import enqueue
from deskhand.executions.redaction import redact
from deskhand.executions.schemas import (
    AgentChoice,
    BulkRetry,
    BulkRetryResult,
    ExecutionDetail,
    ExecutionFilters,
    ExecutionStatus,
    ExecutionSummary,
    LeftOut,
    NoteSource,
    NoteView,
    StatusCounts,
    StepView,
)
from deskhand.kit.page import Page, cut_page, decode_cursor

# A retry by a person grants as many starts as a new run has, whatever was used up before.
ATTEMPTS_PER_RETRY = 4


async def list_executions(
    session: AsyncSession, filters: ExecutionFilters, *, limit: int, cursor: str | None = None
) -> Page[ExecutionSummary]:
    """Executions of the session's tenant, newest first.

    Args:
        session: A tenant session.
        filters: Which ones.
        limit: Rows on a page.
        cursor: ``next_cursor`` of the page before.

    Raises:
        InvalidInputError: The cursor is not one of this list.
    """
    after = decode_cursor(cursor, datetime, UUID)
    position = None if after is None else (after[0], after[1])
    rows = await repository.list_summaries(session, filters, after=position, limit=limit + 1)
    return cut_page(
        [ExecutionSummary.model_validate(_clean(row)) for row in rows], limit, lambda row: (row.queued_at, row.id)
    )


async def get_execution(session: AsyncSession, execution_id: UUID) -> ExecutionDetail:
    """One execution with its input, its result and every step.

    Args:
        session: A tenant session.
        execution_id: Which one.

    Raises:
        NotFoundError: There is none, or it belongs to another tenant.
    """
    row = await repository.find_detail(session, execution_id)
    if row is None:
        raise _not_found(execution_id)
    steps = await repository.list_steps(session, execution_id)
    result = redact(row["output_result"])
    return ExecutionDetail.model_validate(
        {
            **_clean(row),
            "input_payload": redact(row["input_payload"]),
            "output_result": result,
            "note": read_note(row["output_result"]),
            "steps": [_step(step) for step in steps],
        }
    )


async def list_steps(session: AsyncSession, execution_id: UUID) -> list[StepView]:
    """The steps of one execution in order.

    Raises:
        NotFoundError: There is no such execution, or it belongs to another tenant.
    """
    await _summary(session, execution_id)
    return [_step(step) for step in await repository.list_steps(session, execution_id)]


async def count_by_status(session: AsyncSession, filters: ExecutionFilters) -> StatusCounts:
    """How many executions stand where, among those the filters match (their states left aside)."""
    return StatusCounts.model_validate(await repository.count_by_status(session, filters))


async def list_agent_choices(session: AsyncSession) -> list[AgentChoice]:
    """The tenant's agents by name, for a filter."""
    return [AgentChoice.model_validate(dict(row)) for row in await repository.list_agents(session)]


async def cancel_execution(session: AsyncSession, execution_id: UUID, *, principal: Principal) -> ExecutionSummary:
    """Stop an execution.

    A queued or waiting one, which no worker holds, is cancelled at once. A running one stops before its
    next step: what it is doing at this moment is finished, because an effect cannot be taken back half-way.

    Args:
        session: A tenant session.
        execution_id: Which one.
        principal: Who asks; named in the audit log.

    Raises:
        NotFoundError: There is none.
        ConflictError: It has ended already.
    """
    execution = await _locked(session, execution_id)
    status = ExecutionStatus(execution.status)
    if status.is_final:
        raise ConflictError(f"The execution is {status} already; there is nothing left to cancel.")
    if execution.cancel_requested_at is None:
        now = await repository.database_now(session)
        execution.cancel_requested_at = now
        if status is not ExecutionStatus.RUNNING:
            execution.status = ExecutionStatus.CANCELLED
            execution.completed_at = now
            execution.parked = False
            execution.not_before = None
        await _audit(session, "execution.cancel", execution, principal, {"was": status.value})
    return await _summary(session, execution_id)


async def retry_execution(session: AsyncSession, execution_id: UUID, *, principal: Principal) -> ExecutionSummary:
    """Put a failed or cancelled execution back in the queue.

    Its journal stays: finished steps are replayed, not paid for again, and a write that happened is not repeated.

    Args:
        session: A tenant session.
        execution_id: Which one.
        principal: Who asks; named in the audit log.

    Raises:
        NotFoundError: There is none.
        ConflictError: It neither failed nor was cancelled, or another run of its ticket waits already.
    """
    execution = await _locked(session, execution_id)
    if execution.status not in (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED):
        raise ConflictError(f"The execution is {execution.status}; only a failed or cancelled one can be retried.")
    if not await _requeue(session, execution, principal):
        raise ConflictError("Another run of this ticket already waits for its start; it will see the ticket as it is.")
    return await _summary(session, execution_id)


async def retry_matching(session: AsyncSession, wanted: BulkRetry, *, principal: Principal) -> BulkRetryResult:
    """Put every ended execution that matches back in the queue, oldest first.

    Args:
        session: A tenant session.
        wanted: Which ones, and how many at most.
        principal: Who asks; named in the audit log, once per execution.
    """
    found = await repository.lock_ended(session, wanted)
    retried: list[UUID] = []
    skipped: list[UUID] = []
    for execution in found[: wanted.limit]:
        (retried if await _requeue(session, execution, principal) else skipped).append(execution.id)
    return BulkRetryResult(retried=retried, skipped=skipped, more=len(found) > wanted.limit)


async def dismiss_execution(session: AsyncSession, execution_id: UUID, *, principal: Principal) -> ExecutionSummary:
    """Say that a failure needs nobody's attention any more; the execution itself stays as it is.

    Args:
        session: A tenant session.
        execution_id: Which one.
        principal: Who asks; named in the audit log.

    Raises:
        NotFoundError: There is none.
        ConflictError: It has not failed.
    """
    execution = await _locked(session, execution_id)
    if execution.status != ExecutionStatus.FAILED:
        raise ConflictError(f"The execution is {execution.status}; only a failed one can be dismissed.")
    if execution.dismissed_at is None:
        execution.dismissed_at = await repository.database_now(session)
        await _audit(session, "execution.dismiss", execution, principal, {"error_code": execution.error_code})
    return await _summary(session, execution_id)


async def _requeue(session: AsyncSession, execution: AgentExecution, principal: Principal) -> bool:
    details = {"was": execution.status, "error_code": execution.error_code, "attempt": execution.attempt}
    if not await repository.requeue(session, execution, attempts=ATTEMPTS_PER_RETRY):
        return False
    await enqueue(session, execution.id)
    await _audit(session, "execution.retry", execution, principal, details)
    return True


async def _audit(
    session: AsyncSession, operation: str, execution: AgentExecution, principal: Principal, details: dict[str, Any]
) -> None:
    await record(
        session,
        tenant_id=execution.tenant_id,
        actor=principal.actor,
        operation=operation,
        resource_type="execution",
        resource_id=str(execution.id),
        details=details,
    )


async def _locked(session: AsyncSession, execution_id: UUID) -> AgentExecution:
    execution = await repository.lock_execution(session, execution_id)
    if execution is None:
        raise _not_found(execution_id)
    return execution


async def _summary(session: AsyncSession, execution_id: UUID) -> ExecutionSummary:
    await session.flush()
    row = await repository.find_summary(session, execution_id)
    if row is None:
        raise _not_found(execution_id)
    return ExecutionSummary.model_validate(_clean(row))


def _not_found(execution_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no execution {execution_id}.")


def _clean(row: RowMapping) -> dict[str, Any]:
    return {**dict(row), "subject": redact(row["subject"]), "error_message": redact(row["error_message"])}


def _step(row: RowMapping) -> StepView:
    shown = {key: redact(row[key]) for key in ("input", "output", "error")}
    return StepView.model_validate({**dict(row), **shown})


def read_note(result: Mapping[str, Any] | None) -> NoteView | None:
    """The note in a run's result, or None where it wrote none."""
    note = (result or {}).get("note")
    if not isinstance(note, dict) or not isinstance(note.get("markdown"), str):
        return None
    confidence = note.get("confidence")
    return NoteView(
        markdown=note["markdown"],
        confidence=None if confidence is None else str(confidence),
        word_count=note.get("word_count"),
        note_id=None if note.get("note_id") is None else str(note["note_id"]),
        sources=[NoteSource.model_validate(item) for item in note.get("sources") or []],
        left_out=[LeftOut.model_validate(item) for item in note.get("dropped") or []],
    )

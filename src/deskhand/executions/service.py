"""What people do with executions: look, cancel, retry, dismiss. Every change is audited where it happens.

Changes touch only what a worker does not own: a running execution is never written to except for
``cancel_requested_at``, which its worker reads between two steps. A commit that queues a run wakes
the workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.approvals.schemas import ApprovalQuery
from deskhand.approvals.service import list_approvals
from deskhand.engine.births import requeue_run
from deskhand.engine.models import AgentExecution
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ApprovalNeededError, ConflictError
from deskhand.executions import repository
from deskhand.executions.doubts import find_question
from deskhand.executions.records import (
    DISMISSAL,
    lock_execution,
    not_found,
    read_summary,
    record_change,
    without_credentials,
)
from deskhand.executions.redaction import redact
from deskhand.executions.schemas import (
    AgentChoice,
    BulkDismiss,
    BulkDismissResult,
    BulkRetry,
    BulkRetryResult,
    Day,
    ExecutionDetail,
    ExecutionFilters,
    ExecutionSummary,
    FailureKind,
    LeftOut,
    NoteSource,
    NoteView,
    StatusCounts,
    StepView,
    UndoneItem,
    UndoResult,
)
from deskhand.executions.sent import sent_to
from deskhand.executions.waits import find_wait
from deskhand.kit.db.session import database_now
from deskhand.kit.page import Page, cut_page, decode_cursor

FAILURE_KINDS = 50


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
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(cursor, datetime, UUID)
    position = None if after is None else (after[0], after[1])
    rows = await repository.list_summaries(session, filters, after=position, limit=limit + 1)
    return cut_page(
        [ExecutionSummary.model_validate(without_credentials(row)) for row in rows],
        limit,
        lambda row: (row.queued_at, row.id),
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
        raise not_found(execution_id)
    steps = await repository.list_steps(session, execution_id)
    # Redacted where it leaves: the journal keeps what the worker needs, and people see it without credentials.
    result = redact(row["output_result"])
    return ExecutionDetail.model_validate(
        {
            **without_credentials(row),
            "input_payload": redact(row["input_payload"]),
            "output_result": result,
            "note": read_note(row["output_result"]),
            "degraded_reason": (result or {}).get("degraded_reason"),
            "same_as": (result or {}).get("same_as"),
            "not_written": (result or {}).get("not_written"),
            "became_public": (result or {}).get("became_public"),
            "not_written_code": (result or {}).get("not_written_code"),
            "storm_id": ((result or {}).get("storm") or {}).get("id"),
            "not_approved": (result or {}).get("not_approved") or [],
            "read": (result or {}).get("read") or [],
            "sent_to": sent_to((step.kind, step.input, step.output) for step in steps),
            "undo": read_undo(row),
            "question": find_question(row["status"], steps),
            "approval_id": await _asked(session, row),
            "waits_for": find_wait(steps, status=row["status"], error_code=row["error_code"]),
            "replays": [dict(one) for one in await repository.list_replays(session, execution_id)],
            "retried_as": await _successor(session, row),
            "steps": [_step(step) for step in steps],
        }
    )


async def list_steps(session: AsyncSession, execution_id: UUID) -> list[StepView]:
    """The steps of one execution in order.

    Raises:
        NotFoundError: There is no such execution, or it belongs to another tenant.
    """
    await read_summary(session, execution_id)
    return [_step(step) for step in await repository.list_steps(session, execution_id)]


async def count_by_status(session: AsyncSession, filters: ExecutionFilters) -> StatusCounts:
    """How many executions stand where, among those the filters match (their states left aside)."""
    return StatusCounts.model_validate(await repository.count_by_status(session, filters))


async def last_day(session: AsyncSession) -> Day:
    """How the last 24 hours went, and what is open."""
    return Day.model_validate(await repository.last_day(session))


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
    execution = await lock_execution(session, execution_id)
    status = ExecutionStatus(execution.status)
    if status.is_final:
        raise ConflictError(f"The execution is {status} already; there is nothing left to cancel.")
    if execution.cancel_requested_at is None:
        now = await database_now(session)
        execution.cancel_requested_at = now
        # The row of a running one belongs to its worker, which reads the request before its next step.
        if status is not ExecutionStatus.RUNNING:
            execution.status = ExecutionStatus.CANCELLED
            execution.completed_at = now
            execution.parked = False
            execution.not_before = None
            execution.listens_until = None
        await record_change(
            session,
            "execution.cancel",
            execution,
            principal,
            {"was": status.value},
            before={"status": status.value, "cancel_requested": False},
            after={"status": str(execution.status), "cancel_requested": True},
        )
    return await read_summary(session, execution_id)


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
    execution = await lock_execution(session, execution_id)
    if execution.status not in (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED):
        raise ConflictError(f"The execution is {execution.status}; only a failed or cancelled one can be retried.")
    if not await _requeue(session, execution, principal):
        raise ConflictError("Another run of this ticket already waits for its start; it will see the ticket as it is.")
    return await read_summary(session, execution_id)


async def retry_matching(session: AsyncSession, wanted: BulkRetry, *, principal: Principal) -> BulkRetryResult:
    """Put every ended execution that matches back in the queue, oldest first.

    Args:
        session: A tenant session.
        wanted: Which ones, and how many at most.
        principal: Who asks; named in the audit log, once per execution.
    """
    executions = await repository.lock_ended(session, wanted)
    retried: list[UUID] = []
    skipped: list[UUID] = []
    for execution in executions[: wanted.limit]:
        # One whose ticket has another run waiting is skipped: that run will see the ticket as it is.
        (retried if await _requeue(session, execution, principal) else skipped).append(execution.id)
    return BulkRetryResult(retried=retried, skipped=skipped, more=len(executions) > wanted.limit)


async def dismiss_matching(session: AsyncSession, wanted: BulkDismiss, *, principal: Principal) -> BulkDismissResult:
    """Dismiss every failed execution that matches, oldest first.

    Args:
        session: A tenant session.
        wanted: Which ones, and how many at most.
        principal: Who asks; named in the audit log, once per execution.
    """
    executions = await repository.lock_undismissed(session, wanted)
    now = await database_now(session)
    for execution in executions[: wanted.limit]:
        execution.dismissed_at = now
        await _record_dismissal(session, execution, principal)
    await session.flush()
    return BulkDismissResult(
        dismissed=[execution.id for execution in executions[: wanted.limit]], more=len(executions) > wanted.limit
    )


async def count_matching(session: AsyncSession, filters: ExecutionFilters) -> int:
    """How many executions match, their states included."""
    return await repository.count_matching(session, filters)


async def failure_kinds(session: AsyncSession) -> list[FailureKind]:
    """What the failed runs that nobody dismissed failed with, the most frequent first."""
    rows = await repository.failure_kinds(session, limit=FAILURE_KINDS)
    return [FailureKind.model_validate({**dict(row), "example": redact(row["example"])}) for row in rows]


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
    execution = await lock_execution(session, execution_id)
    if execution.status != ExecutionStatus.FAILED:
        raise ConflictError(f"The execution is {execution.status}; only a failed one can be dismissed.")
    # Once: who dismissed it first, and when, is what the trail should say.
    if execution.dismissed_at is None:
        execution.dismissed_at = await database_now(session)
        await _record_dismissal(session, execution, principal)
    return await read_summary(session, execution_id)


async def _record_dismissal(session: AsyncSession, execution: AgentExecution, principal: Principal) -> None:
    details = {"error_code": execution.error_code}
    await record_change(session, "execution.dismiss", execution, principal, details, **DISMISSAL)


async def _requeue(session: AsyncSession, execution: AgentExecution, principal: Principal) -> bool:
    before = {"status": str(execution.status), "error_code": execution.error_code}
    details = {"was": execution.status, "error_code": execution.error_code, "attempt": execution.attempt}
    if not await requeue_run(session, execution):
        return False
    after = {"status": ExecutionStatus.QUEUED.value, "error_code": None}
    await record_change(session, "execution.retry", execution, principal, details, before=before, after=after)
    return True


async def _asked(session: AsyncSession, row: RowMapping) -> UUID | None:
    if row["status"] != ExecutionStatus.WAITING or row["error_code"] != ApprovalNeededError.code:
        return None
    asked = await list_approvals(session, ApprovalQuery(execution_id=row["id"], limit=1))
    return next((one.id for one in asked.items), None)


async def _successor(session: AsyncSession, row: RowMapping) -> dict[str, Any] | None:
    # A retry with another input dismisses the failed run in the same transaction, so one that is not dismissed has
    # none.
    if row["dismissed_at"] is None:
        return None
    successor = await repository.find_successor(session, row["id"], row["dismissed_at"])
    return None if successor is None else dict(successor)


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
        replaces=note.get("replaces"),
        on=(note.get("on") or {}).get("number"),
    )


def read_undo(row: RowMapping) -> UndoResult | None:
    """What an undo was asked for and did; None of any other run."""
    if row["mode"] != "undo":
        return None
    done = ((row["output_result"] or {}).get("undo") or {}).get("outcomes") or []
    items = [
        UndoneItem(
            operations=[write["operation"] for write in one["writes"]],
            executions=sorted({write["execution_id"] for write in one["writes"]}),
            kept=[field["field"] for field in one["kept"]],
            **{name: redact(one[name]) for name in ("tool_type", "ticket_id", "effect", "done", "fields", "why")},
        )
        for one in done
    ]
    return UndoResult(requested_by=str((row["input_payload"] or {}).get("requested_by")), items=items)

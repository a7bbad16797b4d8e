"""A doubt and its answer: a write that was begun, whose outcome nobody but a person who looks at the ticket can tell.

The answer becomes part of the journal: *done* makes the step finished, with a receipt that names who gave it;
*not done* makes it failed, so that the resumed run makes the write now. Either way a run that waits is queued again, in
the transaction of the answer. A run that ended in doubt asks the same, and stays ended: whether it is to be repeated is
for the person who answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.engine.births import requeue_run
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.engine.status import ExecutionStatus, StepState
from deskhand.errors import ConflictError
from deskhand.executions import repository
from deskhand.executions.decision_schemas import DoubtAnswer
from deskhand.executions.records import lock_execution, read_summary, record_change
from deskhand.executions.redaction import redact
from deskhand.executions.schemas import ExecutionSummary, Question
from deskhand.kit.db.session import database_now
from deskhand.plugins.contract import WriteReceipt

UNKNOWN = "Nobody knows whether this was done: "
"""How ``close_steps`` (``engine/engine.sql``) begins what it says of a run that ends in doubt."""


async def answer_doubt(
    session: AsyncSession, execution_id: UUID, answer: DoubtAnswer, *, principal: Principal
) -> ExecutionSummary:
    """Settle a write that is in doubt; a run that waits goes on, and one that has ended stays ended.

    Args:
        session: A tenant session.
        execution_id: Which run.
        answer: What was seen on the ticket.
        principal: Who looked; named in the step and in the audit log.

    Raises:
        NotFoundError: There is no such run.
        ConflictError: It is at work, or has no doubt about this step.
    """
    execution = await lock_execution(session, execution_id)
    status = ExecutionStatus(execution.status)
    # Two people may look at the same ticket; the second answer must not overrule the first, on which the run has gone
    # on.
    if not _asks(status):
        raise ConflictError(f"The execution is {status}; only one that waits or has ended has a question.")
    step = await repository.get_step(session, execution_id, answer.step_key)
    if step is None or step.state != StepState.IN_DOUBT:
        raise ConflictError(f"There is no doubt about a step '{answer.step_key}' of this execution.")
    step.finished_at = await database_now(session)
    if answer.done:
        step.state, step.output, step.error = StepState.FINISHED, _receipt(execution, step, answer, principal), None
    else:
        # A failed write is begun anew by the resumed run; one in doubt would be asked about again.
        step.state, step.error = StepState.FAILED, f"{principal.actor} looked at the ticket: this write was not done."
    await session.flush()
    if status.is_final:
        left = [one for one in await repository.list_steps(session, execution_id) if one["state"] == StepState.IN_DOUBT]
        execution.error_message = _still_unknown(execution.error_message or "", left)
    # The error takes the answer back with it: settled without a run to go on, the doubt would be lost.
    elif not await requeue_run(session, execution):
        raise ConflictError("Another run of this ticket waits for its start; let it end first.")
    details = {"step_key": step.step_key, "mark": step.mark, "done": answer.done, "receipt_id": answer.receipt_id}
    await record_change(
        session,
        "execution.answer",
        execution,
        principal,
        details,
        before={"status": status.value, "step": StepState.IN_DOUBT.value},
        after={"status": (status if status.is_final else ExecutionStatus.QUEUED).value, "step": step.state},
    )
    return await read_summary(session, execution_id)


def _asks(status: ExecutionStatus) -> bool:
    # A run that ended without its worker, or before it met a begun write again, has nobody else to settle the write.
    return status is ExecutionStatus.WAITING or status.is_final


def _still_unknown(message: str, left: Sequence[RowMapping]) -> str | None:
    """What an ended run says, without the writes that somebody has told of since."""
    reason = message.partition(UNKNOWN)[0].rstrip()
    writes = ", ".join(f"{step['name']} (mark {step['mark']})" if step["mark"] else step["name"] for step in left)
    return " ".join(filter(None, (reason, writes and f"{UNKNOWN}{writes}."))) or None


def find_question(status: str, steps: Sequence[RowMapping]) -> Question | None:
    """What a run asks, read from its journal; None where it asks nothing."""
    doubt = next((step for step in steps if step["state"] == StepState.IN_DOUBT), None)
    if doubt is None or not _asks(ExecutionStatus(status)):
        return None
    written = doubt["input"] if isinstance(doubt["input"], dict) else {}
    return Question(
        step_key=doubt["step_key"],
        operation=doubt["name"],
        text=redact(_text(written.get("body"))),
        mark=doubt["mark"],
        asked_at=doubt["started_at"],
        ticket_url=_ticket_url(steps),
    )


def _ticket_url(steps: Sequence[RowMapping]) -> str | None:
    read = next((step["output"] for step in steps if step["name"] == "get_ticket"), None)
    url = _text(read.get("url")) if isinstance(read, dict) else None
    # A desk's address goes into a link, and a desk is not trusted with what a link may do.
    return url if url and url.startswith(("https://", "http://")) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _receipt(
    execution: AgentExecution, step: ExecutionStep, answer: DoubtAnswer, principal: Principal
) -> dict[str, Any]:
    """What the desk would have answered, as far as a person can say; who said so stands beside it."""
    receipt = WriteReceipt(
        id=answer.receipt_id or "", ticket_id=execution.ticket_ref or "", mark=step.mark or "", adopted=True
    )
    return {**to_jsonable_python(receipt), "given_by": principal.actor}

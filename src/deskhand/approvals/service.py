"""What people do with calls that wait for them, and what a run asks and finds.

An answer and the run's way back into the queue are one transaction, which holds the run's row: of two answers one acts.
An answer names the digest of what was shown, so nobody approves what somebody else has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.approvals import repository
from deskhand.approvals.differences import differences, digest_of
from deskhand.approvals.models import Approval, ApprovalState
from deskhand.approvals.notices import first_notice_at
from deskhand.approvals.rules import ensure_may_answer
from deskhand.approvals.schemas import (
    ApprovalQuery,
    ApprovalView,
    AskedTicket,
    BatchItem,
    BatchResult,
    DifferenceView,
    LeftWaiting,
)
from deskhand.audit.service import record
from deskhand.engine.births import requeue_run
from deskhand.engine.models import AgentExecution
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.kit.db.session import database_now
from deskhand.kit.judge import Judge
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.kit.pointer import pointer
from deskhand.plugins.registry import PluginManager
from deskhand.tools.catalogue import find_provider
from deskhand.tools.sources import source_providers
from deskhand.tools.values import Provider, Risk

TICKET = "ticket_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call as a run puts it to people.

    Attributes:
        step_key: The write in the run's journal.
        ticket: ``snapshot`` of the ticket it is bound to; None where it concerns none.
        expires_at: Until when it may be answered.
        actor: The agent, for the audit log.
    """

    tenant_id: str
    execution_id: UUID
    agent_version_id: UUID
    step_key: str
    tool_id: str
    operation: str
    arguments: Mapping[str, Any]
    ticket_id: str | None
    ticket: Mapping[str, Any] | None
    revision: str | None
    risk: Risk
    reason: str
    approver: str
    expires_at: datetime
    actor: str


# -- a run's side ----------------------------------------------------------------------------


async def ask(session: AsyncSession, asked: Asked) -> Approval:
    """Put a call to people, once, and return it as it stands: an earlier attempt of the run may have asked."""
    arguments = dict(asked.arguments)
    values = {
        "tenant_id": asked.tenant_id,
        "execution_id": asked.execution_id,
        "step_key": asked.step_key,
        "tool_id": asked.tool_id,
        "operation": asked.operation,
        "ticket_id": asked.ticket_id,
        "ticket": None if asked.ticket is None else dict(asked.ticket),
        "revision": asked.revision,
        "arguments": arguments,
        "digest": digest_of(asked.tool_id, asked.operation, asked.ticket_id, arguments),
        "likeness": digest_of(str(asked.agent_version_id), asked.tool_id, asked.operation, arguments),
        "risk": asked.risk,
        "reason": asked.reason or None,
        "approver": asked.approver,
        "expires_at": asked.expires_at,
        "notify_at": await first_notice_at(session, asked.tenant_id),
    }
    is_new = await repository.add(session, values)
    approval = await repository.find_by_step(session, asked.execution_id, asked.step_key)
    assert approval is not None  # it was there or has just been added, and none is ever deleted under its run
    if is_new:
        await _record(session, approval, "approval.ask", asked.actor, {"reason": asked.reason, "risk": asked.risk})
    return approval


async def find_asked(session: AsyncSession, execution_id: UUID, step_key: str) -> Approval | None:
    """What was asked about one write of one run."""
    return await repository.find_by_step(session, execution_id, step_key)


async def expire(session: AsyncSession, approval: Approval, *, actor: str) -> bool:
    """Close a call that nobody answered in time; False while there is time."""
    why = f"Nobody answered until {approval.expires_at:%Y-%m-%d %H:%M} UTC."
    if not await repository.settle(session, approval.id, was=ApprovalState.WAITING, now=ApprovalState.EXPIRED, why=why):
        return False
    await _record(session, approval, "approval.expire", actor, {})
    return True


async def void(session: AsyncSession, approval: Approval, *, why: str, actor: str) -> None:
    """Note that an approved call was not made, because its ticket had changed."""
    if await repository.settle(session, approval.id, was=ApprovalState.APPROVED, now=ApprovalState.VOID, why=why):
        await _record(session, approval, "approval.void", actor, {"why": why})


async def time_waited(session: AsyncSession, execution_id: UUID) -> timedelta:
    """How long a run has waited for people; none of it counts as the run's own time."""
    return await repository.time_waited(session, execution_id)


# -- people's side ---------------------------------------------------------------------------


async def list_approvals(session: AsyncSession, query: ApprovalQuery) -> Page[ApprovalView]:
    """Calls of the session's tenant, newest first.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    after = decode_cursor(query.cursor, datetime, UUID)
    position = None if after is None else (after[0], after[1])
    rows = await repository.list_rows(session, query, after=position, limit=query.limit + 1)
    return cut_page([_view(row) for row in rows], query.limit, lambda one: (one.created_at, one.id))


async def approvals_of_runs(session: AsyncSession, runs: Sequence[UUID]) -> list[ApprovalView]:
    """Every call that these runs asked people about, newest first; those that wait only while their run does."""
    return [_view(row) for row in await repository.list_of_runs(session, runs)]


async def get_approval(session: AsyncSession, approval_id: UUID) -> ApprovalView:
    """One call.

    Raises:
        NotFoundError: There is none, or it belongs to another tenant.
    """
    await session.flush()
    row = await repository.find_row(session, approval_id)
    if row is None:
        raise _not_found(approval_id)
    return _view(row)


async def get_open(session: AsyncSession, approval_id: UUID, digest: str) -> ApprovalView:
    """One call that still waits with this digest. Raises as ``approve``."""
    await _open(session, approval_id, digest)
    return await get_approval(session, approval_id)


async def approve(session: AsyncSession, approval_id: UUID, digest: str, *, principal: Principal) -> ApprovalView:
    """Let the run make the write, if the ticket is still as it was shown when the run comes to it.

    Raises:
        NotFoundError: There is no such call.
        ForbiddenError: The caller's role is not enough, or the tenant wants other eyes.
        ConflictError: It was answered, changed or given up meanwhile.
    """
    approval, execution = await _open(session, approval_id, digest)
    await ensure_may_answer(session, approval, execution, principal, approving=True)
    await _answer(session, approval, execution, ApprovalState.APPROVED, words=None, principal=principal)
    return await get_approval(session, approval_id)


async def decline(
    session: AsyncSession, approval_id: UUID, digest: str, *, reason: str, principal: Principal
) -> ApprovalView:
    """Let the run go on without the write; the model reads why. Raises as ``approve``."""
    approval, execution = await _open(session, approval_id, digest)
    await ensure_may_answer(session, approval, execution, principal, approving=False)
    await _answer(session, approval, execution, ApprovalState.DECLINED, words=reason.strip(), principal=principal)
    return await get_approval(session, approval_id)


async def change(
    session: AsyncSession,
    approval_id: UUID,
    digest: str,
    *,
    arguments: Mapping[str, Any],
    principal: Principal,
    plugins: PluginManager,
) -> ApprovalView:
    """Put other arguments to people, for the same operation on the same ticket. Raises as ``approve``.

    Raises:
        InvalidInputError: They do not fit the operation.
    """
    approval, execution = await _open(session, approval_id, digest)
    await ensure_may_answer(session, approval, execution, principal, approving=False)
    ensure_fitting(approval, arguments, plugins, await source_providers(session))
    before = {"arguments": approval.arguments, "digest": approval.digest}
    approval.arguments = dict(arguments)
    approval.digest = digest_of(approval.tool_id, approval.operation, approval.ticket_id, approval.arguments)
    version = str(execution.agent_version_id)
    approval.likeness = digest_of(version, approval.tool_id, approval.operation, approval.arguments)
    approval.changed_by, approval.changed_at = principal.actor, await database_now(session)
    await session.flush()
    after = {"arguments": approval.arguments, "digest": approval.digest}
    await _record(session, approval, "approval.change", principal.actor, {}, before=before, after=after)
    return await get_approval(session, approval_id)


async def approve_all(session: AsyncSession, items: Sequence[BatchItem], *, principal: Principal) -> BatchResult:
    """Approve equal calls of low risk, each by itself: one that was answered meanwhile keeps no other from it.

    Raises:
        NotFoundError: There is no such call.
        ForbiddenError: As ``approve``; none is approved then.
        InvalidInputError: They are not equal, or not of low risk.
    """
    views = [await get_approval(session, item.id) for item in items]
    if len({view.likeness for view in views}) > 1 or any(not view.as_one for view in views):
        raise InvalidInputError(
            "Only calls of low risk that do the same can be approved at once; answer these one by one.",
            errors=[FieldProblem("/items", "must be of one likeness, and of low risk")],
        )
    approved, left = [], []
    # In one order, so that two people with overlapping batches wait for each other instead of for ever.
    for item in sorted({one.id: one for one in items}.values(), key=lambda one: one.id):
        try:
            await approve(session, item.id, item.digest, principal=principal)
        except ConflictError as error:
            left.append(LeftWaiting(id=item.id, why=error.detail))
        else:
            approved.append(item.id)
    return BatchResult(approved=approved, left=left)


def ensure_fitting(
    approval: Approval, arguments: Mapping[str, Any], plugins: PluginManager, sources: Sequence[Provider] = ()
) -> None:
    """Refuse arguments that the operation does not take.

    Raises:
        InvalidInputError: Each fault with its place.
    """
    operation = find_provider(approval.tool_id, plugins, sources).operation(approval.operation)
    if operation is None:
        raise ConflictError(f"'{approval.tool_id}' cannot do '{approval.operation}' any more; decline it.")
    faults = [
        FieldProblem(pointer(["arguments", *fault.path]), fault.sentence[:300])
        for fault in Judge(operation.arguments).faults(dict(arguments))
    ]
    if TICKET in arguments and operation.scopes:
        # What was shown is one ticket's state; another ticket would have to be read, by the run.
        faults.append(FieldProblem("/arguments/ticket_id", "cannot be changed: the call is bound to its ticket"))
    if faults:
        raise InvalidInputError(f"'{approval.operation}' does not take these arguments.", errors=faults)


async def _open(session: AsyncSession, approval_id: UUID, digest: str) -> tuple[Approval, AgentExecution]:
    """The call and its run, locked, if it still waits as it was shown."""
    rows = await repository.lock(session, approval_id)
    if rows is None:
        raise _not_found(approval_id)
    approval, execution = rows
    if approval.state != ApprovalState.WAITING:
        by = f" by {approval.answered_by}" if approval.answered_by else ""
        raise ConflictError(f"This was {approval.state} already{by}; nothing was done again.")
    if execution.status != ExecutionStatus.WAITING:
        words = "has ended" if ExecutionStatus(execution.status).is_final else "is on its way; try again in a moment"
        raise ConflictError(f"The run does not wait for an answer: it {words}.")
    if approval.expires_at <= await database_now(session):
        raise ConflictError(f"Nobody answered until {approval.expires_at:%Y-%m-%d %H:%M} UTC; the run goes on without.")
    if approval.digest != digest:
        raise ConflictError(f"The arguments were changed meanwhile by {approval.changed_by}; look at them again.")
    return approval, execution


async def _answer(
    session: AsyncSession,
    approval: Approval,
    execution: AgentExecution,
    state: ApprovalState,
    *,
    words: str | None,
    principal: Principal,
) -> None:
    # A savepoint, because a page shows the error and commits: answered without a run to go on, the call would be lost.
    async with session.begin_nested():
        approval.state, approval.answer = state, words
        approval.answered_by, approval.answered_at = principal.actor, await database_now(session)
        await session.flush()
        if not await requeue_run(session, execution):
            raise ConflictError("Another run of this ticket waits for its start; let it end first.")
    verb = "approval.approve" if state is ApprovalState.APPROVED else "approval.decline"
    before, after = {"state": ApprovalState.WAITING.value}, {"state": state.value}
    details = {"reason": words, **({"by": "a link in a mail"} if principal.kind == "link" else {})}
    await _record(session, approval, verb, principal.actor, details, before=before, after=after)


async def _record(
    session: AsyncSession,
    approval: Approval,
    operation: str,
    actor: str,
    details: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    await record(
        session,
        tenant_id=approval.tenant_id,
        actor=actor,
        operation=operation,
        resource_type="approval",
        resource_id=approval.id,
        before=before,
        after=after,
        details={
            "execution_id": str(approval.execution_id),
            "call": f"{approval.tool_id}.{approval.operation}",
            "ticket": approval.ticket_id,
            "digest": approval.digest,
            **details,
        },
    )


def _view(row: RowMapping) -> ApprovalView:
    one: Approval = row["Approval"]
    kept = one.ticket or {}
    columns = {name: getattr(one, name) for name in ApprovalView.model_fields if hasattr(one, name)}
    ticket = one.ticket_id and AskedTicket(
        id=one.ticket_id,
        number=kept.get("number"),
        subject=kept.get("subject"),
        url=_web_address(kept.get("url")),
        revision=one.revision,
    )
    changes = differences(one.operation, one.arguments, one.ticket, tool_id=one.tool_id)
    return ApprovalView.model_validate(
        {
            **columns,
            **{name: row[name] for name in ("agent_id", "agent_name", "agent_version")},
            "ticket": ticket or None,
            "differences": [DifferenceView.model_validate(change) for change in changes],
        }
    )


def _web_address(url: str | None) -> str | None:
    # A desk's address goes into a link, and a desk is not trusted with what a link may do.
    return url if url and url.startswith(("https://", "http://")) else None


def _not_found(approval_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no approval {approval_id}.")

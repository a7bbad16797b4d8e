"""A write that a person approves first, from the run's side: ask, park, and on the way back do what was approved.

The question is a step of the journal that stays begun while people look: a run that is resumed finds the answer, or the
same question, and never asks twice. What was approved holds for one state of one ticket. It is looked at again inside
the write's own step, so that nothing lies between that look and the desk; where the ticket has moved, the approval is
void and the run is told to look again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from deskhand.approvals import service as approvals
from deskhand.approvals.differences import differences, snapshot, stamp
from deskhand.approvals.models import Approval, ApprovalState
from deskhand.approvals.service import Asked
from deskhand.engine.journal import Journal
from deskhand.errors import ApprovalNeededError, NotApprovedError
from deskhand.kit.db.session import Database, database_now
from deskhand.plugins.contract import Ticket
from deskhand.tools.values import Grant, Risk, ToolOperation
from deskhand.work.hours import Hours

_KEY_LENGTH = 200  # execution_steps.step_key
_RAISED = {Risk.LOW: Risk.MEDIUM, Risk.MEDIUM: Risk.HIGH, Risk.HIGH: Risk.HIGH}

Look = Callable[[], Awaitable[Ticket]]
"""Reads, at the desk and now, the ticket that a call is bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that needs a yes.

    Attributes:
        key: Journal key of its write.
        arguments: By the operation's schema, without the ticket.
        reason: Why, as the model or the run says.
        ticket_id: The ticket it touches, or the run's own where it touches none.
        look: Reads that ticket; None where the run has none.
        elsewhere: Whether it touches another ticket than the run's own.
    """

    key: str
    tool_id: str
    operation: ToolOperation
    grant: Grant
    arguments: Mapping[str, Any]
    reason: str
    ticket_id: str | None
    look: Look | None
    elsewhere: bool = False

    @property
    def risk(self) -> Risk:
        """The operation's, and more on a ticket that the run was not started by."""
        return _RAISED[self.operation.risk] if self.elsewhere else self.operation.risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """A yes to one call: its arguments as they were approved, and a last look before they are used."""

    arguments: dict[str, Any]
    ensure_fresh: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Approver:
    """Asks people for one run.

    Attributes:
        journal: The run's.
        actor: The agent, in the audit log.
        version_id: The version that the run is pinned to.
        hours: When the people work who are asked.
        outcomes: What was asked and not done, in words, in the order of the run.
    """

    db: Database
    journal: Journal
    actor: str
    version_id: UUID
    hours: Hours
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_void(self) -> bool:
        """Whether what was asked last was approved, and not made because its ticket had changed."""
        return bool(self.outcomes) and self.outcomes[-1]["state"] == ApprovalState.VOID

    def output(self) -> dict[str, Any]:
        """For a run's output: what was asked and not done; nothing where there is none of it."""
        return {"not_approved": list(self.outcomes)} if self.outcomes else {}

    def expired(self) -> list[str]:
        """What nobody answered in time, a sentence each, for whoever works on the ticket."""
        return [
            f"Not done: {one['operation'].replace('_', ' ')}. {one['why']}"
            for one in self.outcomes
            if one["state"] == ApprovalState.EXPIRED
        ]

    async def ask(self, call: Call) -> Permit:
        """The yes to a call.

        Raises:
            ApprovalNeededError: Nobody has answered yet; the run parks.
            NotApprovedError: Somebody declined, or nobody answered in time.
        """
        answer = await self.journal.step(
            name="ask_approval",
            key=_step_key(call.key),
            kind="compute",
            input={"tool": call.tool_id, "operation": call.operation.name, "arguments": dict(call.arguments)},
            body=lambda: self._answer(call),
            # The question costs nothing, and a run that used up its steps must still find its answer.
            owed=True,
        )
        if answer["state"] != ApprovalState.APPROVED:
            raise self._not_done(call, answer["state"], answer["words"])
        return Permit(arguments=answer["arguments"], ensure_fresh=lambda: self._ensure_fresh(call))

    async def _answer(self, call: Call) -> dict[str, Any]:
        approval = await self._find(call) or await self._put(call)
        async with self.db.tenant_session(approval.tenant_id) as session:
            left = (approval.expires_at - await database_now(session)).total_seconds()
            if approval.state == ApprovalState.WAITING and left > 0:
                raise ApprovalNeededError(
                    f"'{call.operation.name}' waits for approval by the role {approval.approver}, until"
                    f" {approval.expires_at:%Y-%m-%d %H:%M} UTC.",
                    retry_after=left,
                )
            if approval.state == ApprovalState.WAITING:
                await approvals.expire(session, approval, actor=self.actor)
                words = f"Nobody approved it until {approval.expires_at:%Y-%m-%d %H:%M} UTC."
                return {"state": ApprovalState.EXPIRED, "words": words}
        if approval.state in (ApprovalState.APPROVED, ApprovalState.VOID):
            return {"state": ApprovalState.APPROVED, "arguments": approval.arguments, "by": approval.answered_by}
        return {"state": approval.state, "words": approval.answer, "by": approval.answered_by}

    async def _find(self, call: Call) -> Approval | None:
        async with self.db.tenant_session(self.journal.execution.tenant_id) as session:
            return await approvals.find_asked(session, self.journal.execution.id, call.key)

    async def _put(self, call: Call) -> Approval:
        execution = self.journal.execution
        # Read now and not from the journal: what people are shown and asked about is the ticket as it is.
        ticket = await call.look() if call.look else None
        async with self.db.tenant_session(execution.tenant_id) as session:
            wait = timedelta(minutes=call.grant.wait_minutes)
            until = self.hours.wait(await database_now(session), wait, ticket)
            return await approvals.ask(session, self._asked(call, ticket, until))

    def _asked(self, call: Call, ticket: Ticket | None, until: datetime) -> Asked:
        execution = self.journal.execution
        return Asked(
            tenant_id=execution.tenant_id,
            execution_id=execution.id,
            agent_version_id=self.version_id,
            step_key=call.key,
            tool_id=call.tool_id,
            operation=call.operation.name,
            arguments=call.arguments,
            ticket_id=call.ticket_id,
            ticket=snapshot(ticket) if ticket else None,
            revision=stamp(ticket) if ticket else None,
            risk=call.risk,
            reason=call.reason,
            approver=call.grant.approver,
            expires_at=until,
            actor=self.actor,
        )

    async def _ensure_fresh(self, call: Call) -> None:
        """Refuse to write on a ticket that is not as it was approved.

        Raises:
            NotApprovedError: It has changed since the run asked.
        """
        approval = await self._find(call)
        assert approval is not None  # the permit was given for it
        if approval.state == ApprovalState.VOID:
            raise self._not_done(call, ApprovalState.VOID, approval.answer or "")
        if call.look is None:
            return
        ticket = await call.look()
        # A worker that died over this write may have made it: then the ticket says already what was approved, and
        # making it again changes nothing. Only what can be seen on the ticket can be known this way; the rest is
        # settled by its mark.
        is_done = (
            call.operation.scopes
            and call.operation.name in _SEEN
            and not differences(call.operation.name, approval.arguments, snapshot(ticket))
        )
        if stamp(ticket) == approval.revision or is_done:
            return
        why = "The ticket changed between the question and the write; nothing was written."
        async with self.db.tenant_session(approval.tenant_id) as session:
            await approvals.void(session, approval, why=why, actor=self.actor)
        raise self._not_done(call, ApprovalState.VOID, why)

    def _not_done(self, call: Call, state: str, words: str) -> NotApprovedError:
        self.outcomes.append({"operation": call.operation.name, "state": state, "why": words})
        return NotApprovedError(words)


_SEEN = frozenset({"update_ticket", "assign", "transition", "resolve"})


def _step_key(key: str) -> str:
    step = f"ask_approval:{key}"
    return step if len(step) <= _KEY_LENGTH else f"ask_approval:{hashlib.sha256(key.encode()).hexdigest()}"

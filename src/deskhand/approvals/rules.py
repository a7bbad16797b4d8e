"""Who may answer: the role that the grant names, and where the tenant says so other eyes than made the call."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.approvals import repository
from deskhand.approvals.models import Approval
from deskhand.audit.service import actors_of_run
from deskhand.engine.models import AgentExecution
from deskhand.errors import ForbiddenError
from deskhand.tenants.approval_rules import approval_rules
from deskhand.tenants.models import TenantConfig

STARTS = ("execution.replay", "execution.retry", "execution.retry_with", "schedule.run")
"""What in the audit log says that somebody let a run begin."""


async def ensure_may_answer(
    session: AsyncSession, approval: Approval, execution: AgentExecution, principal: Principal, *, approving: bool
) -> None:
    """Refuse an answer by the wrong role, and a yes by eyes that are not new to the call.

    Raises:
        ForbiddenError: Says whose answer it takes.
    """
    if not principal.may(approval.approver):
        raise ForbiddenError(f"This needs the role {approval.approver}; yours is {principal.role}.")
    # A no harms nobody, whoever says it.
    if approving and await wants_four_eyes(session, approval.tenant_id):
        await _ensure_new_eyes(session, approval, execution, principal)


async def wants_four_eyes(session: AsyncSession, tenant_id: str) -> bool:
    """Whether whoever approves has to be a person who signed in, and new to the call."""
    statement = select(TenantConfig.enhancement_preferences).where(TenantConfig.tenant_id == tenant_id)
    return approval_rules((await session.execute(statement)).scalar_one()).four_eyes


async def _ensure_new_eyes(
    session: AsyncSession, approval: Approval, execution: AgentExecution, principal: Principal
) -> None:
    # Anybody may hold a key or read a mailbox, also who wrote the agent: only a person who signed in is known to be
    # somebody else.
    if principal.person is None:
        raise ForbiddenError("This tenant wants four eyes: sign in as a person to approve; a key is nobody's eyes.")
    started_by = await actors_of_run(
        session,
        tenant_id=approval.tenant_id,
        execution_id=execution.id,
        operations=STARTS,
        since=execution.queued_at,
    )
    parts: dict[str, set[str] | set[str | None]] = {
        "changed these arguments": {approval.changed_by},
        "wrote this version of the agent": {await repository.author_of(session, execution)},
        "started this run": started_by,
    }
    for part, actors in parts.items():
        if principal.actor in actors:
            raise ForbiddenError(f"This tenant wants four eyes, and you {part}: somebody else has to approve it.")

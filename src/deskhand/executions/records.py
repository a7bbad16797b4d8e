"""One execution for the services: lock its row, record who changed it, read it as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.audit.service import record
from deskhand.engine.models import AgentExecution
from deskhand.errors import NotFoundError
from deskhand.executions import repository
from deskhand.executions.redaction import redact
from deskhand.executions.schemas import ExecutionSummary

DISMISSAL: Final = {"before": {"dismissed": False}, "after": {"dismissed": True}}
"""What a dismissal changes, for ``record_change``."""


async def lock_execution(session: AsyncSession, execution_id: UUID) -> AgentExecution:
    """The row, kept from workers and other people until the end of the transaction.

    Raises:
        NotFoundError: There is none, or it belongs to another tenant.
    """
    execution = await repository.lock_execution(session, execution_id)
    if execution is None:
        raise not_found(execution_id)
    return execution


async def read_summary(session: AsyncSession, execution_id: UUID) -> ExecutionSummary:
    """The execution as a list shows it, with what this transaction changed.

    Raises:
        NotFoundError: There is none, or it belongs to another tenant.
    """
    await session.flush()
    row = await repository.find_summary(session, execution_id)
    if row is None:
        raise not_found(execution_id)
    return ExecutionSummary.model_validate(without_credentials(row))


async def record_change(
    session: AsyncSession,
    operation: str,
    execution: AgentExecution,
    principal: Principal,
    details: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any],
) -> None:
    """Write the change into the audit log, in the same transaction."""
    await record(
        session,
        tenant_id=execution.tenant_id,
        actor=principal.actor,
        operation=operation,
        resource_type="execution",
        resource_id=str(execution.id),
        before=before,
        after=after,
        details=dict(details),
    )


def without_credentials(row: RowMapping) -> dict[str, Any]:
    """A row of the list without credentials."""
    return {**dict(row), "subject": redact(row["subject"]), "error_message": redact(row["error_message"])}


def not_found(execution_id: UUID) -> NotFoundError:
    """The same answer for what does not exist and for what is another tenant's."""
    return NotFoundError(f"There is no execution {execution_id}.")

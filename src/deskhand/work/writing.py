"""One write of a run on its way to a desk: what it is, how it is made, and how it is found again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from deskhand.audit import service as audit
from deskhand.engine.claims import RunningExecution
from deskhand.engine.journal import Journal
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import WriteReceipt
from deskhand.tools.values import ToolOperation
from deskhand.work.approvals import Permit

NEW = "new"
"""Stands for the id of a ticket that is not there yet."""


class Parent(str):
    """Id of the ticket that the run's own is a part of, where code sends the run's note there.

    A type and no setting of the hands: what a model says is never one, so no grant of a model is widened by it.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Write:
    """One write on its way.

    Attributes:
        permit: A person's yes to it, where it needs one.
        look: Asked inside its step whether it is still to be made.
    """

    operation: ToolOperation
    ticket_id: str
    key: str
    trace: Mapping[str, Any]
    make: Callable[[str], Awaitable[WriteReceipt]]
    find: Callable[[str], Awaitable[WriteReceipt | None]]
    permit: Permit | None = None
    look: Callable[[], Awaitable[None]] | None = None

    @property
    def where(self) -> str:
        """Where a person looks for it."""
        return "the newest tickets" if self.ticket_id == NEW else f"ticket {self.ticket_id}"


async def intend(journal: Journal, write: Write, *, owed: bool) -> WriteReceipt:
    """Show in the trace of a dry run what would be written."""
    receipt = WriteReceipt(id="dry-run", ticket_id=write.ticket_id)
    name = write.operation.name

    async def intent() -> Any:
        return {**to_jsonable_python(receipt), "intent": name}

    # Not a write: the trace counts what reached the desk, and no mark was given away.
    await journal.step(name=name, key=write.key, kind="compute", input=dict(write.trace), body=intent, owed=owed)
    return receipt


async def record_write(
    db: Database,
    execution: RunningExecution,
    write: Write,
    receipt: WriteReceipt,
    *,
    tool_id: str,
    actor: str,
    adopted: bool = False,
) -> None:
    """Put a write that reached its desk into the audit log."""
    async with db.tenant_session(execution.tenant_id) as session:
        await audit.record(
            session,
            tenant_id=execution.tenant_id,
            actor=actor,
            operation=f"desk.{write.operation.name}",
            resource_type=f"ticket:{tool_id}",
            resource_id=receipt.ticket_id or write.ticket_id,
            # The fields as the desk had them; a note or a new ticket has nothing before it.
            before={change.field: change.before for change in receipt.changes} or None,
            after={change.field: change.after for change in receipt.changes} or dict(write.trace),
            details={"execution_id": str(execution.id), "receipt": receipt.id, "mark": receipt.mark}
            | {"adopted": adopted},
        )

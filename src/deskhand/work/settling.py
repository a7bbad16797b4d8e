"""What a run does last: no write that was begun, by it or by a worker that died over it, stays without an end.

Mostly a resumed run meets its begun writes again, since the journal replays what the model had answered. It does not
where it ends before that: a person solved the ticket, the model cannot be set up any more, another run wrote the same
note. So whatever a run ends in, what is open then is looked for at the desk by its mark. A write that nobody can look
for is a question to a person; what ends a run without its worker is left to ``close_steps`` (``engine/engine.sql``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from deskhand.audit import service as audit
from deskhand.engine.claims import OpenWrite, open_writes
from deskhand.engine.journal import NOT_DONE
from deskhand.errors import InDoubtError
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import WriteReceipt
from deskhand.plugins.errors import CANNOT_TELL, DeskNotFoundError
from deskhand.work.hands import DeskHands
from deskhand.work.run import Run
from deskhand.work.toolbox import Toolbox


async def settle_open_writes(run: Run, toolbox: Toolbox, db: Database) -> None:
    """Find out about every write of a run that has no end yet, before the run ends.

    Args:
        run: The run, which has done everything else.
        toolbox: Its hands; a write is looked for on the desk that it went to.
        db: For the journal and the audit log.

    Raises:
        InDoubtError: Nobody but a person can say; the run waits for the answer and goes on with it.
        DeskError: The desk is away; the execution is tried again.
    """
    # Nearly every run ends here, without a query.
    if not run.journal.open_writes:
        return
    async with db.tenant_session(run.execution.tenant_id) as session:
        writes = await open_writes(session, run.execution.id)
    for write in writes:
        await _Open(run, write, _desk_of(write, toolbox), db).settle()


def _desk_of(write: OpenWrite, toolbox: Toolbox) -> DeskHands | None:
    """Whose write it is; None where no desk can be asked: a mail, or a desk that is not connected any more."""
    tool_id, _, _ = _target(write).partition("/")
    if not tool_id:
        return toolbox.own
    return next((hands for hands in toolbox.desks if hands.tool_id == tool_id), None)


def _target(write: OpenWrite) -> str:
    return str(write.input.get("target") or "") if isinstance(write.input, dict) else ""


@dataclass(frozen=True, slots=True)
class _Open:
    run: Run
    write: OpenWrite
    hands: DeskHands | None
    db: Database

    async def settle(self) -> None:
        write = self.write
        if write.idempotent:
            # To do it again would change nothing, so no person is asked. Not every desk keeps the mark of such a write:
            # one that is not found may have been made, and stays in doubt.
            receipt = await self._look_or_none()
            if receipt is None:
                return

            async def body() -> Any:
                return receipt
        else:

            async def body() -> Any:
                raise DeskNotFoundError(
                    "The desk has no such write: its worker died before it was made, and the run ended without it."
                )

        try:
            await self.run.journal.step(
                name=write.name,
                key=write.key,
                kind="write",
                input=write.input,
                body=body,
                idempotent=write.idempotent,
                recover=self._look,
                owed=True,
            )
        except DeskNotFoundError:
            # The journal has it: surely not done. The run ends as it would have.
            return

    async def _look_or_none(self) -> Any:
        try:
            receipt = await self._look()
        except InDoubtError:
            return None
        return None if receipt is NOT_DONE else receipt

    async def _look(self) -> Any:
        write = self.write
        why = "nobody there can be asked whether it happened"
        receipt = None
        if self.hands is not None:
            try:
                receipt = await self._find(self.hands)
                if receipt is None:
                    return NOT_DONE
            except CANNOT_TELL as error:
                why = f"the desk cannot say whether it happened ({error.detail})"
        if receipt is None:
            raise InDoubtError(
                f"'{write.name}' was begun by a worker that died, and {why}. Look for the mark {write.mark}, then"
                " answer here: was it done?"
            )
        await self._audit(receipt)
        if self.hands is not None and isinstance(write.input, dict):
            await self.hands.discretion.look_at(write.input, receipt)
        return {**to_jsonable_python(receipt), "adopted": True}

    async def _find(self, hands: DeskHands) -> WriteReceipt | None:
        target = _target(self.write)
        _, _, ticket_id = target.partition("/")
        # A target without a ticket is one that the write was to file.
        if target and not ticket_id:
            return await hands.desk.find_created(self.write.mark)
        return await hands.desk.find_write(ticket_id or hands.own or "", self.write.mark)

    async def _audit(self, receipt: WriteReceipt) -> None:
        execution, write = self.run.execution, self.write
        tool_id = self.hands.tool_id if self.hands is not None else ""
        async with self.db.tenant_session(execution.tenant_id) as session:
            await audit.record(
                session,
                tenant_id=execution.tenant_id,
                actor=self.run.actor,
                operation=f"desk.{write.name}",
                resource_type=f"ticket:{tool_id}",
                resource_id=receipt.ticket_id,
                after=write.input if isinstance(write.input, dict) else None,
                details={"execution_id": str(execution.id), "receipt": receipt.id, "mark": write.mark}
                | {"adopted": True},
            )

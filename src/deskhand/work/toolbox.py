"""Where a desk meets the model, and the only place: grants are checked, writes are marked and journaled.

Whatever a model asks for, an operation that the agent was not granted is refused, and a run writes only
to the ticket that started it. In a dry run a write becomes an intent in the trace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from deskhand.audit import service as audit
from deskhand.engine.journal import NOT_DONE, Journal
from deskhand.errors import ForbiddenError, InDoubtError
from deskhand.kit.db.session import Database
from deskhand.llm.loop import ToolInputError, ToolSpec
from deskhand.plugins.contract import NoteDraft, Operation, Ticket, TicketChanges, TicketingToolPlugin, WriteReceipt
from deskhand.plugins.errors import (
    DeskCannotTellError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.priorities import PRIORITIES

# Answers of a desk that leave the question open whether a write is there, and would be the same next time.
CANNOT_TELL = (DeskCannotTellError, DeskPermissionError, DeskProtocolError, DeskUnsupportedError)

# Answers of a desk that mean that a change was not made and would not be the next time.
REFUSALS = (DeskNotFoundError, DeskPermissionError, DeskUnsupportedError, DeskValidationError)

TICKET = TypeAdapter(Ticket)
RECEIPT = TypeAdapter(WriteReceipt)


class Toolbox:
    """A run's hands: one desk, one ticket, the operations it was granted.

    Args:
        desk: The tenant's connection.
        granted: Operations the agent has on it.
        ticket_id: The ticket that started the run; the only one it may write to.
        journal: Records every call.
        db: For the audit log.
        actor: Name in the audit log.
    """

    def __init__(
        self,
        desk: TicketingToolPlugin,
        *,
        granted: frozenset[Operation],
        ticket_id: str,
        journal: Journal,
        db: Database,
        actor: str,
    ) -> None:
        self._desk = desk
        self._granted = granted & desk.manifest.operations
        self._ticket_id = ticket_id
        self._journal = journal
        self._db = db
        self._actor = actor

    def may(self, operation: Operation) -> bool:
        """Whether the agent was granted an operation this desk has."""
        return operation in self._granted

    def require(self, operation: Operation) -> None:
        """Refuse what was not granted.

        Raises:
            ForbiddenError: The agent lacks the operation; the message says how to grant it.
        """
        if not self.may(operation):
            raise ForbiddenError(
                f"The agent may not use '{operation.value}' on {self._desk.manifest.name}."
                " Grant it in the agent's tools."
            )

    # -- what the run itself does ------------------------------------------------------------

    async def get_ticket(self) -> Ticket:
        """The ticket that started the run, as it was when the run first read it."""
        self.require(Operation.GET_TICKET)
        raw = await self._journal.step(
            name="get_ticket",
            kind="tool",
            input={"ticket_id": self._ticket_id},
            body=lambda: self._desk.get_ticket(self._ticket_id),
        )
        return TICKET.validate_python(raw)

    async def add_note(self, body: str, *, key: str, public: bool = False) -> WriteReceipt:
        """Write the note, once.

        Args:
            body: Markdown.
            key: Journal key; the same text under the same key is written once, however often the run is resumed.
            public: True if the requester may read it.
        """

        async def make(mark: str) -> WriteReceipt:
            return await self._desk.add_note(self._ticket_id, NoteDraft(body=body, public=public, mark=mark))

        shown = {"body": body, "public": public}
        return await self._write(Operation.ADD_NOTE, key=key, input=shown, make=make, owed=True)

    async def update_ticket(self, changes: TicketChanges) -> WriteReceipt:
        """Set fields of the ticket: each call is a change of its own, made once however often the run is resumed."""

        async def make(mark: str) -> WriteReceipt:
            return await self._desk.update_ticket(self._ticket_id, changes, mark=mark)

        return await self._write(
            Operation.UPDATE_TICKET,
            key=self._journal.key_for(Operation.UPDATE_TICKET.value, None),
            input=shown(changes),
            make=make,
            # Setting the same values twice leaves the ticket as setting them once, so a doubt needs no question.
            idempotent=True,
        )

    async def _write(
        self,
        operation: Operation,
        *,
        key: str,
        input: Mapping[str, Any],  # noqa: A002  (the journal's own word)
        make: Callable[[str], Awaitable[WriteReceipt]],
        idempotent: bool = False,
        owed: bool = False,
    ) -> WriteReceipt:
        """The one road to the desk: grant, intent, mark, effect, audit; a dry run ends after the intent.

        Args:
            operation: What is done; its name is the step's.
            key: The step's key, which the mark is made of.
            input: What the trace shows.
            make: Does it, with the mark that the desk is to keep.
            idempotent: Whether a write of unknown outcome may simply be made again.
            owed: Whether it is made even if the model used up the run's limits.
        """
        self.require(operation)
        if self._journal.execution.mode == "dry_run":
            return await self._intend(operation, key=key, input=input, owed=owed)
        mark = self._journal.mark_for(key)

        async def perform() -> Any:
            receipt = await make(mark)
            await self._audit(operation, receipt)
            return to_jsonable_python(receipt)

        raw = await self._journal.step(
            name=operation.value,
            key=key,
            kind="write",
            input=dict(input),
            body=perform,
            idempotent=idempotent,
            recover=lambda: self._find(operation, mark),
            owed=owed,
        )
        return RECEIPT.validate_python(raw)

    async def _intend(
        self,
        operation: Operation,
        *,
        key: str,
        input: Mapping[str, Any],  # noqa: A002
        owed: bool,
    ) -> WriteReceipt:
        receipt = WriteReceipt(id="dry-run", ticket_id=self._ticket_id)

        async def intent() -> Any:
            return {**to_jsonable_python(receipt), "intent": operation.value}

        # Not a write: the trace counts what reached the desk, and no mark was given away.
        await self._journal.step(
            name=operation.value, key=key, kind="compute", input=dict(input), body=intent, owed=owed
        )
        return receipt

    async def _find(self, operation: Operation, mark: str) -> Any:
        """Settle a write that was begun by a worker that died: ask the desk by the write's mark."""
        try:
            receipt = await self._desk.find_write(self._ticket_id, mark)
        except CANNOT_TELL as error:
            raise InDoubtError(
                f"'{operation.value}' was begun and the desk cannot say whether it happened ({error.detail})"
                f" Look at ticket {self._ticket_id} for the mark {mark}, then answer here: was it done?"
            ) from error
        if receipt is None:
            return NOT_DONE
        await self._audit(operation, receipt, adopted=True)
        return {**to_jsonable_python(receipt), "adopted": True}

    async def _audit(self, operation: Operation, receipt: WriteReceipt, *, adopted: bool = False) -> None:
        execution = self._journal.execution
        async with self._db.tenant_session(execution.tenant_id) as session:
            await audit.record(
                session,
                tenant_id=execution.tenant_id,
                actor=self._actor,
                operation=f"desk.{operation.value}",
                resource_type=f"ticket:{self._desk.manifest.tool_type}",
                resource_id=self._ticket_id,
                details={
                    "execution_id": str(execution.id),
                    "receipt": receipt.id,
                    "mark": receipt.mark,
                    "adopted": adopted,
                },
            )

    # -- what a model may do -----------------------------------------------------------------

    def specs(self) -> list[ToolSpec]:
        """Tools for a model that can call tools: field changes on its own ticket, as far as granted.

        Reading is done before the model is asked and handed to it with the task, so that no model has to think of
        it and none can skip it.
        """
        offered: list[ToolSpec] = []
        if self.may(Operation.UPDATE_TICKET):
            offered.append(self._update_spec())
        return offered

    def _update_spec(self) -> ToolSpec:
        async def update(args: dict[str, Any]) -> Any:
            changes = TicketChanges(
                priority=args.get("priority"), category=args.get("category"), group=args.get("group")
            )
            try:
                return to_jsonable_python(await self.update_ticket(changes))
            except REFUSALS as error:
                # Told to the model, which may go on without this change: it is not what the run owes.
                raise ToolInputError(error.detail) from error

        return ToolSpec(
            name=Operation.UPDATE_TICKET.value,
            description="Set fields of this ticket. Only what the evidence supports.",
            parameters={
                "type": "object",
                "properties": {
                    "priority": {"type": "string", "enum": list(PRIORITIES)},
                    "category": {"type": "string", "maxLength": 100},
                    "group": {"type": "string", "maxLength": 100},
                },
                "additionalProperties": False,
                "minProperties": 1,
            },
            handler=update,
            kind="write",
            keeps_own_steps=True,
        )


def shown(changes: TicketChanges) -> dict[str, Any]:
    """What a change sets, for the trace; fields it leaves alone are left out."""
    return {name: value for name, value in to_jsonable_python(changes).items() if value not in (None, [], {})}

"""A run's hand on one desk, and the only road to it: grants and scopes are checked, writes are marked and journaled.

Whatever a model asks for, an operation that the agent was not granted is refused, and so is a ticket that the grant's
scope leaves out. In a dry run a write becomes an intent in the trace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from deskhand.engine.journal import NOT_DONE, Journal
from deskhand.errors import ForbiddenError, InDoubtError
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import NoteDraft, Ticket, TicketChanges, TicketDraft, TicketingToolPlugin, WriteReceipt
from deskhand.plugins.errors import CANNOT_TELL
from deskhand.tools.asking import ASK, REPLY, with_asking
from deskhand.tools.desk import provider_of
from deskhand.tools.values import Doubt, Grants, Mode, Scope, ToolOperation, guarded
from deskhand.work.approvals import Approver, Call, Look, Permit
from deskhand.work.companies import REFUSED, TICKET, CompanyWall, read_ticket
from deskhand.work.discretion import Discretion
from deskhand.work.hours import Hours
from deskhand.work.instructions import READ_OUTSIDE, ensure_no_instructions
from deskhand.work.last_look import LastLook
from deskhand.work.views import shown
from deskhand.work.voice import Voice
from deskhand.work.writing import NEW, Parent, Write, intend, record_write

RECEIPT = TypeAdapter(WriteReceipt)
Shown = Mapping[str, Any]
Make = Callable[[str, str], Awaitable[WriteReceipt]]
"""Makes a write: of a ticket's id and the write's mark."""
Find = Callable[[str, str], Awaitable[WriteReceipt | None]]
"""Looks one up: by the same two."""


class DeskHands:
    """What one run may do on one desk.

    Args:
        desk: The tenant's connection.
        grants: Operations the agent has on it.
        own: The ticket that started the run, if it is one of this desk.
        journal: Records every call.
        db: For the audit log.
        actor: Name in the audit log.
        approver: Asks people about what is granted as `approve`.
        own_look: Reads the ticket that started the run, where that is one of another desk.
        prompt: The agent's instructions, which no requester may read.
        wall: Keeps tickets of other client companies out.
        voice: For whom the words of the run's model are.
    """

    def __init__(
        self,
        desk: TicketingToolPlugin,
        *,
        grants: Grants,
        own: str | None,
        journal: Journal,
        db: Database,
        actor: str,
        approver: Approver,
        wall: CompanyWall,
        voice: Voice,
        hours: Hours,
        own_look: Look | None = None,
        prompt: str = "",
    ) -> None:
        self.desk = desk
        self.wall = wall
        self.voice = voice
        self.hours = hours
        self.provider = provider_of(desk.manifest)
        self.own = own
        self.journal = journal
        self.grants = with_asking(grants)
        self.db = db
        self._actor = actor
        self._approver = approver
        self._own_look = own_look
        self.kept_inside = (prompt,)
        self.last_look = LastLook(desk, journal, db, wall.why_left_alone)
        self.discretion = Discretion(db, journal.execution, self.provider.name)
        self._permits: dict[str, Permit] = {}
        self._own_number: str | None = None
        self._listed: dict[str, str] = {}

    @property
    def tool_id(self) -> str:
        """The tool that grants name."""
        return self.provider.tool_id

    # -- what is granted ---------------------------------------------------------------------

    def may(self, name: str) -> bool:
        """Whether the agent was granted an operation that this desk has."""
        # A grant may outlive the operation: the desk's plugin was upgraded and has it no more.
        operation = self.provider.operation(name)
        if operation is None or name not in self.grants:
            return False
        # Reading is granted or it is not; what a person would approve is a change.
        return operation.is_write or not self.needs_approval(name)

    def guard(self) -> None:
        """Let a person approve every write, whatever was granted: the run's ticket is a sensitive one."""
        self.grants = guarded(self.grants, self.provider)

    def needs_approval(self, name: str) -> bool:
        """Whether a person approves each call of a granted operation first."""
        return self.grants[name].mode is Mode.APPROVE

    def scope(self, name: str) -> Scope:
        """Which tickets a granted operation may touch."""
        return self.grants[name].scope

    def require(self, name: str) -> ToolOperation:
        """The operation, if it is granted.

        Raises:
            ForbiddenError: The agent lacks it; the message says how to grant it.
        """
        operation = self.provider.operation(name)
        if operation is None or not self.may(name):
            raise ForbiddenError(
                f"The agent may not use '{name}' on {self.provider.name}. Grant it in the agent's tools."
            )
        return operation

    def note_listed(self, ticket_id: str, number: str) -> None:
        """Remember a ticket that a granted search found; a resumed run finds it in the journal again."""
        # Ids win over numbers: on a desk where both are digits, one ticket's number may be another one's id.
        self._listed[ticket_id] = ticket_id
        self._listed.setdefault(number, ticket_id)

    def forget_listed(self) -> None:
        """Forget every ticket that a search found."""
        self._listed.clear()

    async def find_ticket(self, name: str, ref: str | None) -> str:
        """Id of the ticket an operation is to touch.

        Args:
            name: The operation.
            ref: Id or number; None is the ticket that started the run.

        Raises:
            ForbiddenError: The grant's scope leaves it out.
        """
        if ref is None or ref in (self.own, self._own_number):
            if self.own is None:
                raise ForbiddenError("This run was not started by a ticket of this desk: say which ticket is meant.")
            return self.own
        if isinstance(ref, Parent):
            return str(ref)
        scope = self.scope(name)
        if scope is not Scope.OWN and ref in self._listed:
            return self._listed[ref]
        if scope is Scope.ANY:
            # By the number people see, a write could not be told from another one on the same ticket.
            return (await self._look(ref)).id
        which = "the ticket that started the run" if scope is Scope.OWN else "tickets that this run found by a search"
        raise ForbiddenError(f"'{name}' may touch {which} alone; {ref} is another one.")

    # -- what a person approves first --------------------------------------------------------

    def look_at_own(self) -> Look | None:
        """Reads the ticket that started the run as it is now; None of a run that none did."""
        own = self.own
        if own is None:
            return self._own_look

        async def look() -> Ticket:
            return await self.desk.get_ticket(own, with_notes=False)

        return look

    async def ask(
        self, name: str, arguments: Mapping[str, Any], *, key: str, ref: str | None = None, reason: str
    ) -> dict[str, Any]:
        """The arguments with which a write may be made: as they are, or as a person approved them.

        Args:
            name: The operation.
            arguments: By its schema, without the ticket.
            key: Journal key of the write that follows.
            ref: Which ticket.
            reason: Why, for whoever approves.

        Raises:
            ApprovalNeededError: Nobody has answered yet; the run parks.
            NotApprovedError: Somebody declined, or nobody answered in time.
            ForbiddenError: It is not granted at all, or would publish the agent's instructions; nobody is asked.
        """
        operation = self.require(name)
        # Before anybody is asked: what a conversation for the house says to a requester is no question for a person.
        self.voice.ensure_fits(name, arguments)
        ensure_no_instructions(str(arguments.get(READ_OUTSIDE.get(name, "")) or ""), *self.kept_inside)
        # A dry run writes nothing, so there is nothing to ask anybody about.
        if not self.needs_approval(name) or self.journal.execution.mode != "live":
            return dict(arguments)
        ticket_id, look = self.journal.execution.ticket_ref, self.look_at_own()
        if operation.scopes:
            target = ticket_id = await self.find_ticket(name, ref)

            async def look() -> Ticket:
                return await self.desk.get_ticket(target, with_notes=False)

        call = Call(
            key=key,
            tool_id=self.tool_id,
            operation=operation,
            grant=self.grants[name],
            arguments=arguments,
            reason=reason,
            ticket_id=ticket_id,
            look=look,
            elsewhere=bool(operation.scopes) and ticket_id != self.own,
        )
        permit = self._permits[key] = await self._approver.ask(call)
        return permit.arguments

    def _permit(self, name: str, key: str) -> Permit | None:
        """The yes that a write needs; None where it needs none."""
        if not self.needs_approval(name) or self.journal.execution.mode != "live":
            return None
        # The one road of a write ends here: a caller that forgot to ask cannot write.
        if key not in self._permits:
            raise ForbiddenError(f"'{name}' on {self.provider.name} needs a person's approval, and nobody was asked.")
        return self._permits[key]

    async def _look(self, ref: str) -> Ticket:
        raw = await self.journal.step(
            name="get_ticket",
            # A key of its own, because a model may ask for the same ticket many times in one run; cut, since the model
            # chose it.
            key=f"get_ticket:{self.tool_id}/{ref}"[:200],
            kind="tool",
            input={"ticket_id": ref},
            body=lambda: self.wall.read(self.desk, ref, with_notes=False),
        )
        ticket = read_ticket(raw)
        self.last_look.saw(ticket)
        return ticket

    # -- what the run itself does ------------------------------------------------------------

    async def own_ticket(self) -> Ticket | str:
        """The ticket that started the run, as it was when the run first read it; or why nothing is done about it."""
        self.require("get_ticket")
        own = await self.find_ticket("get_ticket", None)
        raw = await self.journal.step(
            name="get_ticket", kind="tool", input={"ticket_id": own}, body=lambda: self.wall.read_own(self.desk, own)
        )
        if REFUSED in raw:
            return str(raw[REFUSED])
        ticket = TICKET.validate_python(raw)
        # Again: the journal may have it from before the tenant made its rule.
        if why := self.wall.why_left_alone(ticket):
            return why
        self.last_look.saw(ticket, anew=True, with_notes=True)
        # A model answers with the number it read in the ticket, not with the id that the desk's API wants.
        self._own_number = ticket.display_id
        return ticket

    async def add_note(
        self, body: str, *, key: str, name: str = "add_note", ref: str | None = None, owed: bool = True
    ) -> WriteReceipt:
        """Write a note, once.

        Args:
            body: Markdown.
            key: Journal key; the same text under the same key is written once, however often the run is resumed.
            name: ``add_note``, or ``reply`` and ``ask_requester``, which the requester reads.
            ref: Which ticket.
            owed: The run owes it, whatever its limits say.
        """
        public = name in (REPLY, ASK)

        async def make(ticket_id: str, mark: str) -> WriteReceipt:
            if public:
                return await self.desk.reply(ticket_id, body, mark=mark)
            return await self.desk.add_note(ticket_id, NoteDraft(body=body, mark=mark))

        return await self.write(name, ref, key=key, shown={"body": body, "public": public}, make=make, owed=owed)

    async def update_ticket(self, changes: TicketChanges, *, key: str, ref: str | None = None) -> WriteReceipt:
        """Set fields of a ticket: a change of its own, made once however often the run is resumed."""

        async def make(ticket_id: str, mark: str) -> WriteReceipt:
            return await self.desk.update_ticket(ticket_id, changes, mark=mark)

        return await self.write("update_ticket", ref, key=key, shown=shown(changes), make=make)

    # -- the one road of a write -------------------------------------------------------------

    async def write(
        self,
        name: str,
        ref: str | None,
        *,
        key: str,
        shown: Shown,
        make: Make,
        owed: bool = False,
        called: str = "",
        look_up: Find | None = None,
    ) -> WriteReceipt:
        """Grant, scope, intent, mark, effect, audit; a dry run ends after the intent. Its trace says ``called``."""
        operation = replace(self.require(name), name=called or name)
        permit = self._permit(name, key)
        ticket_id = await self.find_ticket(name, ref)
        self.voice.ensure_may_say(name, self.tool_id, ticket_id)
        trace = {**shown, **self._target(ticket_id)}

        making, looking = partial(make, ticket_id), partial(look_up or self.desk.find_write, ticket_id)
        write = Write(operation, ticket_id, key, trace, make=making, find=looking, permit=permit)
        # What a person approved is bound to the ticket's state already.
        if permit is None and self.last_look.concerns(operation.name, shown):
            receipt = await self.last_look.make(write, self._once, owed=owed)
        else:
            receipt = await self._once(write, owed=owed)
        self.last_look.wrote(ticket_id, operation.name)
        return receipt

    async def create_ticket(self, draft: TicketDraft, *, key: str) -> WriteReceipt:
        """File a ticket, once; the run may go on with it as with one it found."""
        operation = self.require("create_ticket")
        self.wall.ensure_may_file(self.tool_id, draft)

        async def make(mark: str) -> WriteReceipt:
            return await self.desk.create_ticket(draft, mark=mark)

        trace = {**shown(draft), "target": f"{self.tool_id}/"}
        permit = self._permit("create_ticket", key)
        receipt = await self._once(Write(operation, NEW, key, trace, make, self.desk.find_created, permit))
        self.note_listed(receipt.ticket_id, receipt.display_id or receipt.ticket_id)
        return receipt

    async def _once(self, write: Write, *, owed: bool = False) -> WriteReceipt:
        """Intent, mark, effect, audit; a dry run ends after the intent."""
        if self.journal.execution.mode != "live":
            return await intend(self.journal, write, owed=owed)
        mark = self.journal.mark_for(write.key)

        async def perform() -> Any:
            if write.permit is not None:
                await write.permit.ensure_fresh()
            if write.look is not None:
                await write.look()
            self.discretion.ensure_kept(write.trace)
            receipt = await write.make(mark)
            # Inside the step: if the audit log cannot be written, the step stays begun, and the next attempt settles it
            # by the mark.
            await record_write(self.db, self.journal.execution, write, receipt, tool_id=self.tool_id, actor=self._actor)
            await self.discretion.look_at(write.trace, receipt)
            return to_jsonable_python(receipt)

        raw = await self.journal.step(
            name=write.operation.name,
            key=write.key,
            kind="write",
            input=write.trace,
            body=perform,
            # What may be repeated leaves the ticket as doing it once, so a doubt needs no question.
            idempotent=write.operation.doubt is Doubt.REPEAT,
            recover=lambda: self._settle(write, mark),
            owed=owed,
        )
        receipt = RECEIPT.validate_python(raw)
        self.discretion.saw(write.trace, receipt)
        return receipt

    def _target(self, ticket_id: str) -> dict[str, str]:
        """Names the ticket where it is not the run's own; by it the desk's event about our write is known."""
        return {} if ticket_id == self.own else {"target": f"{self.tool_id}/{ticket_id}"}

    async def _settle(self, write: Write, mark: str) -> Any:
        """Settle a write that was begun by a worker that died: ask the desk by the write's mark."""
        try:
            receipt = await write.find(mark)
        except CANNOT_TELL as error:
            raise InDoubtError(
                f"'{write.operation.name}' was begun and the desk cannot say whether it happened ({error.detail})"
                f" Look at {write.where} for the mark {mark}, then answer here: was it done?"
            ) from error
        # The desk is sure that no write carries the mark, so the journal lets the worker make it.
        if receipt is None:
            return NOT_DONE
        await record_write(
            self.db, self.journal.execution, write, receipt, tool_id=self.tool_id, actor=self._actor, adopted=True
        )
        await self.discretion.look_at(write.trace, receipt)
        return {**to_jsonable_python(receipt), "adopted": True}

"""A tenant's own tools as hands of a run: granted, checked, journaled, marked and audited like a write to a desk.

What a source answers is data and never an instruction. No source can be asked for a mark: a write whose worker died, or
whose answer never came, is in doubt, and a person decides; unless twice is as once, where it is made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deskhand.audit import service as audit
from deskhand.connectors import servers
from deskhand.connectors.answers import cut_answer
from deskhand.connectors.errors import CallInDoubtError, SourceError, SourceRefusedError, ToolChangedError
from deskhand.connectors.values import SourceCaller, SourceOperation
from deskhand.engine.journal import Journal
from deskhand.errors import ForbiddenError, InDoubtError, NotApprovedError
from deskhand.kit.db.session import Database
from deskhand.llm.loop import ToolInputError, ToolSpec, call_key
from deskhand.tools.asking import REASON, with_reason
from deskhand.tools.values import Grants, Mode, Provider, ToolOperation, guarded
from deskhand.work.approvals import Approver, Call, Look, Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSource:
    """One source, opened for a run.

    Attributes:
        provider: As the catalogue has it.
        operations: What is switched on, by name.
        revision: Of the source; the trace says by which one a call was made.
        caller: The kind's way to call it.
    """

    provider: Provider
    operations: Mapping[str, SourceOperation]
    revision: int
    caller: SourceCaller


class SourceHands:
    """What one run may do with one source.

    Args:
        source: Opened.
        grants: Operations the agent has on it.
        journal: Records every call.
        db: For the audit log.
        actor: Name in the audit log.
        approver: Asks people about what is granted as `approve`.
        own_look: Reads the ticket that started the run, to which such a call is bound.
    """

    def __init__(
        self,
        source: OpenSource,
        *,
        grants: Grants,
        journal: Journal,
        db: Database,
        actor: str,
        approver: Approver,
        own_look: Look | None = None,
    ) -> None:
        self.provider = source.provider
        self._source = source
        self._grants = grants
        self._journal = journal
        self._db = db
        self._actor = actor
        self._approver = approver
        self._own_look = own_look

    def guard(self) -> None:
        """Let a person approve every write, whatever was granted."""
        self._grants = guarded(self._grants, self.provider)

    def offered(self) -> Iterator[ToolOperation]:
        """Operations a model is offered: granted, and still switched on."""
        for operation in self.provider.operations:
            grant = self._grants.get(operation.name)
            # Reading is granted or it is not; what a person would approve is a change.
            if grant is not None and (operation.is_write or grant.mode is Mode.ALLOW):
                yield operation

    def spec(self, operation: ToolOperation, *, name: str, description: str) -> ToolSpec:
        """The tool of one operation."""

        async def handle(args: dict[str, Any]) -> Any:
            arguments = {key: value for key, value in args.items() if not (asks and key == REASON)}
            try:
                return await self.call(
                    operation.name, arguments, key=call_key(operation.name), reason=args.get(REASON, "") if asks else ""
                )
            except (ForbiddenError, SourceRefusedError) as error:
                raise ToolInputError(error.detail) from error
            except NotApprovedError as error:
                return {"done": False, "not_approved": error.detail}

        asks = self._asks(operation)
        return ToolSpec(
            name=name,
            description=f"{description} A person approves it first." if asks else description,
            parameters=with_reason(operation.arguments) if asks else operation.arguments,
            handler=handle,
            kind="write" if operation.is_write else "tool",
            idempotent=self._is_repeatable(operation.name),
            keeps_own_steps=True,
        )

    async def call(self, name: str, arguments: Mapping[str, Any], *, key: str, reason: str) -> dict[str, Any]:
        """Call one operation, once.

        Args:
            name: Of the operation.
            arguments: By its schema.
            key: Journal key; under one key a write is made once, however often the run is resumed.
            reason: Why, for whoever approves it.

        Raises:
            ForbiddenError: It is not granted.
            SourceRefusedError: The source does not take it; nothing was done.
            CallInDoubtError: Whether a write happened is not known; the next attempt asks.
            InDoubtError: A person has to look.
            NotApprovedError: Somebody declined, or nobody answered in time.
        """
        operation = next((one for one in self.offered() if one.name == name), None)
        if operation is None:
            raise ForbiddenError(
                f"The agent may not use '{name}' of {self.provider.name}. Grant it in the agent's tools."
            )
        called = self._source.operations[name]
        # Before anybody is asked: what the source cannot take is no question for a person.
        await self._ensure_takes(called, arguments)
        if not operation.is_write:
            return await self._read(called, arguments, key=key)
        permit = await self._ask(operation, arguments, key=key, reason=reason)
        if permit is not None:
            arguments = permit.arguments
            # Whoever approves may have changed them.
            await self._ensure_takes(called, arguments)
        if self._journal.execution.mode != "live":
            return await self._intend(called, arguments, key=key)
        return await self._write(called, arguments, key=key, permit=permit)

    # -- the two roads -----------------------------------------------------------------------

    async def _read(self, called: SourceOperation, arguments: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        async def ask() -> Any:
            try:
                return await self._called(called, arguments, mark="")
            except SourceRefusedError:
                raise
            except SourceError as error:
                # An answer rather than an error, so that the journal keeps it and a run taken up again goes the same
                # way: whatever the run owes, it can be done without this.
                return {"unavailable": error.detail}

        step = await self._journal.step(
            name=called.name, key=key, kind="tool", input=self._trace(called.name, arguments), body=ask
        )
        return dict(step)

    async def _write(
        self, called: SourceOperation, arguments: Mapping[str, Any], *, key: str, permit: Permit | None
    ) -> dict[str, Any]:
        mark = self._journal.mark_for(key)

        async def perform() -> Any:
            if permit is not None:
                await permit.ensure_fresh()
            try:
                answer = await self._called(called, arguments, mark=mark)
            except SourceRefusedError:
                raise
            except SourceError as error:
                # The step stays begun, so that the next attempt finds the doubt and asks; told to the model as an
                # answer, it would be lost.
                if not (called.repeatable or error.certainly_not_done):
                    raise CallInDoubtError(f"'{called.name}' may have happened: {error.detail}") from error
                return {"done": False, "unavailable": error.detail}
            # Inside the step: if the audit log cannot be written, the step stays begun and nothing is silently lost.
            await self._audit(called.name, arguments, mark)
            return answer

        async def ask_person() -> Any:
            raise InDoubtError(
                f"'{called.name}' of {self.provider.name} was begun, and its answer never came. Look there whether it"
                f" happened (our mark is {mark}), then answer here: was it done?"
            )

        step = await self._journal.step(
            name=called.name,
            key=key,
            kind="write",
            input=self._trace(called.name, arguments),
            body=perform,
            idempotent=called.repeatable,
            recover=ask_person,
        )
        # A person who answered a doubt knows that it was done, and not what the source said.
        return {"done": True, **(step if isinstance(step, dict) else {})}

    async def _intend(self, called: SourceOperation, arguments: Mapping[str, Any], *, key: str) -> dict[str, Any]:
        async def intent() -> Any:
            return {"intent": called.name}

        # Not a write: the trace counts what left the machine, and no mark was given away.
        await self._journal.step(
            name=called.name, key=key, kind="compute", input=self._trace(called.name, arguments), body=intent
        )
        return {"done": True, "dry_run": True}

    # -- parts -------------------------------------------------------------------------------

    def _asks(self, operation: ToolOperation) -> bool:
        return operation.is_write and self._grants[operation.name].mode is Mode.APPROVE

    def _is_repeatable(self, name: str) -> bool:
        called = self._source.operations[name]
        return called.repeatable or not called.is_write

    async def _called(self, called: SourceOperation, arguments: Mapping[str, Any], *, mark: str) -> dict[str, Any]:
        try:
            return self._cut(await self._source.caller.call(called, arguments, mark=mark))
        except ToolChangedError:
            execution = self._journal.execution
            # For every run from now on, until somebody has read what it says of itself now.
            async with self._db.tenant_session(execution.tenant_id) as session:
                await servers.suspend_operation(
                    session, self.provider.tool_id, called.name, revision=self._source.revision, actor=self._actor
                )
            raise

    async def _ensure_takes(self, called: SourceOperation, arguments: Mapping[str, Any]) -> None:
        try:
            await self._source.caller.check(called, arguments)
        except SourceRefusedError as error:
            await self._refused(called.name, arguments, error.detail)
            raise

    async def _refused(self, name: str, arguments: Mapping[str, Any], why: str) -> None:
        async def refusal() -> Any:
            return {"refused": why}

        await self._journal.step(
            name="refuse_call",
            key=call_key("refused"),
            kind="compute",
            input=self._trace(name, arguments),
            body=refusal,
        )

    async def _ask(
        self, operation: ToolOperation, arguments: Mapping[str, Any], *, key: str, reason: str
    ) -> Permit | None:
        """The yes to a call; None where it needs none, and in a dry run, which changes nothing."""
        if not self._asks(operation) or self._journal.execution.mode != "live":
            return None
        call = Call(
            key=key,
            tool_id=self.provider.tool_id,
            operation=operation,
            grant=self._grants[operation.name],
            arguments=arguments,
            reason=reason,
            ticket_id=self._journal.execution.ticket_ref,
            look=self._own_look,
        )
        return await self._approver.ask(call)

    @staticmethod
    def _cut(answer: dict[str, Any]) -> dict[str, Any]:
        # Here and not in each kind: what is journaled and what a model reads is bounded for all of them.
        shorter, cut = cut_answer(answer)
        return {**(shorter if isinstance(shorter, dict) else {"text": shorter}), **({"cut": True} if cut else {})}

    def _trace(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "tool": self.provider.tool_id,
            "operation": name,
            "revision": self._source.revision,
            "arguments": dict(arguments),
        }

    async def _audit(self, name: str, arguments: Mapping[str, Any], mark: str) -> None:
        execution = self._journal.execution
        async with self._db.tenant_session(execution.tenant_id) as session:
            await audit.record(
                session,
                tenant_id=execution.tenant_id,
                actor=self._actor,
                operation="tool.call",
                resource_type=self.provider.tool_id,
                resource_id=name,
                after={"arguments": dict(arguments)},
                details={"execution_id": str(execution.id), "mark": mark, "source_revision": self._source.revision},
            )

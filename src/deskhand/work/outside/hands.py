"""The one road to everything outside the desks: grant, place, approval, mark, rate, effect, audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from deskhand.audit import service as audit
from deskhand.engine.journal import Journal
from deskhand.errors import ForbiddenError, InDoubtError, NotApprovedError
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.outside import OutsideError, OutsideInDoubtError, OutsideUnavailableError, send
from deskhand.kit.rates import RateLimiter
from deskhand.llm.loop import ToolInputError, ToolSpec, call_key
from deskhand.tools.asking import REASON, with_reason
from deskhand.tools.values import Doubt, Grants, Mode, Provider, ToolOperation, guarded
from deskhand.work.approvals import Approver, Call, Look, Permit
from deskhand.work.instructions import ensure_no_instructions
from deskhand.work.outside.places import Errand, Places

MOST_CALLS = 50
"""Calls of one tool that a model may make in one run."""
PER_MINUTE = 60
"""Requests of one tenant to one place: what Slack takes in a channel."""


@dataclass(slots=True, kw_only=True)
class OutsideHands:
    """What one run may do with one tool.

    Attributes:
        places: Where, as the tenant set it up.
        grants: Operations the agent has on the tool.
        journal: Records every call.
        http: The one door out.
        rates: Of this worker, for all runs.
        actor: Name in the audit log.
        approver: Asks people about what is granted as `approve`.
        own_look: Reads the ticket that started the run, to which such a call is bound.
        kept_inside: The agent's instructions, which no call of the model may hold.
    """

    places: Places
    grants: Grants
    journal: Journal
    db: Database
    http: HttpClientFactory
    rates: RateLimiter
    actor: str
    approver: Approver
    own_look: Look | None = None
    kept_inside: tuple[str, ...] = ()
    _calls: int = field(default=0, init=False)

    @property
    def provider(self) -> Provider:
        """The tool."""
        return self.places.provider

    def guard(self) -> None:
        """Let a person approve every write, whatever was granted."""
        self.grants = guarded(self.grants, self.provider)

    def offered(self) -> Iterator[ToolOperation]:
        """Operations a model is offered."""
        for operation in self.provider.operations:
            if operation.name in self.grants:
                yield operation

    def spec(self, operation: ToolOperation, *, name: str, description: str) -> ToolSpec:
        """The tool of one operation."""

        async def handle(args: dict[str, Any]) -> Any:
            return await self._handle(operation, args)

        asks = self.grants[operation.name].mode is Mode.APPROVE
        names = f" {self.places.what.capitalize()}s: {', '.join(self.places.names)}."
        return ToolSpec(
            name=name,
            description=f"{description}{names}{' A person approves it first.' if asks else ''}",
            parameters=with_reason(operation.arguments) if asks else operation.arguments,
            handler=handle,
            kind="write" if operation.is_write else "tool",
            idempotent=operation.doubt is Doubt.REPEAT,
            keeps_own_steps=True,
        )

    async def _handle(self, operation: ToolOperation, args: dict[str, Any]) -> Any:
        arguments = {name: value for name, value in args.items() if name != REASON}
        # Counted over attempts alike, because each one goes through the same calls again.
        self._calls += 1
        try:
            if self._calls > MOST_CALLS:
                raise ForbiddenError(f"A run makes at most {MOST_CALLS} calls of '{self.provider.tool_id}'.")
            # Of reads too: an address is read by its host. A report goes to those whom the author named.
            ensure_no_instructions("\n".join(_texts(arguments)), *self.kept_inside)
            return await self.call(
                operation.name, arguments, key=call_key(self._step(operation)), reason=args.get(REASON, "")
            )
        except ForbiddenError as error:
            await self._refused(operation, arguments, error.detail)
            raise ToolInputError(error.detail) from error
        except NotApprovedError as error:
            return {"done": False, "not_approved": error.detail}
        except OutsideError as error:
            # As for mail: for what is away the run is tried again, and a refusal is for the model to act on.
            if error.retryable:
                raise
            raise ToolInputError(error.detail) from error

    async def _refused(self, operation: ToolOperation, arguments: Mapping[str, Any], why: str) -> None:
        async def refusal() -> Any:
            return {"refused": why}

        trace = {"tool": self.provider.tool_id, "operation": operation.name, "arguments": dict(arguments)}
        await self.journal.step(name="refuse_call", key=call_key("refused"), kind="compute", input=trace, body=refusal)

    def ensure_allowed(self, name: str, arguments: Mapping[str, Any]) -> Errand:
        """What a call comes to, if it is granted and the tenant has the place.

        Raises:
            ForbiddenError: Says what to do about it.
        """
        operation = self.provider.operation(name)
        if operation is None or name not in self.grants:
            raise ForbiddenError(f"The agent may not do this. Grant it '{name}' of the tool '{self.provider.tool_id}'.")
        return self.places.errand(operation, arguments)

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, key: str, reason: str, owed: bool = False
    ) -> dict[str, Any]:
        """Make one call; a write under one key is made once, or repeated under one id, however often the run resumes.

        Args:
            name: The operation.
            arguments: By its schema.
            key: Journal key.
            reason: Why, for whoever approves it.
            owed: The run owes it, whatever its limits say.

        Raises:
            ForbiddenError: It is not granted, or the tenant has no such place.
            InDoubtError: A worker died over it and nobody can be asked; a person has to look.
            NotApprovedError: Somebody declined, or nobody answered in time.
            OutsideError: It was refused, or could not be made; the class says whether it may have been.
        """
        errand = self.ensure_allowed(name, arguments)
        operation = self.provider.operation(name)
        assert operation is not None  # it was looked up a line above
        if not operation.is_write:
            return await self._read(operation, errand, key)
        permit = await self._ask(operation, arguments, key=key, reason=reason)
        if permit is not None:
            # Whoever approves may have changed the place, and may choose none that the tenant does not have.
            errand = self.ensure_allowed(name, permit.arguments)
        if self.journal.execution.mode != "live":
            return await self._intend(operation, errand, key=key, owed=owed)
        return await self._write(operation, errand, permit, key=key, owed=owed)

    async def _write(
        self, operation: ToolOperation, errand: Errand, permit: Permit | None, *, key: str, owed: bool
    ) -> dict[str, Any]:
        mark = self.journal.mark_for(key)
        asks_person = operation.doubt is Doubt.PERSON

        async def perform() -> Any:
            if permit is not None:
                await permit.ensure_fresh()
            try:
                result = await self._sent(errand, mark)
            except OutsideInDoubtError as error:
                if asks_person:
                    raise
                # No doubt needs settling where the same id may go out again.
                raise OutsideUnavailableError(error.detail, retry_after=error.retry_after) from error
            await self._audit(operation, errand, mark)
            return {"id": mark, "mark": mark, "answer": result}

        async def ask() -> Any:
            raise InDoubtError(
                f"'{operation.name}' to {errand.place} was begun by a worker that died, and nobody there can be asked"
                f" whether it arrived. Look there, then answer here: was it done? Its id is {mark}."
            )

        stored = await self.journal.step(
            name=self._step(operation),
            key=key,
            kind="write",
            input=errand.trace,
            body=perform,
            idempotent=not asks_person,
            recover=ask if asks_person else None,
            owed=owed,
        )
        # A person who settled a doubt knows that it was done, and no answer.
        answer = stored.get("answer") or {}
        return {"done": answer.get("status", 200) < 400, "id": mark, **answer}

    async def _read(self, operation: ToolOperation, errand: Errand, key: str) -> dict[str, Any]:
        async def ask() -> Any:
            try:
                return await self._sent(errand, self.journal.mark_for(key))
            except (OutsideUnavailableError, OutsideInDoubtError) as error:
                # An answer rather than an error, so that the journal keeps it and a run taken up again goes the same
                # way.
                return {"unavailable": f"{error.detail} Go on without it."}

        answer: dict[str, Any] = await self.journal.step(
            name=self._step(operation), key=key, kind="tool", input=errand.trace, body=ask
        )
        return answer

    async def _sent(self, errand: Errand, mark: str) -> dict[str, Any]:
        bucket = f"{self.journal.execution.tenant_id}/{self.provider.tool_id}/{errand.place}"
        wait = self.rates.wait_for(bucket, per_minute=PER_MINUTE)
        if wait > 0:
            raise OutsideUnavailableError(
                f"{errand.place} gets at most {PER_MINUTE} requests a minute from this worker.", retry_after=wait
            )
        return errand.result(await send(errand.request(mark), self.http))

    async def _ask(
        self, operation: ToolOperation, arguments: Mapping[str, Any], *, key: str, reason: str
    ) -> Permit | None:
        """The yes to a call; None where it needs none, and in a dry run, which sends nothing."""
        grant = self.grants[operation.name]
        if grant.mode is not Mode.APPROVE or self.journal.execution.mode != "live":
            return None
        return await self.approver.ask(
            Call(
                key=key,
                tool_id=self.provider.tool_id,
                operation=operation,
                grant=grant,
                arguments=dict(arguments),
                reason=reason,
                ticket_id=self.journal.execution.ticket_ref,
                look=self.own_look,
            )
        )

    async def _intend(self, operation: ToolOperation, errand: Errand, *, key: str, owed: bool) -> dict[str, Any]:
        async def intent() -> Any:
            return {"intent": self._step(operation)}

        await self.journal.step(
            name=self._step(operation), key=key, kind="compute", input=errand.trace, body=intent, owed=owed
        )
        return {"done": True, "dry_run": True}

    async def _audit(self, operation: ToolOperation, errand: Errand, mark: str) -> None:
        execution = self.journal.execution
        async with self.db.tenant_session(execution.tenant_id) as session:
            await audit.record(
                session,
                tenant_id=execution.tenant_id,
                actor=self.actor,
                operation=f"{self.provider.tool_id}.{operation.name}",
                resource_type=self.provider.tool_id,
                resource_id=mark,
                after=dict(errand.facts),
                details={"execution_id": str(execution.id), "mark": mark},
            )

    def _step(self, operation: ToolOperation) -> str:
        return f"{self.provider.tool_id}_{operation.name}"


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value; an address is read as its host reads it."""
    if isinstance(value, str):
        yield unquote_plus(value)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield unquote_plus(str(name))
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)

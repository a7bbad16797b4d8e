"""An undo, done by a worker: what was previewed, ticket by ticket, each effect a step of the journal.

A step may be made again: what is as before already is not written, a deleted note is gone, a correction is found by its
mark. So a worker that dies over one leaves nothing in doubt, and the next one ends what it began, once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from pydantic_core import to_jsonable_python

from deskhand.audit import service as audit
from deskhand.engine.claims import Ending
from deskhand.engine.status import ExecutionStatus
from deskhand.errors import InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.plugins.contract import FieldChange, Inverse, NoteDraft, Restored, TicketingToolPlugin, WriteReceipt
from deskhand.plugins.errors import REFUSALS, DeskNotFoundError, PluginNotFoundError
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import desk_for
from deskhand.work.run import Run
from deskhand.work.undo.arranging import READ_OUTSIDE
from deskhand.work.undo.looking import state_of
from deskhand.work.undo.schemas import Effect, FieldKept, Outcome, Plan, PlannedItem

MOVED = "The ticket changed between the preview and the undoing; nothing was put back on it. Look at a new preview."


class Undoer:
    """Does undos.

    Args:
        db: For the audit log.
        secrets: Decrypts the tenant's connections.
        plugins: Registered desks.
    """

    def __init__(self, db: Database, secrets: SecretBox, plugins: PluginManager) -> None:
        self._db = db
        self._secrets = secrets
        self._plugins = plugins

    async def perform(self, run: Run) -> Ending:
        """Do one attempt of one undo.

        Raises:
            DeskError: A desk is away; the execution is tried again.
        """
        plan = Plan.model_validate(run.execution.input_payload)
        outcomes: list[Outcome] = []
        on_ticket: dict[tuple[str, str], list[tuple[int, PlannedItem]]] = defaultdict(list)
        for number, item in enumerate(plan.items):
            on_ticket[item.tool_type, item.ticket_id or ""].append((number, item))
        async with AsyncExitStack() as stack:
            for (tool_type, ticket_id), items in on_ticket.items():
                if all(item.effect is Effect.NONE for _, item in items):
                    outcomes += [_outcome(item, done=False, why=item.why) for _, item in items]
                    continue
                desk = self._open(run, tool_type)
                if isinstance(desk, str):
                    outcomes += [_outcome(item, done=False, why=desk) for _, item in items]
                    continue
                stack.push_async_callback(desk.aclose)
                outcomes += await _OnTicket(self._db, run, plan, desk, ticket_id).perform(items)
        output = {"undo": {"outcomes": [one.model_dump(mode="json") for one in outcomes], "what": plan.what}}
        return Ending(ExecutionStatus.COMPLETED, output=output)

    def _open(self, run: Run, tool_type: str) -> TicketingToolPlugin | str:
        try:
            return desk_for(run.tenant, tool_type, secrets=self._secrets, plugins=self._plugins, http=run.http)
        except (InvalidInputError, PluginNotFoundError) as error:
            return f"The desk cannot be reached: {error.detail}"


class _OnTicket:
    """One ticket's part of an undo."""

    def __init__(self, db: Database, run: Run, plan: Plan, desk: TicketingToolPlugin, ticket_id: str) -> None:
        self._db = db
        self._run = run
        self._plan = plan
        self._desk = desk
        self._ticket_id = ticket_id

    async def perform(self, items: Sequence[tuple[int, PlannedItem]]) -> list[Outcome]:
        tool_type = self._desk.manifest.tool_type
        seen = await self._run.journal.step(
            # A step, so that a worker that resumes does not take the undo's own writes for somebody's change.
            name="look_again",
            key=f"look_again:{tool_type}/{self._ticket_id}"[:200],
            kind="tool",
            input={"ticket_id": self._ticket_id, "tool": tool_type},
            body=self._look,
            owed=True,
        )
        outcomes = []
        for number, item in items:
            if item.effect is Effect.NONE:
                outcomes.append(_outcome(item, done=False, why=item.why))
            elif item.revision != seen["revision"]:
                outcomes.append(_outcome(item, done=False, why=MOVED))
            else:
                outcomes.append(await self._perform(number, item))
        return outcomes

    async def _look(self) -> Any:
        try:
            return {"revision": state_of(await self._desk.get_ticket(self._ticket_id))}
        except DeskNotFoundError:
            return {"revision": None}

    async def _perform(self, number: int, item: PlannedItem) -> Outcome:
        key = f"undo:{number}"
        mark = self._run.journal.mark_for(key)
        made: dict[Effect, Callable[[PlannedItem, str], Awaitable[Any]]] = {
            Effect.RESTORE_FIELDS: self._restore,
            Effect.WITHDRAW_NOTE: self._withdraw,
            Effect.CORRECT_NOTE: self._withdraw,
            Effect.RESTORE_NOTE: self._rewrite,
            Effect.UNLINK_TICKETS: self._unlink,
            Effect.LINK_TICKETS: self._link,
            Effect.WITHDRAW_TIME: lambda item, _: self._unlog(item),
            Effect.CLOSE_CREATED: lambda _, mark: self._close(mark),
        }

        async def body() -> Any:
            try:
                answer = await made[item.effect](item, mark)
            except REFUSALS as error:
                # Said and not raised: the desk would refuse it again, and the other writes are owed all the same.
                return {"refused": error.detail}
            await self._audit(item, answer)
            return answer

        trace: dict[str, Any] = {
            "target": f"{item.tool_type}/{self._ticket_id}",
            "ticket_id": self._ticket_id,
            "undoes": [one.key for one in item.writes],
            **({"fields": {one.field: one.back for one in item.fields}} if item.fields else {}),
            **({"link": to_jsonable_python(item.link)} if item.link else {}),
        }
        answer = await self._run.journal.step(
            name=item.effect.value, key=key, kind="write", input=trace, body=body, idempotent=True, owed=True
        )
        return self._said(item, answer)

    def _said(self, item: PlannedItem, answer: Mapping[str, Any]) -> Outcome:
        if refused := answer.get("refused"):
            return _outcome(item, done=False, why=f"{self._desk.manifest.name} refused it: {refused}")
        kept = [*item.kept, *(FieldKept.model_validate(one) for one in answer.get("kept", ()))]
        refusals: Mapping[str, str] = answer.get("refused_fields", {})
        left = {*(one.field for one in kept), *refusals}
        fields = [one.field for one in item.fields if one.field not in left]
        if item.effect is Effect.RESTORE_FIELDS:
            why = "; ".join(f"{field}: {detail}" for field, detail in refusals.items()) or item.why
            return _outcome(item, done=bool(fields), why=why, fields=fields, kept=kept)
        return _outcome(item, done=True, why=item.why)

    # -- what is done ------------------------------------------------------------------------

    async def _restore(self, item: PlannedItem, mark: str) -> Any:
        restored, refused = await self._put_back(item.changes, mark)
        now = {one.vendor_field: one for one in restored.skipped}
        kept = [
            FieldKept(
                field=one.field,
                ours=one.after_text,
                now=now[one.vendor_field].after_text or str(now[one.vendor_field].after or ""),
                before=one.before_text,
            ).model_dump(mode="json")
            for one in item.changes
            if one.vendor_field in now
        ]
        receipt = restored.receipt or WriteReceipt(
            # An earlier attempt put it back and died before it had the answer; what it changed is what was planned.
            id=self._ticket_id,
            ticket_id=self._ticket_id,
            mark=mark,
            adopted=True,
            changes=tuple(_turned(one) for one in item.changes if one.vendor_field not in {*now, *refused}),
        )
        said = {one.field: refused[one.vendor_field] for one in item.changes if one.vendor_field in refused}
        return {**to_jsonable_python(receipt), "kept": kept, "refused_fields": said}

    async def _put_back(self, changes: Sequence[FieldChange], mark: str) -> tuple[Restored, dict[str, str]]:
        try:
            return await self._desk.restore_fields(self._ticket_id, changes, mark=mark), {}
        except REFUSALS:
            if len(changes) == 1:
                raise
        # One field that the desk refuses must not keep the others from being put back.
        whole, refused = Restored(receipt=None), {}
        for change in changes:
            try:
                one = await self._desk.restore_fields(self._ticket_id, [change], mark=mark)
            except REFUSALS as error:
                refused[change.vendor_field] = error.detail
                continue
            before = whole.receipt.changes if whole.receipt else ()
            receipt = replace(one.receipt, changes=(*before, *one.receipt.changes)) if one.receipt else whole.receipt
            whole = replace(whole, receipt=receipt, skipped=(*whole.skipped, *one.skipped))
        return whole, refused

    async def _withdraw(self, item: PlannedItem, mark: str) -> Any:
        reason = (
            f"Withdrawn: an earlier note here was written by the agent “{self._plan.agent_name}” and is taken back."
            " Please do not rely on it."
        )
        if Inverse.WITHDRAW_NOTE in self._desk.manifest.inverses and item.note_id != self._ticket_id:
            return to_jsonable_python(
                await self._desk.withdraw_note(self._ticket_id, item.note_id, reason=reason, mark=mark)
            )
        # A desk that can only add: the note of an attempt that died is found by its mark.
        known = await self._desk.find_write(self._ticket_id, mark)
        public = any(one.operation in READ_OUTSIDE for one in item.writes)
        note = NoteDraft(body=reason, public=public, mark=mark)
        return to_jsonable_python(known or await self._desk.add_note(self._ticket_id, note))

    async def _rewrite(self, item: PlannedItem, mark: str) -> Any:
        note = NoteDraft(body=item.note_text, mark=mark)
        return to_jsonable_python(await self._desk.update_note(self._ticket_id, item.note_id, note))

    async def _unlink(self, item: PlannedItem, mark: str) -> Any:
        assert item.link is not None  # the plan has one for this effect
        return to_jsonable_python(await self._desk.unlink_tickets(self._ticket_id, item.link, mark=mark))

    async def _link(self, item: PlannedItem, mark: str) -> Any:
        assert item.link is not None  # the plan has one for this effect
        return to_jsonable_python(await self._desk.link_tickets(self._ticket_id, item.link, mark=mark))

    async def _unlog(self, item: PlannedItem) -> Any:
        return to_jsonable_python(await self._desk.withdraw_time(self._ticket_id, item.note_id))

    async def _close(self, mark: str) -> Any:
        reason = f"Filed by the agent “{self._plan.agent_name}” in error, and taken back."
        return to_jsonable_python(await self._desk.close_created(self._ticket_id, reason=reason, mark=mark))

    async def _audit(self, item: PlannedItem, answer: Mapping[str, Any]) -> None:
        execution = self._run.execution
        async with self._db.tenant_session(execution.tenant_id) as session:
            await audit.record(
                session,
                tenant_id=execution.tenant_id,
                # Who asked for it: a worker undoes nothing of its own accord.
                actor=self._plan.requested_by,
                operation=f"desk.{item.effect.value}",
                resource_type=f"ticket:{item.tool_type}",
                resource_id=self._ticket_id,
                before={one.field: one.now for one in item.fields} or None,
                after={one.field: one.back for one in item.fields} or {"effect": item.effect.value},
                details={
                    "execution_id": str(execution.id),
                    "undoes": [one.key for one in item.writes],
                    "receipt": answer.get("id"),
                    "mark": answer.get("mark"),
                },
            )


def _turned(change: FieldChange) -> FieldChange:
    """What taking a change back changed."""
    return replace(
        change,
        before=change.after,
        after=change.before,
        before_text=change.after_text,
        after_text=change.before_text,
    )


def _outcome(
    item: PlannedItem, *, done: bool, why: str | None, fields: Sequence[str] = (), kept: Sequence[FieldKept] = ()
) -> Outcome:
    return Outcome(
        writes=item.writes,
        tool_type=item.tool_type,
        ticket_id=item.ticket_id,
        effect=item.effect,
        done=done,
        fields=list(fields),
        kept=list(kept or item.kept),
        why=why,
    )

"""From what runs wrote to what taking it back consists of, without looking at any desk. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from deskhand.plugins.contract import FieldChange, LinkKind, TicketLink, WriteReceipt
from deskhand.work.undo.schemas import Effect, PlannedItem, UndoneWrite

READ_OUTSIDE = frozenset({"reply", "ask_requester"})
"""Notes that the requester reads."""
NOTES = READ_OUTSIDE | {"add_note"}
REWRITTEN = "update_note"
"""A note of ours that got another text."""
TIME = "log_time"
_FIELDS = frozenset({"update_ticket", "assign", "transition", "resolve", Effect.RESTORE_FIELDS})
_LINKS = frozenset({"link_tickets", Effect.UNLINK_TICKETS, Effect.LINK_TICKETS})
_FINAL = {
    Effect.WITHDRAW_NOTE: "A note that was deleted is not written again; replay the run for a new one.",
    Effect.RESTORE_NOTE: "The earlier text stands again; replay the run for the later one.",
    Effect.WITHDRAW_TIME: "A work log that was deleted is not written again.",
    Effect.CORRECT_NOTE: "The correcting note stays: a third one would help nobody.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of a run, as its journal has it.

    Attributes:
        tool_type: The desk, or another tool.
        ticket_id: What it was written on; None for what has no ticket.
        receipt: What the desk answered; None for what is no desk.
        trace: What it was asked to do.
        mark: What it left at the desk.
        at: When it was begun.
        asked_at: When the run was born: no try of this write can be older.
        resumed: A worker died over it, so that its receipt may know nothing of what was before.
        in_doubt: Nobody knows whether it happened.
        withdrawn: An undo took this note back already.
    """

    key: UndoneWrite
    tool_type: str
    ticket_id: str | None
    receipt: WriteReceipt | None
    trace: Mapping[str, Any]
    mark: str
    at: datetime
    asked_at: datetime
    resumed: bool = False
    in_doubt: bool = False
    withdrawn: bool = False

    @property
    def operation(self) -> str:
        """What was done."""
        return self.key.operation

    @property
    def note_id(self) -> str | None:
        """The note that it is, or that tells of a ticket elsewhere on desks without such links."""
        if self.receipt is None:
            return None
        is_told = self.operation == "link_tickets" and self.trace.get("url") and self.receipt.id != self.trace["url"]
        return self.receipt.id if self.operation in NOTES | {REWRITTEN} or is_told else None

    @property
    def link(self) -> TicketLink | None:
        """The link that it made, or that an undo removed."""
        if stored := self.trace.get("link"):
            return TicketLink(**{**stored, "kind": LinkKind(stored["kind"])})
        if self.operation != "link_tickets" or self.receipt is None or self.note_id is not None:
            return None
        kind = LinkKind(self.trace.get("kind") or LinkKind.RELATED.value)
        url = str(self.trace.get("url") or "")
        return TicketLink(
            kind=kind, ticket_id="" if url else self.receipt.id, url=url, title=self.trace.get("title", "")
        )


def arrange(writes: Sequence[Write], *, desks: Collection[str]) -> list[PlannedItem]:
    """What undoing these writes consists of.

    Args:
        writes: Newest first.
        desks: Tools that are desks.
    """
    created = {(one.tool_type, one.ticket_id) for one in writes if one.operation == "create_ticket"}
    items: list[PlannedItem] = []
    of_ticket: dict[tuple[str, str], list[Write]] = defaultdict(list)
    for write in writes:
        if (why := _why_not(write, desks)) is not None:
            items.append(_item([write], Effect.NONE, why=why))
        else:
            of_ticket[write.tool_type, write.ticket_id or ""].append(write)
    for place, on_it in of_ticket.items():
        if place in created:
            # What was written on a ticket of our own goes with it: nobody reads a closed ticket's fields.
            items.append(_item(on_it, Effect.CLOSE_CREATED))
        else:
            items += _on_ticket(on_it)
    return items


def merged(writes: Sequence[Write]) -> list[FieldChange]:
    """The fields of several writes on one ticket, each from what it was before all of them to what it is now.

    Args:
        writes: Newest first.
    """
    chains: dict[str, FieldChange] = {}
    ended: set[str] = set()
    for write in writes:
        for change in write.receipt.changes if write.receipt else ():
            name = change.vendor_field
            known = chains.get(name)
            if known is None:
                chains[name] = change
            elif name not in ended and known.before == change.after:
                chains[name] = replace(known, before=change.before, before_text=change.before_text)
            else:
                # Somebody set it between two of our writes: that value is theirs, and what we put back ends there.
                ended.add(name)
    # Set and set back: there is nothing to do, and a desk would take even that for a change.
    return [one for one in chains.values() if one.before != one.after]


def _on_ticket(writes: Sequence[Write]) -> Iterator[PlannedItem]:
    fields = [one for one in writes if one.receipt is not None and one.receipt.changes]
    for write in writes:
        if write in fields:
            continue
        if write.operation == Effect.CLOSE_CREATED:
            yield _item([write], Effect.NONE, why="A ticket that was closed is not opened again: open it by hand.")
        elif write.operation in _FIELDS:
            # Settled after its look at the desk's history: the receipt of a resumed write knows nothing of before.
            told = None if write.resumed else "The ticket said so already when the agent set it; nothing was changed."
            yield _item([write], Effect.RESTORE_FIELDS if write.resumed else Effect.NONE, why=told)
        elif write.operation == REWRITTEN and not write.withdrawn:
            earlier = {"note_id": write.note_id or "", "note_text": str(write.trace.get("before") or "")}
            yield _item([write], Effect.RESTORE_NOTE).model_copy(update=earlier)
        elif write.note_id is not None:
            why = "An earlier undo withdrew this note." if write.withdrawn else None
            effect = Effect.NONE if write.withdrawn else Effect.WITHDRAW_NOTE
            yield _item([write], effect, why=why).model_copy(update={"note_id": write.note_id})
        elif write.operation == TIME:
            log = write.receipt.id if write.receipt else ""
            yield _item([write], Effect.WITHDRAW_TIME).model_copy(update={"note_id": log})
        elif write.operation in _LINKS:
            yield _link_item(write)
        else:
            yield _item([write], Effect.NONE, why=f"Nothing takes back '{write.operation}' on a desk.")
    if fields:
        yield _item(fields, Effect.RESTORE_FIELDS).model_copy(update={"changes": merged(fields)})


def _link_item(write: Write) -> PlannedItem:
    assert write.receipt is not None
    if write.receipt.adopted and write.operation != Effect.UNLINK_TICKETS:
        why = "The tickets were linked already when the agent linked them."
        if write.resumed:
            why = "Whether the tickets were linked before is not known: a worker died over it. Remove it by hand."
        return _item([write], Effect.NONE, why=why)
    effect = Effect.LINK_TICKETS if write.operation == Effect.UNLINK_TICKETS else Effect.UNLINK_TICKETS
    return _item([write], effect).model_copy(update={"link": write.link})


def _why_not(write: Write, desks: Collection[str]) -> str | None:
    """Why nothing can be done about a write, as far as it can be said without its desk."""
    if write.in_doubt:
        return f"Nobody knows whether this was written; look for its mark {write.mark}."
    if write.operation == "send_mail":
        recipients = ", ".join(str(one) for one in write.trace.get("to") or ())
        return f"A mail cannot be called back. It went to {recipients or 'its recipients'}."
    if write.tool_type not in desks or write.receipt is None:
        return f"'{write.operation}' of '{write.tool_type}' has left this house and cannot be taken back."
    return _FINAL.get(Effect(write.operation)) if write.operation in set(Effect) else None


def _item(writes: Sequence[Write], effect: Effect, *, why: str | None = None) -> PlannedItem:
    first = writes[0]
    return PlannedItem(
        writes=[one.key for one in writes],
        tool_type=first.tool_type,
        ticket_id=first.ticket_id,
        effect=effect,
        why=why,
    )

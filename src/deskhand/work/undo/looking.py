"""What undoing would do now: each ticket is read at its desk, and what somebody changed since is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from deskhand.approvals.differences import stamp
from deskhand.kit.marks import find_marks
from deskhand.kit.secrets_in_text import scrub
from deskhand.plugins.contract import (
    FieldChange,
    Inverse,
    Operation,
    PastChange,
    Person,
    Ticket,
    TicketingToolPlugin,
)
from deskhand.plugins.errors import REFUSALS, DeskCannotTellError, DeskNotFoundError
from deskhand.work.undo.arranging import READ_OUTSIDE, Write, merged
from deskhand.work.undo.schemas import Effect, FieldBack, FieldKept, PlannedItem

CLOCKS = timedelta(seconds=60)
"""How far a desk's clock may be from ours, when its history is searched for a write of ours."""
PAGES = 5
_NEUTRAL = {
    "assign": frozenset({"assignee", "group"}),
    "transition": frozenset({"status"}),
    "resolve": frozenset({"status", "resolution"}),
    "link_tickets": frozenset(),
}
_TAGS = {"add_tags": "tags", "remove_tags": "tags"}


def state_of(ticket: Ticket) -> str:
    """The state of a ticket that an undo is bound to; notes are not part of it where the desk has no stamp."""
    return stamp(replace(ticket, notes=(), unread=()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One ticket as it is now, with its history where the desk tells it."""

    ticket: Ticket
    past: Sequence[PastChange] | None


class Looker:
    """Looks at one desk for one preview.

    Args:
        desk: Where.
        writes: All that is to be undone, by key.
    """

    def __init__(self, desk: TicketingToolPlugin, writes: Mapping[str, Write]) -> None:
        self._desk = desk
        self._writes = writes
        self._account: Person | None = None

    async def look(self, ticket_id: str, items: Sequence[PlannedItem]) -> list[PlannedItem]:
        """The items of one ticket as they would be done now.

        Raises:
            DeskError: The desk is away; a preview that leaves tickets out would be none.
        """
        try:
            seen = await self._see(ticket_id)
        except DeskNotFoundError as error:
            gone = f"The ticket cannot be seen any more: {error.detail}"
            return [_left(item, gone) for item in items]
        shown = [item async for item in self._each(seen, items)]
        ticket = seen.ticket
        told = {
            "number": ticket.display_id,
            "subject": scrub(ticket.subject),
            # A desk's address goes into a link, and a desk is not trusted with what a link may do.
            "url": ticket.url if ticket.url and ticket.url.startswith(("https://", "http://")) else None,
            "revision": state_of(ticket),
        }
        return [item.model_copy(update=told) for item in shown]

    async def _see(self, ticket_id: str) -> _Seen:
        ticket = await self._desk.get_ticket(ticket_id)
        if Operation.TICKET_CHANGES not in self._desk.manifest.operations:
            return _Seen(ticket=ticket, past=None)
        past: list[PastChange] = []
        cursor: str | None = None
        try:
            for _ in range(PAGES):
                page = await self._desk.ticket_changes(ticket_id, cursor=cursor)
                past += page.changes
                cursor = page.next_cursor
                if cursor is None:
                    break
        except REFUSALS:
            # A history that the account may not read names nobody; what is restored hangs on the values alone.
            return _Seen(ticket=ticket, past=None)
        return _Seen(ticket=ticket, past=past)

    async def _each(self, seen: _Seen, items: Sequence[PlannedItem]) -> AsyncIterator[PlannedItem]:
        for item in items:
            if item.effect is Effect.RESTORE_FIELDS:
                for restoring in await self._restoring(seen, item):
                    yield restoring
            elif item.effect is Effect.WITHDRAW_NOTE:
                yield self._note(seen, item)
            elif item.effect is Effect.RESTORE_NOTE:
                yield self._rewritten(seen, item)
            elif item.effect is Effect.CLOSE_CREATED:
                yield self._closing(seen, item)
            elif item.effect is Effect.WITHDRAW_TIME:
                yield await self._unlogging(seen, item)
            elif item.effect is Effect.UNLINK_TICKETS:
                yield await self._unlinking(seen, item)
            else:
                yield item

    def _can(self, inverse: Inverse) -> bool:
        return inverse in self._desk.manifest.inverses

    # -- fields ------------------------------------------------------------------------------

    async def _restoring(self, seen: _Seen, item: PlannedItem) -> list[PlannedItem]:
        writes = [self._writes[one.key] for one in item.writes]
        items = [note for write in writes if write.operation == "resolve" for note in await self._comment(seen, write)]
        changes = item.changes or await self._remembered(seen, writes)
        if not changes:
            why = "A worker died over this write, and the desk's history does not tell what was there before."
            # An item that has changes and none left was set and set back by the agent itself.
            known = any(write.receipt and write.receipt.changes for write in writes)
            return [*items, _left(item, "The agent set it back itself." if known else why)]
        if not self._can(Inverse.RESTORE_FIELDS):
            was = "; ".join(f"{one.field} was '{one.before_text}'" for one in changes)
            return [*items, _left(item, f"{self._desk.manifest.name} puts nothing back through its API: {was}.")]
        looked = await self._desk.restore_fields(seen.ticket.id, changes, dry=True)
        wanted = [one for one in changes if one.vendor_field in looked.fields]
        kept = [self._kept(seen, one, changes) for one in looked.skipped]
        told = {
            "changes": wanted,
            "kept": kept,
            "fields": [
                FieldBack(field=one.field, now=scrub(one.after_text), back=scrub(one.before_text)) for one in wanted
            ],
        }
        restoring = item.model_copy(update=told)
        if not wanted:
            why = "Somebody changed it since; it is left as it is." if kept else "It is as it was before already."
            restoring = _left(restoring, why)
        return [*items, restoring]

    def _kept(self, seen: _Seen, now: FieldChange, changes: Sequence[FieldChange]) -> FieldKept:
        ours = next(one for one in changes if one.vendor_field == now.vendor_field)
        # The newest save of that field; ours was an earlier one, or the value would be ours.
        save = next(
            (past for past in reversed(seen.past or ()) for one in past.fields if one.vendor_field == now.vendor_field),
            None,
        )
        last = [one.after_text for one in save.fields if one.vendor_field == now.vendor_field] if save else []
        return FieldKept(
            field=ours.field,
            ours=scrub(ours.after_text),
            now=scrub(now.after_text or (last[-1] if last else "") or _text(now.after)),
            before=scrub(ours.before_text),
            changed_by=_name(save.by) if save else None,
            changed_at=save.at if save else None,
        )

    async def _remembered(self, seen: _Seen, writes: Iterable[Write]) -> list[FieldChange]:
        """What the desk's own history says of writes whose receipt does not: a worker died before it had the answer."""
        remembered: list[Write] = []
        for write in writes:
            wanted = _neutral(write)
            saves = [
                past
                for past in seen.past or ()
                if past.at is not None and write.asked_at - CLOCKS <= past.at <= write.at + CLOCKS
            ]
            for past in reversed(saves):
                fields = tuple(one for one in past.fields if one.field in wanted)
                if fields and write.receipt is not None and await self._is_ours(past.by):
                    remembered.append(replace(write, receipt=replace(write.receipt, changes=fields)))
        return merged(remembered)

    async def _is_ours(self, by: Person) -> bool:
        if self._account is None:
            self._account = (await self._desk.test_connection()).account or Person()
        mine = {str(one).casefold() for one in (self._account.id, self._account.email, self._account.name) if one}
        return bool(mine & {str(one).casefold() for one in (by.id, by.email, by.name) if one})

    # -- notes and tickets -------------------------------------------------------------------

    async def _comment(self, seen: _Seen, write: Write) -> list[PlannedItem]:
        """The comment with which a ticket was resolved, on desks where the resolution is one."""
        try:
            told = await self._desk.find_write(seen.ticket.id, write.mark) if write.mark else None
        except DeskCannotTellError:
            told = None
        if told is None or told.id in (seen.ticket.id, ""):
            return []
        item = PlannedItem(
            writes=[write.key],
            tool_type=write.tool_type,
            ticket_id=write.ticket_id,
            effect=Effect.WITHDRAW_NOTE,
            note_id=told.id,
        )
        return [self._note(seen, item)]

    def _note(self, seen: _Seen, item: PlannedItem) -> PlannedItem:
        ticket = seen.ticket
        note = next((one for one in ticket.notes if one.id == item.note_id), None)
        # Where the journal is hidden from our account, the receipt has the ticket's id and the note is not shown.
        if note is None and not ticket.unread and item.note_id != ticket.id:
            return _left(item, "The note is not on the ticket any more.")
        public = note.public if note is not None else any(one.operation in READ_OUTSIDE for one in item.writes)
        if self._can(Inverse.WITHDRAW_NOTE) and self._desk.manifest.deletes_notes:
            read = "The requester may have read it, or have had it by mail: that stays." if public else None
            return item.model_copy(update={"why": read})
        why = (
            f"{self._desk.manifest.name} keeps every note: another one will say that it is withdrawn. It is not undone."
        )
        return item.model_copy(update={"effect": Effect.CORRECT_NOTE, "why": why})

    def _rewritten(self, seen: _Seen, item: PlannedItem) -> PlannedItem:
        note = next((one for one in seen.ticket.notes if one.id == item.note_id), None)
        if note is None:
            return _left(item, "The note is not on the ticket any more, or not among its newest.")
        # Each text of ours has a mark of its own: another one is of a later run's text, which stays.
        if not {self._writes[one.key].mark for one in item.writes} & set(find_marks(note.body)):
            return _left(item, "The note was written anew since; it is left as it is.")
        return item

    async def _unlinking(self, seen: _Seen, item: PlannedItem) -> PlannedItem:
        if not self._can(Inverse.UNLINK_TICKETS):
            return _left(item, f"{self._desk.manifest.name} removes no link through its API: remove it by hand.")
        assert item.link is not None  # it is arranged with one
        if not await self._desk.is_linked(seen.ticket.id, replace(item.link, title="")):
            return _left(item, "The tickets are not linked any more.")
        return item

    async def _unlogging(self, seen: _Seen, item: PlannedItem) -> PlannedItem:
        if not self._can(Inverse.WITHDRAW_TIME):
            return _left(item, f"{self._desk.manifest.name} deletes no work log through its API: delete it by hand.")
        marks = {self._writes[one.key].mark for one in item.writes}
        found = [await self._desk.find_time(seen.ticket.id, mark) for mark in marks]
        return item if any(found) else _left(item, "The work log is not there any more.")

    def _closing(self, seen: _Seen, item: PlannedItem) -> PlannedItem:
        ticket = seen.ticket
        if not self._can(Inverse.CLOSE_CREATED):
            return _left(item, f"{self._desk.manifest.name} closes nothing through its API: close it by hand.")
        if ticket.is_closed:
            return _left(item, f"The ticket is {ticket.status or 'closed'} already.")
        ours = {self._writes[one.key].note_id for one in item.writes}
        marks = {self._writes[one.key].mark for one in item.writes}
        others = [one for one in ticket.notes if one.id not in ours and not marks & set(find_marks(one.body))]
        if others:
            # Somebody works on it: to close it under their hands would undo their work and not the agent's.
            author = _name(others[-1].author) or "Somebody"
            return _left(item, f"{author} has written on the ticket since; it stays open.")
        return item.model_copy(update={"why": "The ticket is closed and stays to be read; no desk deletes it for us."})


def _neutral(write: Write) -> frozenset[str]:
    """The fields, by our names, that a write was to set."""
    if write.operation in _NEUTRAL:
        return _NEUTRAL[write.operation]
    names = {_TAGS.get(name, name) for name in write.trace if name not in ("target", "custom")}
    return frozenset(names | set(write.trace.get("custom") or ()))


def _left(item: PlannedItem, why: str) -> PlannedItem:
    return item.model_copy(update={"effect": Effect.NONE, "why": scrub(why), "changes": [], "fields": []})


def _name(person: Person) -> str | None:
    return person.name or person.email or person.id


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _text(next(iter(value.values()), None))
    return "" if value is None else str(value)

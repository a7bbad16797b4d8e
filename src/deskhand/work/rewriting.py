"""Writing the agent's own note, and writing it anew on desks that let a note be edited."""

from __future__ import annotations

from deskhand.plugins.contract import NoteDraft, Operation, WriteReceipt
from deskhand.work.hands import DeskHands


def may_rewrite(own: DeskHands) -> bool:
    """Whether the agent may write a note of its own anew: what it may write unasked, it may correct."""
    can = Operation.UPDATE_NOTE in own.desk.manifest.operations
    return can and own.may("add_note") and not own.needs_approval("add_note")


async def write_note(own: DeskHands, body: str, *, key: str, below: str, ref: str | None = None) -> WriteReceipt:
    """Write an internal note on the run's own ticket or on its parent, once.

    Args:
        own: The road to the desk of the run's ticket.
        body: Markdown.
        key: Journal key.
        below: Markdown that the desk alone gets, below it.
        ref: The parent; None for the run's own ticket.
    """

    async def make(ticket_id: str, mark: str) -> WriteReceipt:
        return await own.desk.add_note(ticket_id, NoteDraft(body=body + below, mark=mark))

    return await own.write("add_note", ref, key=key, shown={"body": body, "public": False}, make=make, owed=True)


async def rewrite_note(
    own: DeskHands, note_id: str, body: str, *, key: str, before: str, below: str, ref: str | None = None
) -> WriteReceipt:
    """Write an internal note of the agent's own on its own ticket or on its parent anew, once.

    Args:
        own: The road to the desk of the run's ticket.
        note_id: ``id`` of the note's receipt.
        body: Markdown, whole.
        key: Journal key.
        before: What it says until then, for taking it back.
        below: Markdown that the desk alone gets, below it.
        ref: The parent; None for the run's own ticket.
    """

    async def make(ticket_id: str, mark: str) -> WriteReceipt:
        return await own.desk.update_note(ticket_id, note_id, NoteDraft(body=body + below, mark=mark))

    shown = {"body": body, "note_id": note_id, "before": before, "public": False}
    # No operation of its own among the grants: it lets nobody write more than add_note does.
    called = Operation.UPDATE_NOTE.value
    return await own.write("add_note", ref, key=key, shown=shown, make=make, owed=True, called=called)

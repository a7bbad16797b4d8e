"""Is an event our own write, coming back? Only if our own journal says so; in doubt it is not, and the agent runs.

The author alone proves nothing: people connect a desk with their own key and go on working under that name. A mark
alone proves nothing either: whoever reads our note can quote it. So an event is an echo if our account caused it *and*
it names the note, or the stamp of the ticket, that one of our writes got from the desk; for a write whose answer is not
recorded yet, if its mark is in the text that is new with the event. Where an event names nobody, only the newest
write is looked at, and those of the last moments: a run that writes three times in a second is told so three times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.plugins.contract import TicketEvent

PENDING_SECONDS = 30.0
"""How long after its beginning a write without an answer is expected to get one; later it is a write in doubt."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of ours on the event's ticket, as the journal has it.

    Attributes:
        mark: What it carries.
        receipt_id: What the desk called it; None as long as the desk has not answered.
        revision: The ticket's stamp after it, where the desk told one.
        age: Seconds since it was begun.
    """

    mark: str
    receipt_id: str | None
    revision: str | None
    age: float


def could_be_known(event: TicketEvent) -> bool:
    """Whether the event says anything that a write could be known by."""
    return bool(event.note_id or event.revision or event.marks)


def is_echo(event: TicketEvent, *, by_us: bool | None, writes: Sequence[Write]) -> bool | None:
    """Compare an event with our writes.

    Args:
        event: What came in.
        by_us: Whether our account caused it; None if the event, or the connection, does not say.
        writes: Our writes on its ticket, newest first.

    Returns:
        True or False; None if it hangs on a write that is under way: ask again in a moment.
    """
    # The desk says that another account did it: whatever the event quotes, a person or another tool is behind it.
    if by_us is False:
        return False
    # Without an author the risk is to take a person's edit for our echo, so an old write of ours proves nothing.
    looked_at = writes if by_us else [*writes[:1], *_just_before(event, writes)]
    if any(_fits(event, write, by_us=bool(by_us)) for write in looked_at):
        return True
    # A desk may send its event before it answers our request. The inbox asks again instead of starting a run that would
    # answer its own note.
    waiting = any(write.receipt_id is None and write.age < PENDING_SECONDS for write in looked_at)
    return None if waiting else False


def _just_before(event: TicketEvent, writes: Sequence[Write]) -> list[Write]:
    """Writes of the last moments beside the newest, unless somebody else has changed the ticket since."""
    stamps = [write.revision for write in writes if write.revision is not None]
    # An edited note keeps its id, but the ticket gets a stamp that none of our writes left.
    if event.revision is not None and stamps and not any(_same_stamp(event.revision, stamp) for stamp in stamps):
        return []
    return [write for write in writes[1:] if write.receipt_id is not None and write.age < PENDING_SECONDS]


def _fits(event: TicketEvent, write: Write, *, by_us: bool) -> bool:
    if write.receipt_id is None:
        return by_us and write.mark in event.marks
    # Desks give a note an id of its own; for a change of fields our receipt carries the ticket's id.
    is_note = write.receipt_id != event.ticket.ticket_id
    if is_note and event.note_id is not None:
        return event.note_id == write.receipt_id
    # The ticket's stamp names one change exactly. Of the mark this is not true: it stays in the text when a person
    # edits the note.
    if event.revision is not None and write.revision is not None:
        return _same_stamp(event.revision, write.revision)
    return by_us and write.mark in event.marks


def _same_stamp(left: str, right: str) -> bool:
    """A desk may write one moment in two zones or forms."""
    if left == right:
        return True
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    # Two stamps that are no times (a version number, an etag) were compared as text above; one with a zone and one
    # without cannot be compared.
    except (ValueError, TypeError):
        return False

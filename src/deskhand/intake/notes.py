"""What an event says of a note on its ticket: whether it may be a requester's answer, or the word that starts a run.

An event is a hint. Here what surely is not meant is left out; the run reads the note itself before it acts.
"""

from __future__ import annotations

from typing import Any

from deskhand.kit.words import has_word
from deskhand.plugins.contract import TicketEvent

_NEW_TICKET = "created"


def change_of(event: TicketEvent, *, by_us: bool | None) -> dict[str, Any] | None:
    """What the event says of its change, as ``accept_event`` reads it; None where no requester surely answered.

    Args:
        event: What came in.
        by_us: Whether our account caused it; None if that cannot be said.
    """
    # Who works on tickets may file one as well, so that an author is staff says nothing here.
    if event.note_public is False or by_us:
        return None
    at = event.ticket.updated_at or event.occurred_at
    return {"note": event.note_id, "revision": event.revision, "at": at.isoformat() if at else None}


def why_no_word(event: TicketEvent, word: str | None) -> str | None:
    """Why an event cannot be the internal note with a trigger's word, in a sentence; None where it may be.

    Args:
        event: What came in.
        word: The trigger's; None of one that has none.
    """
    if word is None:
        return None
    if event.note_public:
        return "The note is one that the requester reads; the word counts in an internal note alone."
    if event.actor.is_staff is False:
        return "The note is not a technician's."
    if event.note_text is not None and not has_word(event.note_text, word):
        return f"The note does not say '{word}'."
    # A comment's own event is named like it on one desk, and names its note.
    if event.note_id is None and event.event.endswith(_NEW_TICKET):
        return "A new ticket has no internal note yet."
    return None

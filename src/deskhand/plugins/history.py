"""Reading a desk's history: ticket by ticket, so that one that cannot be read does not cost the others; and of its
notes the one that says how a ticket was solved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from deskhand.kit.marks import find_marks
from deskhand.notes.wording import spellings
from deskhand.plugins.contract import Note, Person, SkippedTicket
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskProtocolError

_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What reading a value of another type or size than was due ends in."""


@contextmanager
def one_ticket(ref: object, skipped: list[SkippedTicket]) -> Iterator[None]:
    """Read one ticket; one that was deleted meanwhile, is forbidden to us or is malformed is noted and left out.

    Args:
        ref: The ticket's id, as far as it is known.
        skipped: Where it is noted.
    """
    # Bounded: the id comes out of an answer that may be malformed throughout.
    name = str(ref or "without an id")[:100]
    try:
        yield
    except (DeskNotFoundError, DeskPermissionError, DeskProtocolError) as error:
        skipped.append(SkippedTicket(ref=name, reason=error.detail))
    except _MALFORMED as error:
        reason = f"the desk sent it in a form that cannot be read ({type(error).__name__}: {error})"
        skipped.append(SkippedTicket(ref=name, reason=reason[:300]))


OUR_FOOTERS = tuple(spellings("Written by Deskhand"))
"""One of them is in every note of ours, also on desks that keep the mark beside the text."""


def solution_among(notes: Sequence[Note], *, requester: Person | None, by: datetime | None) -> str | None:
    """What a technician said last when a ticket was solved.

    What somebody from outside writes ends up in other people's notes, so a comment counts only if its author is known
    to work on tickets, or if it is internal; neither the requester's words nor our own note are a solution.

    Args:
        notes: Oldest first.
        requester: Who filed the ticket.
        by: Later notes are afterthoughts, unless there is nothing else.
    """
    said = [note for note in notes if _is_technicians(note, requester)]
    # People go on writing on a solved ticket, and a "thank you" is no solution.
    timely = [note for note in said if by is None or note.created_at is None or note.created_at <= by]
    chosen = timely or said
    return chosen[-1].body if chosen else None


def _is_technicians(note: Note, requester: Person | None) -> bool:
    author = note.author
    from_requester = requester is not None and author.id is not None and author.id == requester.id
    staff = author.is_staff if author.is_staff is not None else not note.public
    # A marked comment that the requester can read is how we resolve a ticket; an internal one is a note of ours.
    ours = any(footer in note.body for footer in OUR_FOOTERS) or (not note.public and bool(find_marks(note.body)))
    return staff and not from_requester and not ours


__all__ = ["OUR_FOOTERS", "one_ticket", "solution_among"]

"""Reading a desk's history: ticket by ticket, so that one that cannot be read does not cost the others; and of its
notes the one that says how a ticket was solved; and how it went until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from deskhand.kit.marks import find_marks
from deskhand.notes.wording import spellings
from deskhand.plugins.contract import Note, PastChange, Person, SkippedTicket, Ticket
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


_OVER = frozenset({
    *("closed", "resolved", "solved", "done", "complete", "completed", "cancelled", "canceled"),
    *("erledigt", "gelöst", "geschlossen", "abgeschlossen", "résolu", "fermé", "terminé"),
    *("resuelto", "cerrado", "resolvido", "fechado"),
})  # fmt: skip
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


def first_touch(ticket: Ticket) -> datetime | None:
    """When a technician first said something on a solved ticket, or solved it in silence; None where it is not told.

    Args:
        ticket: With its notes.
    """
    solved = ticket.resolved_at
    # What was not read may be the first word.
    if solved is None or ticket.unread:
        return None
    said = [note.created_at for note in ticket.notes if _is_technicians(note, ticket.requester)]
    if None in said:
        return None
    return min([solved, *(at for at in said if at is not None)])


def was_reopened(now: Ticket, changes: Sequence[PastChange]) -> bool | None:
    """Whether a ticket was opened again after it was closed; None where its history cannot be read.

    Args:
        now: As the desk shows it.
        changes: Its whole history.
    """
    moves = [one for change in in_time(changes) for one in change.fields if one.field == "status"]
    if not moves:
        return None
    over = _OVER | ({now.status.casefold()} if now.status and now.is_closed else set())
    return any(one.before_text.casefold() in over and one.after_text.casefold() not in over for one in moves)


def in_time(changes: Iterable[PastChange]) -> list[PastChange]:
    """Changes in the order in which they were saved."""
    # Sorting keeps the desk's own order among changes of one time, and those without any come first.
    return sorted(changes, key=lambda change: change.at or datetime.min.replace(tzinfo=UTC))


__all__ = ["OUR_FOOTERS", "first_touch", "in_time", "one_ticket", "solution_among", "was_reopened"]

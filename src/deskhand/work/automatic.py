"""Messages of machines on a ticket: an out-of-office, a bounce, our own mail coming back, the same text once more.

They start no run, answer no question and are no person's word. What an event says of its message is looked at when it
comes in (``intake/automatic.py``); here is what the ticket itself says, on desks whose events say little.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from deskhand.kit.automatic import essence, is_mail_server, why_automatic
from deskhand.kit.marks import find_marks
from deskhand.kit.replies import split_mail
from deskhand.plugins.contract import Note, Ticket
from deskhand.work.people import is_requester, names_of

_LEAST = 12
"""Letters of a text below which two that are equal prove nothing: people say "thanks" twice."""


def why_no_message(ticket: Ticket, ours: Collection[str], own_addresses: Collection[str]) -> str | None:
    """Why the newest message of a ticket is no person's, in a sentence; None where a person may have written it.

    Args:
        ticket: With its notes, oldest first.
        ours: Ids of notes that our journal knows.
        own_addresses: Those that our own mail comes from.
    """
    said = [note for note in ticket.notes if note.id not in ours and not find_marks(split_mail(note.body).own)]
    # A desk's own receipt stands on every new ticket, and is no reason to leave its requester alone.
    if said and _is_from_outside(said[-1], ticket):
        sign = sign_of(said[-1], ticket)
        return sign and f"The newest message on the ticket is automatic ({sign}); nothing was done."
    if said:
        return None
    address = ticket.requester.email if ticket.requester else None
    if address and address.casefold() in own_addresses:
        return "The ticket was made by our own mail, coming back; nothing was done."
    sign = why_automatic(subject=ticket.subject, text=ticket.description, address=address)
    return sign and f"The ticket was made by an automatic message ({sign}); nothing was done."


def sign_of(note: Note, ticket: Ticket) -> str | None:
    """The sign by which a note is a machine's, in a few words; None where it has none."""
    # Whoever works on tickets may quote a bounce to a colleague.
    if note.author.is_staff and not is_requester(note.author, ticket):
        return None
    own = split_mail(note.body).own
    if sign := why_automatic(text=own, address=note.author.email, is_answer=True):
        return sign
    is_again = _is_from_outside(note, ticket) and _is_said_again(note, own, ticket.notes)
    return "its writer has sent the same text before" if is_again else None


def _is_from_outside(note: Note, ticket: Ticket) -> bool:
    return is_requester(note.author, ticket) or note.author.is_staff is False or is_mail_server(note.author.email)


def _is_said_again(note: Note, own: str, notes: Sequence[Note]) -> bool:
    words, who = essence(own), names_of(note.author)
    if len(words) < _LEAST or not who:
        return False
    earlier = notes[: next((place for place, one in enumerate(notes) if one.id == note.id), 0)]
    return any(names_of(one.author) & who and essence(split_mail(one.body).own) == words for one in earlier)

"""What a model reads of a ticket: the few facts, as data, with nothing cut off silently. Pure.

Everything here was written by strangers. It goes to the model as the result of a call, never as an instruction, and it
cannot change what the agent may do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from deskhand.kit.marks import strip_marks
from deskhand.notes.reading import Room
from deskhand.plugins.contract import Note, Person, Ticket, TicketChanges, TicketDraft

DESCRIPTION_LIMIT = 3_000
LISTED_LIMIT = 300
NOTE_LIMIT = 1_000
NOTES = 10
NO_SUBJECT = "(no subject)"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a ticket a tool shows in one answer.

    Attributes:
        description: Characters of its text, and of its resolution.
        note: Characters of one note.
        notes: Notes, the newest.
    """

    description: int = DESCRIPTION_LIMIT
    note: int = NOTE_LIMIT
    notes: int = NOTES


USUAL = Limits()


def limits_of(room: Room) -> Limits:
    """The limits of a model's room: never below what a small one gets, and all notes together within the room."""
    return Limits(
        description=max(DESCRIPTION_LIMIT, room.ticket // 2),
        note=max(NOTE_LIMIT, room.ticket // 20),
        notes=max(NOTES, min(20, room.ticket // 1_500)),
    )


def nobodys(_note: Note) -> bool:
    """Stands for "none of these notes is ours"."""
    return False


def ticket_view(ticket: Ticket, *, limit: int = DESCRIPTION_LIMIT) -> dict[str, Any]:
    """One ticket, without its notes.

    Args:
        ticket: As read from its desk.
        limit: Characters of a text.
    """
    facts: dict[str, Any] = {
        "ticket_id": ticket.id,
        # A line, and never none: lists are laid out by it, and the catalogue promises it.
        "subject": shortened(" ".join(ticket.subject.split()), LISTED_LIMIT) or NO_SUBJECT,
        "description": shortened(ticket.description, limit),
        **ticket_facts(ticket),
        "resolution": shortened(ticket.resolution or "", limit) or None,
    }
    # Empty fields are left out: each costs tokens and tells the model nothing.
    return {name: value for name, value in facts.items() if value not in (None, "")}


def ticket_facts(ticket: Ticket) -> dict[str, str | None]:
    """What is said of a ticket besides its texts, by the names that results and a prompt's variables share."""
    return {
        "number": ticket.display_id,
        "desk": ticket.tool_type,
        "status": ticket.status,
        "priority": ticket.priority or ticket.vendor_priority,
        "category": ticket.category,
        "requester": person_words(ticket.requester),
        "assignee": person_words(ticket.assignee),
        "group": ticket.group,
        "created_at": ticket.created_at.isoformat() if ticket.created_at else None,
        "updated_at": ticket.updated_at.isoformat() if ticket.updated_at else None,
        "url": ticket.url,
    }


def notes_view(
    notes: tuple[Note, ...], *, most: int = NOTES, limit: int = NOTE_LIMIT, is_ours: Callable[[Note], bool] = nobodys
) -> dict[str, Any]:
    """The newest notes, oldest first, and how many older ones there are.

    Args:
        notes: Oldest first.
        most: How many.
        limit: Characters of one.
        is_ours: Whether this product wrote one; it is shown, and that it proves nothing.
    """
    shown = notes[-most:] if most else ()
    older = len(notes) - len(shown)
    views = [{**_note(note, limit), **({"is_ours": True} if is_ours(note) else {})} for note in shown]
    return {"notes": views, **({"older_notes": older} if older else {})}


def _note(note: Note, limit: int) -> dict[str, Any]:
    return {
        "id": note.id,
        "body": shortened(note.body, limit),
        "public": note.public,
        "author": person_words(note.author),
        "created_at": note.created_at.isoformat() if note.created_at else None,
    }


def changes_view(page: Mapping[str, Any]) -> dict[str, Any]:
    """A page of a ticket's history, as the journal has it."""
    changes = [
        {
            "at": change["at"],
            "by": change["by"].get("name") or change["by"].get("email") or change["by"].get("id"),
            "fields": [
                {
                    "field": one["field"],
                    "before": shortened(one["before_text"], LISTED_LIMIT),
                    "after": shortened(one["after_text"], LISTED_LIMIT),
                }
                for one in change["fields"]
            ],
        }
        for change in page["changes"]
    ]
    return {"changes": changes, "more": page["next_cursor"] is not None}


def shown(changes: TicketChanges | TicketDraft) -> dict[str, Any]:
    """What a change sets, for the trace; fields it leaves alone are left out."""
    return {name: value for name, value in to_jsonable_python(changes).items() if value not in (None, [], {})}


def person_words(person: Person | None) -> str | None:
    """What people call somebody."""
    return None if person is None else person.name or person.email or person.id


def shortened(text: str, limit: int) -> str:
    """A text without our marks; one that is longer than the limit says how much is missing."""
    text = strip_marks(text).strip()
    return text if len(text) <= limit else f"{text[:limit].rstrip()} … ({len(text) - limit} more characters)"

"""What a model reads of a ticket: the few facts, as data, with nothing cut off silently. Pure.

Everything here was written by strangers. It goes to the model as the result of a call, never as an instruction, and it
cannot change what the agent may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.kit.marks import strip_marks
from deskhand.plugins.contract import Note, Person, Ticket

DESCRIPTION_LIMIT = 3_000
LISTED_LIMIT = 300
NOTE_LIMIT = 1_000
NOTES = 10
NO_SUBJECT = "(no subject)"


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


def notes_view(notes: tuple[Note, ...], *, most: int = NOTES) -> dict[str, Any]:
    """The newest notes, oldest first, and how many older ones there are."""
    shown = notes[-most:] if most else ()
    older = len(notes) - len(shown)
    return {"notes": [_note(note) for note in shown], **({"older_notes": older} if older else {})}


def _note(note: Note) -> dict[str, Any]:
    return {
        "id": note.id,
        "body": shortened(note.body, NOTE_LIMIT),
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


def person_words(person: Person | None) -> str | None:
    """What people call somebody."""
    return None if person is None else person.name or person.email or person.id


def shortened(text: str, limit: int) -> str:
    """A text without our marks; one that is longer than the limit says how much is missing."""
    text = strip_marks(text).strip()
    return text if len(text) <= limit else f"{text[:limit].rstrip()} … ({len(text) - limit} more characters)"

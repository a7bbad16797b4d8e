"""What a note says on the ticket that another one is a part of (pure)."""

from __future__ import annotations

from deskhand.notes.facts import NoteFacts
from deskhand.notes.markup import clip, plain
from deskhand.notes.wording import Words


def about(facts: NoteFacts, say: Words) -> str:
    """Which ticket a note is about that stands on another one; empty where it stands on its own."""
    if facts.kin is None or not facts.kin.takes_note:
        return ""
    number, subject = plain(facts.ticket_ref), plain(clip(facts.subject, limit=14))
    return f"*{say('About {number}, a part of this ticket: {subject}', number=number, subject=subject)}*"

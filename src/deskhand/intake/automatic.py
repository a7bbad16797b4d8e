"""Whether an event tells of a machine's message, as far as the event itself says what was written, and by whom."""

from __future__ import annotations

from collections.abc import Collection

from deskhand.kit.automatic import why_automatic
from deskhand.kit.replies import split_mail
from deskhand.plugins.contract import TicketEvent
from deskhand.plugins.text import html_to_text

_NEW_TICKET = "created"


def why_no_message(event: TicketEvent, own_addresses: Collection[str]) -> str | None:
    """Why nobody has to look at an event's message, in a sentence; None where a person may have written it.

    Args:
        event: What came in.
        own_addresses: Those that our own mail comes from, in lower case.
    """
    ticket = event.ticket
    if event.note_text is not None:
        if event.actor.is_staff:
            return None
        own = split_mail(_plain(event.note_text)).own
        sign = why_automatic(text=own, address=event.actor.email, is_answer=True)
        return sign and f"The message is automatic ({sign}); it starts nothing."
    # What a ticket began with says nothing of a later change.
    if not event.event.endswith(_NEW_TICKET) or event.note_id is not None:
        return None
    address = (ticket.requester_email or "").casefold()
    if address and address in own_addresses:
        return "Our own mail made the ticket, coming back; it starts nothing."
    sign = why_automatic(subject=ticket.subject, text=_plain(ticket.description or ""), address=address)
    return sign and f"An automatic message made the ticket ({sign}); it starts nothing."


def _plain(text: str) -> str:
    # Of one desk an event's text is HTML, of another plain: a tag at its beginning must not hide how it begins.
    return html_to_text(text) if text.lstrip().startswith("<") else text

"""Where a note goes on its ticket: into the place of the agent's last one, below it, or beside it. Pure.

The note of a ticket stays one where the desk lets it be edited. On a ticket with parts several have their say in it:
what is found for one of them is added, and takes nothing of the others away.
"""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.plugins.contract import Ticket
from deskhand.work.repetition import LastNote, is_untouched

MOST_WORDS = 1_000
"""Of a note that has grown by what was found for the parts of its ticket; what comes then is a note of its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the note of one run goes.

    Attributes:
        living: The note that is written anew; None where a further one is written.
        replaces: The new text stands instead of it, and not below it.
    """

    living: LastNote | None = None
    replaces: bool = False

    def body(self, markdown: str) -> str:
        """What the desk's note says then."""
        if self.living is None or self.replaces:
            return markdown
        return f"{self.living.text}\n\n---\n\n{markdown}"

    def of(self, ticket: Ticket) -> list[str]:
        """Ids of the tickets that it is about then."""
        earlier = self.living.of if self.living and not self.replaces else ()
        return list(dict.fromkeys((*earlier, ticket.id)))


NEW_NOTE = Place()


def place_of(last: LastNote, home: Ticket, ticket: Ticket) -> Place:
    """Where a note goes that may be written anew.

    Args:
        last: The agent's last one on the ticket.
        home: The ticket that takes it.
        ticket: The one that it is about: that ticket, or a part of it.
    """
    if not is_untouched(last, home):
        return NEW_NOTE
    if last.of == (ticket.id,):
        return Place(last, replaces=True)
    return Place(last) if len(last.text.split()) < MOST_WORDS else NEW_NOTE

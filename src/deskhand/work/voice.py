"""For whom a model's words are, and what it may have read for them: held below the model.

What a requester reads rests on public articles and on the public conversation of the requester's own ticket. No check
of the words could promise that, since a model can say a thing in other words. So internal knowledge never enters the
conversation of a model that holds a hand which speaks to requesters, approved by a person or not: such a conversation
is for outside. The others are for the house: they read everything, and hold no such hand.

The text of another requester's ticket is not public either. A conversation for outside reads the texts of one ticket,
and speaks on that one alone; of others it sees what they are, and not what they say.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deskhand.errors import ForbiddenError
from deskhand.kit.db.readers import Readers
from deskhand.plugins.contract import Ticket
from deskhand.tools.asking import SPEAKS
from deskhand.tools.values import ToolOperation

TELLS_OF_HOUSE = frozenset({"ticket_changes", "search_past_tickets", "find_systems"})
"""Reads of which nothing is public."""
NOT_TOLD = frozenset({"subject", "description", "requester", "assignee", "resolution", "url"})
"""What a conversation for outside is not shown of another ticket."""
READ_BY_REQUESTERS = {
    "create_ticket": frozenset({"requester_email"}),
    "update_ticket": frozenset({"subject", "description"}),
}
"""Arguments by which other operations say something to a requester."""
NO_VOICE = (
    "'{name}' speaks to a requester, and this conversation has read what is internal. Leave it to the note for the"
    " technicians."
)
NOT_SET = (
    "'{name}' may not set {told}: a requester reads it, and this conversation has read what is internal. An agent that"
    " may answer requesters reads public sources alone, and may set it."
)


@dataclass(slots=True)
class Voice:
    """Which kind of conversation is under way, for all hands of one run.

    Attributes:
        readers: Whom its words are for.
        ticket: In one for outside, tool and id of the one ticket whose texts it reads.
        alone: In one for outside, another conversation does what else the run has to do.
    """

    readers: Readers = Readers.HOUSE
    ticket: tuple[str, str] | None = None
    alone: bool = False

    @property
    def is_outside(self) -> bool:
        """Whether the words may reach a requester."""
        return self.readers is Readers.OUTSIDE

    def begin(self, readers: Readers, own: tuple[str, str] | None = None, *, alone: bool = False) -> None:
        """Begin a conversation of the run.

        Args:
            readers: Whom its words are for.
            own: Tool and id of the ticket that started the run.
            alone: Another conversation does what else the run has to do, so that nothing is done twice.
        """
        self.readers, self.ticket, self.alone = readers, own, alone

    def offers(self, operation: ToolOperation) -> bool:
        """Whether a model of this conversation is offered an operation of a desk, of knowledge, or outside."""
        if not self.is_outside:
            return operation.name not in SPEAKS
        if operation.is_write:
            return not self.alone or operation.name in SPEAKS
        return operation.name not in TELLS_OF_HOUSE

    def ensure_fits(self, name: str, arguments: Collection[str]) -> None:
        """Refuse words for a requester from a conversation that may have read more than the requester may know.

        Raises:
            ForbiddenError: Says where the words belong.
        """
        if self.is_outside:
            return
        if name in SPEAKS:
            raise ForbiddenError(NO_VOICE.format(name=name))
        if told := sorted(READ_BY_REQUESTERS.get(name, frozenset()) & set(arguments)):
            raise ForbiddenError(NOT_SET.format(name=name, told=", ".join(told)))

    def ensure_may_say(self, name: str, tool_id: str, ticket_id: str) -> None:
        """Refuse a word to a requester from a conversation for the house, or one about another requester's ticket.

        Raises:
            ForbiddenError: Says where the words belong.
        """
        self.ensure_fits(name, ())
        if name in SPEAKS:
            self._take(tool_id, ticket_id, f"'{name}' may speak on")

    def ensure_may_read(self, name: str, tool_id: str, ticket_id: str) -> None:
        """Refuse the texts of a second ticket to a conversation for outside.

        Raises:
            ForbiddenError: They are another requester's.
        """
        if self.is_outside:
            self._take(tool_id, ticket_id, f"'{name}' may read, for an answer to a requester,")

    def ensure_may_mail(self, recipients: Sequence[str], tool_id: str, requesters: Mapping[str, str]) -> None:
        """Refuse a mail to a requester where a reply would be refused: it is an answer by another way.

        Args:
            recipients: Whom it goes to.
            tool_id: The desk of these tickets.
            requesters: By ticket that the run knows, the address of who filed it.

        Raises:
            ForbiddenError: Says why.
        """
        to = {one.casefold() for one in recipients}
        may_hear = {
            address.casefold()
            for ticket_id, address in requesters.items()
            if self.is_outside and self.ticket == (tool_id, ticket_id)
        }
        for address in requesters.values():
            if address.casefold() in to - may_hear:
                raise ForbiddenError(
                    f"{address} is the requester of a ticket, and this conversation has read what is not for them."
                )

    def heard(self, ticket: Ticket) -> Ticket:
        """A ticket as this conversation may read it: for outside, without what its requester cannot see."""
        if not self.is_outside:
            return ticket
        public = tuple(note for note in ticket.notes if note.public)
        # Labels, files and a tenant's own fields may be technicians' words about the requester.
        files = tuple(file for file in ticket.files if file.public)
        names = tuple(file.name for file in files)
        return replace(ticket, notes=public, custom={}, tags=(), attachments=names, files=files)

    def listed(self, view: Mapping[str, Any]) -> dict[str, Any]:
        """A ticket of a list: for outside what it is, and not what its requester said."""
        return {name: value for name, value in view.items() if not (self.is_outside and name in NOT_TOLD)}

    def _take(self, tool_id: str, ticket_id: str, may: str) -> None:
        ticket = (tool_id, ticket_id)
        if self.ticket is None:
            self.ticket = ticket
        if self.ticket != ticket:
            raise ForbiddenError(f"{may} one ticket alone, {self.ticket[1]}; {ticket_id} is another requester's.")


__all__ = ["SPEAKS", "Voice"]

"""A mail to the requester of a run's ticket is an answer by another way, and held to what holds for a reply.

A conversation that has read what is internal sends a requester nothing (``voice.py``). Where a person was faster the
mail is withheld, and its words become an internal note where the agent may write one unasked; elsewhere the trace alone
has them. Other mails are not asked about: whoever is told that something happened is told also where a technician is at
work on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.errors import StoodBackError, TicketMergedError
from deskhand.work.hands import DeskHands
from deskhand.work.last_look import instead_key, said_instead


@dataclass(frozen=True, slots=True)
class MailLook:
    """Looks at the run's tickets before a mail leaves.

    Attributes:
        desks: The hands on each desk.
    """

    desks: Sequence[DeskHands]

    def ensure_may_say(self, recipients: Sequence[str]) -> None:
        """Refuse a mail to a requester where a reply would be refused.

        Raises:
            ForbiddenError: Says why.
        """
        for hands in self.desks:
            hands.voice.ensure_may_mail(recipients, hands.tool_id, hands.last_look.requesters)

    async def before(self, recipients: Sequence[str], *, key: str) -> None:
        """Refuse a mail to the ticket's requester where a person was faster.

        Raises:
            StoodBackError: Says who, or what changed.
        """
        own = self._own
        if own is None or not _is_for_requester(own, recipients):
            return
        # The note was begun, so the mail was withheld: however the ticket is by now, it stays so.
        if instead_key(key) in own.journal.begun_writes:
            raise StoodBackError("Somebody worked on the ticket meanwhile")
        await own.last_look.ensure_untouched(str(own.own))

    async def say_instead(self, error: StoodBackError, subject: str, body: str, *, key: str) -> None:
        """Leave a withheld mail to whoever works on the ticket, once."""
        own = self._own
        # Nobody reads it on a ticket that was merged, and the tenant wants nothing on one that it keeps agents from.
        if own is None or isinstance(error, TicketMergedError) or own.last_look.is_kept_out(str(own.own)):
            return
        if own.may("add_note") and not own.needs_approval("add_note"):
            words = said_instead(error.detail, "sent", f"{subject}\n\n{body}")
            await own.add_note(words, key=instead_key(key))

    @property
    def _own(self) -> DeskHands | None:
        return next((hands for hands in self.desks if hands.own is not None), None)


NO_TICKETS = MailLook(())


def _is_for_requester(own: DeskHands, recipients: Sequence[str]) -> bool:
    address = own.last_look.requesters.get(str(own.own), "").casefold()
    return bool(address) and address in {one.casefold() for one in recipients}

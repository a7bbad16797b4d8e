"""What not every desk can do. Each body here refuses; a plugin overrides what its desk has a way for.

The operation is then in its manifest, and only then offered to anybody: ``plugins.registry`` holds the two together.
"""

# ruff: noqa: ARG002 - a body that refuses needs nothing of what it is asked for

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from deskhand.plugins.errors import DeskUnsupportedError
from deskhand.plugins.operations import Inverse, Manifest, Operation
from deskhand.plugins.standing import Standing
from deskhand.plugins.values import AttachedFile, NotePage, PastChangePage, TicketLink
from deskhand.plugins.writes import FieldChange, NoteDraft, Restored, TicketDraft, WorkLog, WriteReceipt


class FurtherOperations:
    """Part of every plugin."""

    manifest: ClassVar[Manifest]

    # -- reading -----------------------------------------------------------------------------

    async def list_notes(
        self, ticket_id: str, *, public: bool | None = None, cursor: str | None = None, page_size: int = 50
    ) -> NotePage:
        """A ticket's notes, newest first; the description is none of them.

        Args:
            ticket_id: Stable id.
            public: Only those that the requester may read (True) or may not (False). A page may then be short.
            cursor: ``next_cursor`` of the page before.
            page_size: Notes per call, 1 to 100; more is taken as 100.
        """
        raise self._cannot(Operation.LIST_NOTES)

    async def ticket_changes(
        self, ticket_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> PastChangePage:
        """A ticket's history, oldest first: who changed which field from what to what, and when.

        Args:
            ticket_id: Stable id.
            cursor: ``next_cursor`` of the page before.
            page_size: Saves per call, 1 to 100; more is taken as 100.
        """
        raise self._cannot(Operation.TICKET_CHANGES)

    async def read_file(self, ticket_id: str, file: AttachedFile) -> bytes:
        """The bytes of a file that ``Ticket.files`` names.

        Args:
            ticket_id: Stable id of the ticket that it hangs on.
            file: As the ticket shows it.

        Raises:
            DeskNotFoundError: It is gone, or our account may not see it.
        """
        raise DeskUnsupportedError(f"{self.manifest.name} gives out no files.")

    async def standing(self, ticket_id: str) -> Standing:
        """How a ticket stands beside its fields; a desk that tells nothing of that has no method of its own.

        Args:
            ticket_id: Stable id.
        """
        return Standing()

    async def id_of(self, number: str) -> str:
        """The stable id of the ticket that people know by a number; what is an id already stays as it is.

        Args:
            number: As it stands on the desk's pages.
        """
        return number

    # -- writing -----------------------------------------------------------------------------

    async def update_note(self, ticket_id: str, note_id: str, note: NoteDraft) -> WriteReceipt:
        """Write an internal note of ours anew: the same note, with another text and another mark.

        Args:
            ticket_id: Stable id.
            note_id: ``id`` of the receipt that the note had.
            note: What it says from now on; ``note.mark`` ends up where ``find_write`` will find it.

        Raises:
            DeskNotFoundError: The note is gone.
        """
        raise self._cannot(Operation.UPDATE_NOTE)

    async def create_ticket(self, draft: TicketDraft, *, mark: str = "") -> WriteReceipt:
        """File a ticket.

        Args:
            draft: What it says.
            mark: Idempotency mark, kept where ``find_created`` will find it.

        Returns:
            The receipt; ``ticket_id`` is the new ticket's.
        """
        raise self._cannot(Operation.CREATE_TICKET)

    async def find_created(self, mark: str, *, begun_at: datetime | None = None) -> WriteReceipt | None:
        """Look up a created ticket by its mark.

        Args:
            mark: As given to ``create_ticket``.
            begun_at: When the creation was begun, for desks whose search sees a new ticket only later.

        Returns:
            The receipt, or None if the desk surely has no such ticket.

        Raises:
            DeskUnavailableError: Too early to tell; ``retry_after`` says when it is not.
        """
        raise self._cannot(Operation.CREATE_TICKET)

    async def link_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        """Link a ticket with another one; a link that is there already is adopted.

        Raises:
            DeskUnsupportedError: ``manifest.links`` does not name the kind.
        """
        raise self._cannot(Operation.LINK_TICKETS)

    async def log_time(self, ticket_id: str, work: WorkLog) -> WriteReceipt:
        """Write down time that was worked on a ticket, telling nobody: no mail, no first response, no estimate moved.

        Args:
            ticket_id: Stable id.
            work: How long, and on what.
        """
        raise self._cannot(Operation.LOG_TIME)

    async def find_time(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        """Look up a work log of ours by its mark.

        Returns:
            The receipt, or None if the desk surely has no such work log.

        Raises:
            DeskCannotTellError: The desk cannot answer that question.
        """
        raise self._cannot(Operation.LOG_TIME)

    # -- taking back -------------------------------------------------------------------------

    async def restore_fields(
        self, ticket_id: str, changes: Sequence[FieldChange], *, mark: str = "", dry: bool = False
    ) -> Restored:
        """Set fields to what they were before a write, except those that somebody has changed since.

        Args:
            ticket_id: Stable id.
            changes: Of the write's receipt.
            mark: Idempotency mark of this write.
            dry: Only look what would be set.
        """
        raise self._cannot(Inverse.RESTORE_FIELDS)

    async def withdraw_note(self, ticket_id: str, note_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        """Take a note of ours back: delete it where the desk lets us, else correct it by a further note.

        Args:
            ticket_id: Stable id.
            note_id: ``id`` of its receipt.
            reason: What a correcting note says (Markdown).
            mark: Idempotency mark of a correcting note.
        """
        raise self._cannot(Inverse.WITHDRAW_NOTE)

    async def unlink_tickets(self, ticket_id: str, link: TicketLink, *, mark: str = "") -> WriteReceipt:
        """Remove a link; one that is gone already is adopted."""
        raise self._cannot(Inverse.UNLINK_TICKETS)

    async def close_created(self, ticket_id: str, *, reason: str, mark: str = "") -> WriteReceipt:
        """Close a ticket that was created in error, saying so; nothing is deleted."""
        raise self._cannot(Inverse.CLOSE_CREATED)

    async def withdraw_time(self, ticket_id: str, log_id: str) -> WriteReceipt:
        """Delete a work log of ours; one that is gone already is adopted.

        Args:
            ticket_id: Stable id.
            log_id: ``id`` of its receipt.
        """
        raise self._cannot(Inverse.WITHDRAW_TIME)

    def _cannot(self, operation: Operation | Inverse) -> DeskUnsupportedError:
        return DeskUnsupportedError(f"{self.manifest.name} has no {operation.value}.")

"""What the files on a ticket were found to say. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.notes.facts import FileText
from deskhand.plugins.contract import Ticket
from deskhand.work.files.choosing import short_name


@dataclass(frozen=True, slots=True)
class FilesRead:
    """What the files on a ticket say.

    Attributes:
        texts: Of those that were read and hold words, newest first.
        unread: Names of those that were not, each with why.
        remarks: Who read the pictures, in sentences.
    """

    texts: tuple[FileText, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def extent(self) -> tuple[str, ...]:
        """What was not read, and by whom what was, in sentences."""
        return (*(f"{name} was not read: {why}." for name, why in self.unread), *self.remarks)

    def public(self) -> FilesRead:
        """What of it the requester is known to see."""
        return FilesRead(tuple(one for one in self.texts if one.public))


NO_FILES = FilesRead()


def names_unread(ticket: Ticket, read: FilesRead) -> str:
    """Names of a ticket's files that nobody has read, for whoever reads the rest."""
    known = {one.name for one in read.texts}
    return ", ".join(name for one in ticket.attachments if (name := short_name(one)) not in known)

"""What other systems export, as rows: files of tickets, systems and articles.

A reader never gives up on a bad row: it yields the row's place and what is wrong, and the import decides. Only a file
that is not what its name says ends the reading, with ``UnreadableFileError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskhand.errors import InvalidInputError


class UnreadableFileError(InvalidInputError):
    """The file cannot be read as what its name says it is."""

    code = "unreadable-file"
    title = "Unreadable file"


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One row as read.

    Attributes:
        where: ``line 12``, ``item 3 (line 40)`` or a file name.
        data: The fields, or None when the row itself cannot be read.
        error: Why not.
        fraction: Share of the input read so far, 0 to 1.
    """

    where: str
    data: dict[str, Any] | None
    error: str = ""
    fraction: float = 0.0


__all__ = ["ExportRow", "UnreadableFileError"]

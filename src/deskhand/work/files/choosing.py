"""Which files of a ticket are read, and as what. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile

MOST_FILES = 5
_LEAST_PICTURE = 6_000
"""Bytes: what is smaller hangs on a signature and shows a logo."""
_SHOWN_NAME = 80


class FileKind(StrEnum):
    """As what a file is read."""

    TEXT = "text"
    PDF = "pdf"
    WORD = "word"
    PICTURE = "picture"


_KINDS = {
    **dict.fromkeys(
        (
            ".txt",
            ".log",
            ".csv",
            ".tsv",
            ".json",
            ".xml",
            ".yaml",
            ".yml",
            ".ini",
            ".cfg",
            ".conf",
            ".md",
            ".out",
            ".err",
        ),
        FileKind.TEXT,
    ),
    ".pdf": FileKind.PDF,
    ".docx": FileKind.WORD,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"), FileKind.PICTURE),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of a ticket's files.

    Attributes:
        read: Those that are read, newest first, each with its kind.
        unread: Names of the others that could have been, each with why not.
    """

    read: tuple[tuple[AttachedFile, FileKind], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


def choose(files: Sequence[AttachedFile]) -> Choice:
    """The files to read; of kinds that hold no words for us nothing is said.

    Args:
        files: In the desk's order, oldest first.
    """
    read: list[tuple[AttachedFile, FileKind]] = []
    unread: list[tuple[str, str]] = []
    # The newest first: who sends a second log means that one.
    for file in reversed(files):
        kind = _KINDS.get(PurePosixPath(file.name.lower()).suffix)
        is_logo = kind is FileKind.PICTURE and file.size is not None and file.size < _LEAST_PICTURE
        if kind is None or is_logo:
            continue
        if file.size is not None and file.size > MAX_FILE_BYTES:
            unread.append(
                (
                    short_name(file.name),
                    f"it has {file.size // 1024**2} MB, and {MAX_FILE_BYTES // 1024**2} are the most",
                )
            )
        elif len(read) == MOST_FILES:
            unread.append((short_name(file.name), f"{MOST_FILES} newer ones were"))
        else:
            read.append((file, kind))
    return Choice(tuple(read), tuple(unread))


def too_large(size: int) -> str:
    """Why a file of so many bytes is not read."""
    return f"it has {size // 1024**2} MB, and {MAX_FILE_BYTES // 1024**2} are the most"


def short_name(name: str) -> str:
    """A file's name on one line, its end kept: that is where its kind stands."""
    line = " ".join(name.split())
    return line if len(line) <= _SHOWN_NAME else f"{line[: _SHOWN_NAME - 21]}…{line[-20:]}"

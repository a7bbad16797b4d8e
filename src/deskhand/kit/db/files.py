"""Small files that a power loss or a full disk must not tear: whole or as before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, text: str) -> None:
    """Replace a file's text, mode 0600; after a crash it holds the old text or the new one, never a part."""
    with new_file(path) as file:
        file.write(text.encode())


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, mode 0600, that has its name once the block ends well; otherwise nothing is left of it."""
    # In the same directory, since a rename is atomic within one file system alone. mkstemp gives mode 0600.
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            # Before the rename: otherwise a power loss could leave the new name on an empty file.
            os.fsync(descriptor)
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
    # The name itself is in the directory, which has to reach the disk, too.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_word(path: Path) -> str:
    """A file's text without blanks; empty where there is none, or only what a torn write leaves."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
    # A torn write on some file systems leaves zeros; they are no password and no path.
    return text if text.isprintable() else ""


def read_number(path: Path) -> int | None:
    """A file's number; None where it holds none."""
    word = read_word(path)
    return int(word) if is_number(word) else None


def is_number(word: str) -> bool:
    """Whether it is a number in plain digits."""
    return word.strip().isascii() and word.strip().isdecimal()

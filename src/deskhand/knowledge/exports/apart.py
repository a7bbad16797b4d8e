"""Files that only others' libraries can read, read in a process that is killed when it takes too much."""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Literal

from deskhand.kit.payloads.holding import PASSED_ON
from deskhand.knowledge.exports import UnreadableFileError

Kind = Literal["workbook", "word", "pdf"]

LARGEST_FILE = 100 * 1024**2
CPU_SECONDS = 60
WALL_SECONDS = 300.0
"""The helper counts CPU time, which a loaded machine does not use up; this is for one that stands still."""
_WHAT: dict[Kind, str] = {"workbook": "a workbook", "word": "a Word document", "pdf": "a PDF"}
_LONGEST_FAULT = 200


@contextmanager
def read_apart(
    kind: Kind, path: Path, *, cpu_seconds: int | None = None, wall_seconds: float | None = None
) -> Iterator[BinaryIO]:
    """What the helper (``paper_reader``) wrote about a file: JSON lines in a file that is gone afterwards.

    Args:
        kind: As what it is read.
        path: The file.
        cpu_seconds: Of processor time that the helper may take; None: as long as an import may wait.
        wall_seconds: By the clock; the same.

    Raises:
        UnreadableFileError: There is no such file, or it is broken, locked, too large or too much work.
    """
    # On disk and not in memory: a sheet of a million rows is read a row at a time from here on.
    with TemporaryFile() as written:
        _run(kind, path, written, cpu_seconds or CPU_SECONDS, wall_seconds or WALL_SECONDS)
        yield written


def _run(kind: Kind, path: Path, written: BinaryIO, cpu_seconds: int, wall_seconds: float) -> None:
    with TemporaryFile() as said:
        try:
            with path.open("rb") as source:
                if os.fstat(source.fileno()).st_size > LARGEST_FILE:
                    raise UnreadableFileError(f"{path.name} is larger than {LARGEST_FILE // 1024**2} MB; divide it.")
                result = subprocess.run(  # noqa: S603 - ourselves  # nosec B603
                    # -P: no module of the working directory may stand in for ours.
                    [sys.executable, "-P", "-m", "deskhand.knowledge.exports.paper_reader", kind, str(cpu_seconds)],
                    stdin=source,
                    stdout=written,
                    stderr=said,
                    env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
                    timeout=wall_seconds,
                    check=False,
                )
        except subprocess.TimeoutExpired as error:
            raise UnreadableFileError(f"{path.name} could not be read in {wall_seconds:.0f} seconds.") from error
        except OSError as error:
            raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error
        if result.returncode < 0:
            raise UnreadableFileError(f"{path.name} takes more time or memory to read than {_WHAT[kind]} may.")
        if result.returncode > 0:
            raise UnreadableFileError(f"{path.name} cannot be read as {_WHAT[kind]} ({_last_line(said)}).")
    if refused := _refusal(written):
        raise UnreadableFileError(f"{path.name} {refused}.")
    written.seek(0)


def _last_line(said: BinaryIO) -> str:
    """The end of the traceback: what the library found wrong, in its own words."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - 4000))
    lines = said.read().decode(errors="replace").split("\n")
    # Not the line above a note or an empty one: the exception's own begins at the margin with its class.
    fault = next((line for line in reversed(lines) if line and not line[0].isspace()), "no reason given")
    return fault.rpartition("Error: ")[2][:_LONGEST_FAULT].rstrip(". ")


def _refusal(written: BinaryIO) -> str:
    """Why the helper would not read it; it says so in its last line, which is then a short one."""
    written.seek(max(0, written.seek(0, os.SEEK_END) - 4000))
    last = written.read().rstrip(b"\n").rpartition(b"\n")[2]
    return str(json.loads(last)["refused"]) if last.startswith(b'{"refused"') else ""


__all__ = ["LARGEST_FILE", "Kind", "read_apart"]

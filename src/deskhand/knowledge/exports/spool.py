"""Rows that cost much to read, kept on disk from their first reading for the next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from tempfile import TemporaryFile
from typing import BinaryIO

from deskhand.knowledge.exports import ExportRow


@contextmanager
def spooled(rows: Iterable[ExportRow]) -> Iterator[Callable[[], Iterator[ExportRow]]]:
    """What reads the rows from their beginning, each time it is called; they are asked for once.

    Args:
        rows: Of values that JSON has.
    """
    with TemporaryFile() as kept:
        for row in rows:
            kept.write(json.dumps(astuple(row)).encode() + b"\n")
        yield lambda: _read(kept)


def _read(kept: BinaryIO) -> Iterator[ExportRow]:
    kept.seek(0)
    for line in kept:
        yield ExportRow(*json.loads(line))


__all__ = ["spooled"]

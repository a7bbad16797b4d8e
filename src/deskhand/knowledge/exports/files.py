"""Files to rows, one at a time: tables and JSON, told apart by the file's ending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.columns import TICKET_VOCABULARY, Vocabulary
from deskhand.knowledge.exports.documents import read_documents
from deskhand.knowledge.exports.encoding import opened
from deskhand.knowledge.exports.tables import read_table

_TABLES = {".csv", ".tsv", ".txt"}
_LINES = {".jsonl", ".ndjson"}
DATA_SUFFIXES = {".json", *_LINES, *_TABLES}


def read_rows(path: Path, vocabulary: Vocabulary = TICKET_VOCABULARY) -> Iterator[ExportRow]:
    """Rows of a ``.json``, ``.jsonl``/``.ndjson`` or ``.csv``/``.tsv``/``.txt`` file, streamed.

    Args:
        path: The file; UTF-8, UTF-16 or Windows-1252; cells between commas, semicolons, tabs or bars.
        vocabulary: What its columns may be called.

    Raises:
        UnreadableFileError: Unknown ending, no such file, or broken beyond one row.
    """
    suffix = path.suffix.lower()
    if suffix not in DATA_SUFFIXES:
        raise UnreadableFileError(f"{path.name} is none of {', '.join(sorted(DATA_SUFFIXES))}.")
    with opened(path) as (text, raw):
        size = max(1, path.stat().st_size)
        if suffix in _TABLES:
            yield from read_table(text, raw, size, vocabulary)
        else:
            yield from read_documents(text, raw, size, vocabulary, lines=suffix in _LINES)


__all__ = ["DATA_SUFFIXES", "read_rows"]

"""Files to rows, one at a time: tables, workbooks and JSON, told apart by the file's ending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.columns import TICKET_VOCABULARY, Vocabulary
from deskhand.knowledge.exports.documents import read_documents
from deskhand.knowledge.exports.encoding import opened
from deskhand.knowledge.exports.tables import read_table
from deskhand.knowledge.exports.workbooks import WORKBOOK_SUFFIXES, is_workbook, opened_workbook

_TEXTS = {".csv", ".tsv", ".txt"}
_LINES = {".jsonl", ".ndjson"}
DATA_SUFFIXES = {".json", *_LINES, *_TEXTS, *WORKBOOK_SUFFIXES}


@dataclass(frozen=True, slots=True)
class RowFile:
    """An opened file of rows.

    Attributes:
        rows: Reads it from its beginning, each time it is called.
        unread_sheets: Of a workbook those that hold something else.
    """

    rows: Callable[[], Iterator[ExportRow]]
    unread_sheets: tuple[str, ...] = ()


@contextmanager
def opened_rows(path: Path, vocabulary: Vocabulary = TICKET_VOCABULARY) -> Iterator[RowFile]:
    """A file of rows, to be looked through and then read; a workbook is converted once for both.

    Raises:
        UnreadableFileError: As ``read_rows``.
    """
    if is_workbook(path):
        with opened_workbook(path, vocabulary) as workbook:
            yield RowFile(workbook.rows, workbook.unread)
    else:
        yield RowFile(lambda: _rows_of_text(path, vocabulary))


def read_rows(path: Path, vocabulary: Vocabulary = TICKET_VOCABULARY) -> Iterator[ExportRow]:
    """Rows of a ``.json``, ``.jsonl``/``.ndjson``, ``.csv``/``.tsv``/``.txt`` or ``.xlsx``/``.xls``/``.ods`` file.

    Args:
        path: The file; UTF-8, UTF-16 or Windows-1252; cells between commas, semicolons, tabs or bars.
        vocabulary: What its columns may be called.

    Raises:
        UnreadableFileError: Unknown ending, no such file, or broken beyond one row.
    """
    with opened_rows(path, vocabulary) as file:
        yield from file.rows()


def _rows_of_text(path: Path, vocabulary: Vocabulary) -> Iterator[ExportRow]:
    suffix = path.suffix.lower()
    if suffix not in DATA_SUFFIXES:
        raise UnreadableFileError(f"{path.name} is none of {', '.join(sorted(DATA_SUFFIXES))}.")
    with opened(path) as (text, raw):
        size = max(1, path.stat().st_size)
        if suffix in _TEXTS | WORKBOOK_SUFFIXES:
            yield from read_table(text, raw, size, vocabulary)
        else:
            yield from read_documents(text, raw, size, vocabulary, lines=suffix in _LINES)


__all__ = ["DATA_SUFFIXES", "RowFile", "opened_rows", "read_rows"]

"""Workbooks to rows: the sheet that has our headings, and those that have the same; the others are named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from deskhand.knowledge.exports import ExportRow
from deskhand.knowledge.exports.apart import read_apart
from deskhand.knowledge.exports.columns import Vocabulary
from deskhand.knowledge.exports.tables import fields_known, header_names, header_place, table_row

WORKBOOK_SUFFIXES = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_MARKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SAMPLE_ROWS = 30

_Row = tuple[int, list[str]]


@dataclass(slots=True)
class _Sheet:
    """One sheet, and where its rows begin in what the helper wrote."""

    name: str
    hidden: bool
    begins: int
    sample: list[_Row] = field(default_factory=list)

    def header(self, vocabulary: Vocabulary) -> _Row:
        """The row of its headings; of an empty sheet nothing."""
        rows = [cells for _, cells in self.sample]
        return self.sample[header_place(rows, vocabulary)] if self.sample else (0, [])


class Workbook:
    """An opened workbook, read as often as asked.

    Attributes:
        unread: Sheets that hold something and are not read.
    """

    def __init__(self, written: BinaryIO, vocabulary: Vocabulary) -> None:
        self._written = written
        self._vocabulary = vocabulary
        sheets = [sheet for sheet in _sheets(written) if sheet.sample]
        self._size = max(1, written.tell())
        self._read = self._chosen(sheets)
        self.unread = tuple(
            f"{sheet.name} (hidden)" if sheet.hidden else sheet.name for sheet in sheets if sheet not in self._read
        )

    def _chosen(self, sheets: list[_Sheet]) -> list[_Sheet]:
        # What somebody has hidden is not what they mean to give.
        shown = [sheet for sheet in sheets if not sheet.hidden]
        if not shown:
            return []
        best = max(shown, key=self._worth)
        known = self._known(best)
        # A sheet a month is one history.
        return [sheet for sheet in shown if sheet is best or (known and self._known(sheet) == known)]

    def _worth(self, sheet: _Sheet) -> tuple[bool, int]:
        return not self._vocabulary.missing(sheet.header(self._vocabulary)[1]), len(self._known(sheet))

    def _known(self, sheet: _Sheet) -> set[str]:
        return fields_known(sheet.header(self._vocabulary)[1], self._vocabulary)

    def rows(self) -> Iterator[ExportRow]:
        """Every row below the headings, as of a table."""
        for sheet in self._read:
            header, cells = sheet.header(self._vocabulary)
            names = header_names(cells)
            within = f"sheet {sheet.name}, " if len(self._read) > 1 else ""
            for number, texts, place in self._rows_of(sheet):
                if number <= header:
                    continue
                # A remark beside the table stands in a column without a heading; it is told as one.
                more = [f"column {one}" for one in range(len(names) + 1, len(texts) + 1)]
                yield table_row(texts, [*names, *more], f"{within}row {number}", place / self._size)

    def _rows_of(self, sheet: _Sheet) -> Iterator[tuple[int, list[str], int]]:
        place = sheet.begins
        while True:
            # Sought each time: two readings of one workbook may go on side by side.
            self._written.seek(place)
            line = self._written.readline()
            place = self._written.tell()
            if not line.startswith(b"["):
                return
            number, texts = json.loads(line)
            yield number, texts, place


def _sheets(written: BinaryIO) -> Iterator[_Sheet]:
    sheet: _Sheet | None = None
    while line := written.readline():
        if line.startswith(b"{"):
            if sheet is not None:
                yield sheet
            about = json.loads(line)
            sheet = _Sheet(about["sheet"], about["hidden"], written.tell())
        elif sheet is not None and len(sheet.sample) < _SAMPLE_ROWS:
            number, texts = json.loads(line)
            sheet.sample.append((number, texts))
    if sheet is not None:
        yield sheet


def is_workbook(path: Path) -> bool:
    """Whether a file is one by its name and its first bytes: many desks give a table of text the ending ``.xls``."""
    if path.suffix.lower() not in WORKBOOK_SUFFIXES:
        return False
    try:
        with path.open("rb") as raw:
            return raw.read(4) in _MARKS
    except OSError:
        # Said where the file is opened for its rows.
        return True


@contextmanager
def opened_workbook(path: Path, vocabulary: Vocabulary) -> Iterator[Workbook]:
    """A workbook, converted once.

    Raises:
        UnreadableFileError: As ``read_apart``.
    """
    with read_apart("workbook", path) as written:
        yield Workbook(written, vocabulary)


__all__ = ["WORKBOOK_SUFFIXES", "Workbook", "is_workbook", "opened_workbook"]

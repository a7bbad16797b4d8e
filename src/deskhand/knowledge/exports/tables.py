"""Tables to rows: CSV as spreadsheets and desks write it, with whatever separates the cells."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TextIO

from deskhand.kit.storable import storable_text
from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.columns import Vocabulary
from deskhand.knowledge.exports.encoding import undecoded

_LONGEST_CELL = 8_000_000
_SEPARATORS = ",;\t|"
_SAMPLE_LINES = 30
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class _Lines:
    """Physical lines with their numbers; those of a record that broke off are given out again, but for the first."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._text.readline()
        if not line:
            raise StopIteration
        self.number += 1
        self._record.append(line)
        return line

    def peek(self, count: int) -> list[str]:
        """The next lines, which stay."""
        while len(self._again) < count and (line := self._text.readline()):
            self._again.append(line)
        return list(self._again)[:count]

    def begin(self) -> None:
        """A new record begins with the next line."""
        self._record.clear()

    def retreat(self) -> int:
        """Give out again what came after the first line of the record; returns that line's number."""
        later = self._record[1:]
        self._again.extendleft(reversed(later))
        self.number -= len(later)
        self._record.clear()
        return self.number


def read_table(text: TextIO, raw: BinaryIO, size: int, vocabulary: Vocabulary) -> Iterator[ExportRow]:
    """Rows of a table, each under the names of its header; a column that is there several times comes as a list.

    A record that is not CSV (a stray quote) is one bad row: reading goes on with the line after its first.

    Raises:
        UnreadableFileError: There is no header.
    """
    # Python's own limit of 128 KiB ends the reading of a file at the first long conversation.
    csv.field_size_limit(_LONGEST_CELL)
    lines = _Lines(text)
    separator = _separator(lines, vocabulary)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    names: list[str] | None = None
    skip = header_place(_cells(lines.peek(_SAMPLE_LINES), separator), vocabulary)
    while True:
        lines.begin()
        first = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # A quote that is not closed swallows the rest of the file; given out again, only the first line of it is
            # lost.
            line = lines.retreat()
            yield ExportRow(f"line {line}", None, f"is not CSV: {error} (is a quote not closed or not doubled?)")
            continue
        if not any(cell.strip() for cell in cells) or first <= skip:
            continue
        if names is None:
            names = header_names(cells)
            continue
        yield table_row(cells, names, f"line {lines.number}", raw.tell() / size)


def table_row(cells: list[str], names: list[str], where: str, fraction: float) -> ExportRow:
    """A row of a table under the names of its header; an empty cell is left out."""
    # Empty cells at the end are a spreadsheet's habit; full ones mean that the row was split at the wrong place.
    beyond = [cell for cell in cells[len(names) :] if cell.strip()]
    if beyond:
        return ExportRow(where, None, f"has {len(cells)} cells, more than the {len(names)} of the header", fraction)
    row: dict[str, str | list[str]] = {}
    for name, cell in zip(names, cells, strict=False):
        if fault := undecoded(cell):
            return ExportRow(where, None, f"{name}: {fault}", fraction)
        if not cell.strip():  # a cell left empty says nothing, so that a default applies
            continue
        known = row.get(name)
        # PostgreSQL takes no NUL in a text, and one in a million rows must not end an import.
        value = storable_text(cell)
        row[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
    return ExportRow(where, dict(row), fraction=fraction)


def header_names(cells: list[str]) -> list[str]:
    """What the columns are called; those without a name are counted."""
    names = [storable_text(cell).strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return [name or f"column {place}" for place, name in enumerate(names, start=1)]


def _separator(lines: _Lines, vocabulary: Vocabulary) -> str:
    """What separates cells: what the file says itself, else that under which most of the header is understood."""
    sample = lines.peek(_SAMPLE_LINES)
    if not any(line.strip() for line in sample):
        raise UnreadableFileError("The file is empty.")
    said = _SEP_LINE.fullmatch(sample[0].lstrip("\ufeff"))
    if said is not None:
        next(lines)
        return said.group(1)
    # By what is understood and not by what occurs most: a German header may hold more commas than semicolons.
    return max(_SEPARATORS, key=lambda one: max(_worth(cells, vocabulary) for cells in _cells(sample, one)))


def header_place(rows: Iterable[list[str]], vocabulary: Vocabulary) -> int:
    """How many rows of a title stand above the header, as reports have it; none where the first is as good as any."""
    best, place = 0, 0
    for number, cells in enumerate(rows):
        known = len(fields_known(cells, vocabulary))
        if known > best:
            best, place = known, number
    return place


def _cells(sample: list[str], separator: str) -> list[list[str]]:
    return [next(csv.reader([line], delimiter=separator), []) for line in sample]


def _worth(cells: list[str], vocabulary: Vocabulary) -> tuple[int, int]:
    return len(fields_known(cells, vocabulary)), len(cells)


def fields_known(cells: list[str], vocabulary: Vocabulary) -> set[str]:
    """Our fields among the cells of what may be a header."""
    return {field for cell in cells if (field := vocabulary.field_of(cell)) is not None}


__all__ = ["fields_known", "header_names", "header_place", "read_table", "table_row"]

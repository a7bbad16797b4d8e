"""Files to rows, one at a time: JSON, JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from deskhand.knowledge.exports import ExportRow, UnreadableFileError

_CHUNK = 65_536
_MAX_OBJECT = 8_000_000
_WRAPPERS = ("result", "tickets", "requests", "articles", "systems", "records", "items")
DATA_SUFFIXES = {".json", ".jsonl", ".ndjson", ".csv"}


def read_rows(path: Path) -> Iterator[ExportRow]:
    """Rows of a ``.json``, ``.jsonl``/``.ndjson`` or ``.csv`` file, streamed.

    A JSON file is a list of objects, or an object that holds one under ``result``, ``tickets``, ``requests``,
    ``articles``, ``systems``, ``records`` or ``items``.

    Raises:
        UnreadableFileError: Unknown ending, not UTF-8, no such file, or broken beyond one row.
    """
    suffix = path.suffix.lower()
    if suffix not in DATA_SUFFIXES:
        raise UnreadableFileError(f"{path.name} is none of .json, .jsonl, .ndjson, .csv.")
    try:
        with path.open("rb") as raw:
            size = max(1, path.stat().st_size)
            if suffix == ".csv":
                yield from _read_csv(raw, size)
            elif suffix == ".json":
                yield from _read_json(raw, size)
            else:
                yield from _read_lines(raw, size)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{path.name} is not UTF-8 text: {error.reason} at byte {error.start}.") from error
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.") from error


def _read_lines(raw: BinaryIO, size: int) -> Iterator[ExportRow]:
    position = 0
    for number, line in enumerate(raw, start=1):
        position += len(line)
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if text:
            yield _parsed(text, f"line {number}", position / size)


def _parsed(text: str, where: str, fraction: float) -> ExportRow:
    try:
        value = json.loads(text)
    except ValueError as error:
        return ExportRow(where, None, f"not JSON: {error}", fraction)
    return _as_row(value, where, fraction)


def _as_row(value: Any, where: str, fraction: float) -> ExportRow:
    if isinstance(value, dict):
        return ExportRow(where, value, fraction=fraction)
    return ExportRow(where, None, "is not an object with named fields", fraction)


@contextmanager
def _decoded(raw: BinaryIO) -> Iterator[TextIO]:
    """The file as text; whoever opened it closes it."""
    text = io.TextIOWrapper(raw, "utf-8-sig", newline="")
    try:
        yield text
    finally:
        text.detach()


def _read_csv(raw: BinaryIO, size: int) -> Iterator[ExportRow]:
    csv.field_size_limit(_MAX_OBJECT)
    with _decoded(raw) as text:
        yield from _csv_rows(csv.DictReader(text, strict=True, restkey="", restval=""), raw, size)


def _csv_rows(reader: csv.DictReader[str], raw: BinaryIO, size: int) -> Iterator[ExportRow]:
    try:
        for row in reader:
            where = f"line {reader.line_num}"
            if "" in row:
                yield ExportRow(where, None, f"has more cells than the {len(reader.fieldnames or ())} of the header")
            else:
                # A cell left empty says nothing, so that a default applies.
                yield ExportRow(
                    where, {key: cell for key, cell in row.items() if cell != ""}, fraction=raw.tell() / size
                )
    except csv.Error as error:
        raise UnreadableFileError(f"Line {reader.line_num} is not CSV: {error}.") from error


class _JsonText:
    """A window on a JSON file: decodes one value after another without holding the file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._decoder = json.JSONDecoder()
        self._window = ""
        self.line = 1

    def _more(self) -> bool:
        chunk = self._stream.read(_CHUNK)
        self._window += chunk
        return bool(chunk)

    def _drop(self, count: int) -> None:
        self.line += self._window.count("\n", 0, count)
        self._window = self._window[count:]

    def peek(self, skip: str = "") -> str:
        """The next character that is neither white space nor in ``skip``; empty at the end."""
        while True:
            rest = self._window.lstrip(" \t\r\n" + skip)
            self._drop(len(self._window) - len(rest))
            if rest or not self._more():
                return rest[:1]

    def value(self) -> Any:
        """Decode and take the next value."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window)
            except ValueError as error:
                if len(self._window) > _MAX_OBJECT or not self._more():
                    raise UnreadableFileError(f"Not JSON near line {self.line}: {error}.") from error
                continue
            # A number at the window's edge may go on in the next chunk.
            if end == len(self._window) and self._more():
                continue
            self._drop(end)
            return value

    def take(self) -> None:
        """Drop one character."""
        self._drop(1)


def _read_json(raw: BinaryIO, size: int) -> Iterator[ExportRow]:
    with _decoded(raw) as stream:
        yield from _json_rows(_JsonText(stream), raw, size)


def _json_rows(text: _JsonText, raw: BinaryIO, size: int) -> Iterator[ExportRow]:
    if text.peek() == "{":
        yield from _read_wrapped(text)
        return
    if text.peek() != "[":
        raise UnreadableFileError("A JSON file must hold a list of objects.")
    text.take()
    number = 0
    while (mark := text.peek(skip=",")) != "]":
        if not mark:
            raise UnreadableFileError(f"The list is not closed; the file ends at line {text.line}.")
        number += 1
        line = text.line
        yield _as_row(text.value(), f"item {number} (line {line})", min(1.0, raw.tell() / size))


def _read_wrapped(text: _JsonText) -> Iterator[ExportRow]:
    whole = text.value()
    rows = next((whole[name] for name in _WRAPPERS if isinstance(whole.get(name), list)), None)
    if rows is None:
        raise UnreadableFileError(f"The JSON object holds no list under any of: {', '.join(_WRAPPERS)}.")
    for number, value in enumerate(rows, start=1):
        yield _as_row(value, f"item {number}", number / len(rows))


__all__ = ["DATA_SUFFIXES", "read_rows"]

"""JSON to rows: lists, lines, answers of an API, and several of them in one file; never half of it in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isfinite
from typing import Any, BinaryIO, TextIO

from deskhand.kit.storable import MAX_DEPTH, UnreadableJsonError, storable
from deskhand.knowledge.exports import ExportRow, UnreadableFileError
from deskhand.knowledge.exports.columns import Vocabulary
from deskhand.knowledge.exports.encoding import undecoded

_CHUNK = 65_536
_LONGEST_VALUE = 8_000_000
_LONGEST_NUMBER = 300
_SAMPLE_LINES = 20
_EDGE = 12
"""A fault this near to the end of what was read may be a value that goes on."""
WRAPPERS = ("result", "tickets", "requests", "issues", "articles", "systems", "records", "items", "rows", "data")


class _NotJsonError(ValueError):
    """Where and why a value cannot be decoded."""


class _JsonText:
    """A window on a JSON file: decodes one value after another without holding the file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._window = ""
        self.line = 1

    def _more(self) -> bool:
        chunk = self._stream.read(
            max(_CHUNK, len(self._window))
        )  # doubled, so that a long value is not read over and over
        self._window += chunk
        return bool(chunk)

    def _drop(self, count: int) -> None:
        self.line += self._window.count("\n", 0, count)
        self._window = self._window[count:]

    def peek(self, skip: str = "") -> str:
        """The next character that is neither white space nor in ``skip``; empty at the end."""
        while True:
            # Besides white space: a byte-order mark of each joined file, and the record separator of JSON text
            # sequences.
            rest = self._window.lstrip(" \t\r\n\ufeff\x1e" + skip)
            self._drop(len(self._window) - len(rest))
            if rest or not self._more():
                return rest[:1]

    def value(self) -> Any:
        """Decode and take the next value.

        Raises:
            _NotJsonError: It is not JSON; nothing is taken.
            RecursionError: It is nested too deeply; nothing is taken.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window)
            except json.JSONDecodeError as error:
                # The decoder cannot tell a broken value from one that the window has cut; near its edge it may be the
                # latter.
                goes_on = error.msg.startswith("Unterminated") or error.pos >= len(self._window) - _EDGE
                if not goes_on or len(self._window) > _LONGEST_VALUE or not self._more():
                    raise _NotJsonError(error.msg) from error
                continue
            # A number at the window's edge may go on in the next chunk.
            if end == len(self._window) and self._more():
                continue
            self._drop(end)
            return value

    def take(self, sign: str) -> None:
        """Take one character, which must be this one.

        Raises:
            _NotJsonError: It is another.
        """
        next_sign = self.peek()
        if next_sign != sign:
            raise _NotJsonError(
                f"expected {sign!r}" + (f", not {next_sign!r}" if next_sign else ", not the end of the file")
            )
        self._drop(1)

    def skip_line(self) -> None:
        """Drop the rest of the line."""
        while (end := self._window.find("\n")) < 0:
            self._drop(len(self._window))
            if not self._more():
                return
        self._drop(end + 1)

    def skip_value(self) -> None:
        """Drop an object or a list that cannot be decoded for its depth, by its brackets alone."""
        depth, place, in_text = 0, 0, False
        while place < len(self._window) or self._more():
            sign = self._window[place]
            place += 1
            if in_text and sign == "\\":
                place += 1 if place < len(self._window) or self._more() else 0
            elif sign == '"':
                in_text = not in_text
            elif not in_text:
                depth += (sign in "{[") - (sign in "}]")
            if depth <= 0 and not in_text:
                break
        self._drop(min(place, len(self._window)))

    def second(self) -> str:
        """The character after the next one, white space aside."""
        self.peek()
        while not (rest := self._window[1:].lstrip(" \t\r\n")) and self._more():
            pass
        return rest[:1]


def _whole(digits: str) -> int | str:
    # Python refuses to make a number of thousands of digits, and such a one is an id anyway.
    return int(digits) if len(digits) <= _LONGEST_NUMBER else digits


def _fraction(digits: str) -> float | str:
    number = float(digits)
    # Beyond what a float holds it would come as infinity, which no JSON of ours can store.
    return number if isfinite(number) else digits


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_fraction, parse_constant=lambda _name: None)


def read_documents(
    text: TextIO, raw: BinaryIO, size: int, vocabulary: Vocabulary, *, lines: bool
) -> Iterator[ExportRow]:
    """Rows of a JSON file: of each list in it, of each object that holds a list, and each object by itself.

    Args:
        text: The file.
        raw: Its bytes, whose place tells how far it is read.
        size: How many there are.
        vocabulary: What makes an object a row.
        lines: The file's name says that every line is a value of its own.

    Raises:
        UnreadableFileError: A list is not closed or broken inside, or the file holds no rows at all.
    """
    documents = _Documents(text, raw, size, vocabulary)
    by_line = _goes_by_lines(text, expected=lines)
    text.seek(0)
    yield from documents.lines() if by_line else documents.stream()


def _goes_by_lines(text: TextIO, *, expected: bool) -> bool:
    """Whether each line is a document: then one that is broken is one bad row, and the next line begins anew."""
    sample = [line for _ in range(_SAMPLE_LINES) if (line := text.readline(_LONGEST_VALUE)).strip()]
    # A list may be written with an item a line; by lines, each comma would make a bad row.
    if not sample or sample[0].lstrip("\ufeff \t").startswith("["):
        return False
    # A lone brace begins a document that is laid out over lines; by lines, each of them would be a bad row.
    if any(line.strip() == "{" for line in sample):
        return False
    whole = [_is_object(line) for line in sample]
    return len(sample) > 1 and (whole[0] or (expected and any(whole)))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line.lstrip("\ufeff")), dict)
    except RecursionError:
        # An object so deep is still an object; its row is refused later, with that reason.
        return True
    except ValueError:
        return False


class _Documents:
    """The documents of one file, one after another."""

    def __init__(self, text: TextIO, raw: BinaryIO, size: int, vocabulary: Vocabulary) -> None:
        self._stream = text
        self._text = _JsonText(text)
        self._raw = raw
        self._size = size
        self._vocabulary = vocabulary
        self._number = 0

    @property
    def _fraction(self) -> float:
        return min(1.0, self._raw.tell() / self._size)

    def lines(self) -> Iterator[ExportRow]:
        """Every line a document."""
        for number, line in enumerate(self._stream, start=1):
            text, where = line.strip(" \t\r\n\ufeff\x1e"), f"line {number}"
            if not text:
                continue
            try:
                value = _DECODER.decode(text)
            except RecursionError:
                yield ExportRow(where, None, "is nested too deeply", self._fraction)
            except ValueError as error:
                yield ExportRow(where, None, f"is not JSON: {error}", self._fraction)
            else:
                yield from self._line(value, where)

    def _line(self, value: Any, where: str) -> Iterator[ExportRow]:
        rows = self._rows_within(value) if isinstance(value, dict) else None
        if rows is None:
            yield self._row(value, where)
        for number, row in enumerate(rows or (), start=1):
            yield self._row(row, f"{where}, item {number}")

    def stream(self) -> Iterator[ExportRow]:
        """Documents of any shape."""
        documents = 0
        try:
            while mark := self._text.peek(skip=","):
                documents += 1
                line = self._text.line
                if mark == "{":
                    yield from self._object(line, first=documents == 1)
                elif mark == "[" and (documents == 1 or self._text.second() in "{]"):
                    yield from self._list(line)
                else:
                    yield self._other(line, first=documents == 1)
        except _NotJsonError as error:
            raise UnreadableFileError(
                f"Not JSON in line {self._text.line}: {error}. Nothing after it can be read; is the file cut off?"
            ) from error
        if not documents:
            raise UnreadableFileError("The file is empty.")

    def _other(self, line: int, *, first: bool) -> ExportRow:
        """What is neither object nor list: nothing to import, and never passed over."""
        try:
            value = self._text.value()
        except _NotJsonError as error:
            if first:
                raise
            self._text.skip_line()
            return ExportRow(f"line {line}", None, f"is not JSON: {error}", self._fraction)
        if first and not self._text.peek():
            raise UnreadableFileError("A JSON file must hold a list of objects.")
        return self._row(value, f"line {line}")

    def _list(self, line: int) -> Iterator[ExportRow]:
        self._text.take("[")
        while (mark := self._text.peek(skip=",")) != "]":
            if not mark:
                raise UnreadableFileError(f"The list that begins in line {line} is not closed: the file is cut off.")
            self._number += 1
            where = f"item {self._number} (line {self._text.line})"
            try:
                value = self._text.value()
            except RecursionError:
                self._text.skip_value()
                yield ExportRow(where, None, "is nested too deeply", self._fraction)
            else:
                yield self._row(value, where)
        self._text.take("]")

    def _object(self, line: int, *, first: bool) -> Iterator[ExportRow]:
        """An object that is a row, or that holds rows: those of a long answer are read one by one."""
        members: dict[str, Any] = {}
        streamed = too_deep = False
        self._text.take("{")
        while self._text.peek(skip=",") != "}":
            name = self._text.value()
            self._text.take(":")
            if self._holds_rows(name, members):
                streamed = True
                yield from self._list(self._text.line)
                continue
            try:
                members[str(name)] = self._text.value()
            except RecursionError:
                self._text.skip_value()
                too_deep = True
        self._text.take("}")
        if too_deep:
            yield ExportRow(f"line {line}", None, "is nested too deeply", self._fraction)
        elif not streamed:
            yield from self._whole(members, line, alone=first and not self._text.peek(skip=","))

    def _holds_rows(self, name: Any, members: dict[str, Any]) -> bool:
        return name in WRAPPERS and not self._is_row(members) and self._text.peek() == "["

    def _is_row(self, members: dict[str, Any]) -> bool:
        return self._vocabulary.identifies(members) or isinstance(members.get("fields"), dict)

    def _rows_within(self, members: dict[str, Any]) -> list[Any] | None:
        """The rows an object holds; None where it is a row itself."""
        if self._is_row(members):
            return None
        if (
            wrapped := next((members[name] for name in WRAPPERS if isinstance(members.get(name), list)), None)
        ) is not None:
            return list(wrapped)
        # One list of objects under a name we do not know is the rows; of two nobody could say which.
        lists = [rows for rows in members.values() if isinstance(rows, list) and rows and isinstance(rows[0], dict)]
        return lists[0] if len(lists) == 1 else None

    def _whole(self, members: dict[str, Any], line: int, *, alone: bool) -> Iterator[ExportRow]:
        rows = self._rows_within(members)
        for number, value in enumerate(rows or (), start=1):
            yield self._row(value, f"item {number}")
        if rows is not None:
            return
        # The only object of a file and no row: the whole file is something else, which is told once and not as one bad
        # row.
        if alone and not self._is_row(members):
            names = ", ".join(list(members)[:20]) or "nothing"
            raise UnreadableFileError(
                f"The JSON object holds no list under any of: {', '.join(WRAPPERS)}; it has {names}."
            )
        yield self._row(members, f"line {line}")

    def _row(self, value: Any, where: str) -> ExportRow:
        if not isinstance(value, dict):
            return ExportRow(where, None, "is not an object with named fields", self._fraction)
        # By row: one letter in the wrong encoding costs its own ticket and not the file.
        faults = (undecoded(member) for member in value.values() if isinstance(member, str))
        if fault := next(filter(None, faults), ""):
            return ExportRow(where, None, fault, self._fraction)
        try:
            return ExportRow(where, storable(value, max_depth=MAX_DEPTH), fraction=self._fraction)
        except UnreadableJsonError as error:
            return ExportRow(where, None, str(error), self._fraction)


__all__ = ["WRAPPERS", "read_documents"]

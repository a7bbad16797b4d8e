"""Files to rows, one at a time: JSON, JSON Lines and CSV for tickets and systems; also Markdown and HTML for articles.

A reader never gives up on a bad row: it yields the row's place and what is wrong, and the import decides.
Only a file that is not what its name says ends the reading, with ``UnreadableFileError``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import nh3
from markdownify import markdownify

from deskhand.errors import InvalidInputError

_CHUNK = 65_536
_MAX_OBJECT = 8_000_000
_WRAPPERS = ("result", "tickets", "requests", "articles", "systems", "records", "items")
_DATA_SUFFIXES = {".json", ".jsonl", ".ndjson", ".csv"}
_ARTICLE_SUFFIXES = _DATA_SUFFIXES | {".md", ".markdown", ".html", ".htm"}


class UnreadableFileError(InvalidInputError):
    """The file cannot be read as what its name says it is."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as read.

    Attributes:
        where: ``line 12``, ``item 3 (line 40)`` or a file name.
        data: The fields, or None when the row itself cannot be read.
        error: Why not.
        fraction: Share of the input read so far, 0 to 1.
    """

    where: str
    data: dict[str, Any] | None
    error: str = ""
    fraction: float = 0.0


def read_rows(path: Path) -> Iterator[RawRow]:
    """Rows of a ``.json``, ``.jsonl``/``.ndjson`` or ``.csv`` file, streamed.

    A JSON file is a list of objects, or an object that holds one under ``result``, ``tickets``, ``requests``,
    ``articles``, ``systems``, ``records`` or ``items``.

    Raises:
        UnreadableFileError: Unknown ending, not UTF-8, no such file, or broken beyond one row.
    """
    suffix = path.suffix.lower()
    if suffix not in _DATA_SUFFIXES:
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


def _read_lines(raw: BinaryIO, size: int) -> Iterator[RawRow]:
    position = 0
    for number, line in enumerate(raw, start=1):
        position += len(line)
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if text:
            yield _parsed(text, f"line {number}", position / size)


def _parsed(text: str, where: str, fraction: float) -> RawRow:
    try:
        value = json.loads(text)
    except ValueError as error:
        return RawRow(where, None, f"not JSON: {error}", fraction)
    return _as_row(value, where, fraction)


def _as_row(value: Any, where: str, fraction: float) -> RawRow:
    if isinstance(value, dict):
        return RawRow(where, value, fraction=fraction)
    return RawRow(where, None, "is not an object with named fields", fraction)


@contextmanager
def _decoded(raw: BinaryIO) -> Iterator[TextIO]:
    """The file as text; whoever opened it closes it."""
    text = io.TextIOWrapper(raw, "utf-8-sig", newline="")
    try:
        yield text
    finally:
        text.detach()


def _read_csv(raw: BinaryIO, size: int) -> Iterator[RawRow]:
    csv.field_size_limit(_MAX_OBJECT)
    with _decoded(raw) as text:
        yield from _csv_rows(csv.DictReader(text, strict=True, restkey="", restval=""), raw, size)


def _csv_rows(reader: csv.DictReader[str], raw: BinaryIO, size: int) -> Iterator[RawRow]:
    try:
        for row in reader:
            where = f"line {reader.line_num}"
            if "" in row:
                yield RawRow(where, None, f"has more cells than the {len(reader.fieldnames or ())} of the header")
            else:
                # A cell left empty says nothing, so that a default applies.
                yield RawRow(where, {key: cell for key, cell in row.items() if cell != ""}, fraction=raw.tell() / size)
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


def _read_json(raw: BinaryIO, size: int) -> Iterator[RawRow]:
    with _decoded(raw) as stream:
        yield from _json_rows(_JsonText(stream), raw, size)


def _json_rows(text: _JsonText, raw: BinaryIO, size: int) -> Iterator[RawRow]:
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


def _read_wrapped(text: _JsonText) -> Iterator[RawRow]:
    whole = text.value()
    rows = next((whole[name] for name in _WRAPPERS if isinstance(whole.get(name), list)), None)
    if rows is None:
        raise UnreadableFileError(f"The JSON object holds no list under any of: {', '.join(_WRAPPERS)}.")
    for number, value in enumerate(rows, start=1):
        yield _as_row(value, f"item {number}", number / len(rows))


# -- articles ------------------------------------------------------------------------------------

_ARTICLE_NAMES = {"article_id": ("number", "id"), "title": ("short_description", "item"), "html": ("text", "article")}


def read_articles(path: Path) -> Iterator[RawRow]:
    """Articles of a file, or of every file below a directory: Markdown, HTML, JSON, JSON Lines, CSV.

    Markdown may begin with front matter (``article_id``, ``title``, ``tags``, ``url``, ``source``); without it the
    file's name is the id and the first heading the title. In data files a field ``html`` is turned into Markdown.

    Raises:
        UnreadableFileError: As ``read_rows``; or the directory holds nothing to read.
    """
    files = _article_files(path) if path.is_dir() else [path]
    if not files:
        raise UnreadableFileError(f"{path} holds no article (.md, .html, .json, .jsonl, .csv).")
    for number, file in enumerate(files, start=1):
        if file.suffix.lower() in _DATA_SUFFIXES:
            for row in read_rows(file):
                data = None if row.data is None else _article_fields(row.data)
                yield RawRow(f"{file.name}, {row.where}", data, row.error, number / len(files))
        else:
            yield _read_document(file, number / len(files))


def _article_files(path: Path) -> list[Path]:
    found = (file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in _ARTICLE_SUFFIXES)
    return sorted(file for file in found if file.name.lower() != "readme.md")


def _article_fields(data: dict[str, Any]) -> dict[str, Any]:
    fields = dict(data)
    for name, others in _ARTICLE_NAMES.items():
        found = next((fields[other] for other in others if other in fields), None)
        if found is not None:
            fields.setdefault(name, found)
    if "body" not in fields and isinstance(fields.get("html"), str):
        fields["body"] = _without_title(html_to_markdown(fields["html"]), str(fields.get("title") or ""))
    return fields


def _read_document(path: Path, fraction: float) -> RawRow:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return RawRow(path.name, None, f"cannot be read: {error}", fraction)
    if path.suffix.lower() in {".html", ".htm"}:
        named = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        fields, body = ({"title": named.group(1).strip()} if named else {}), html_to_markdown(text)
    elif path.suffix.lower() in {".md", ".markdown"}:
        fields, body = _front_matter(text)
    else:
        return RawRow(path.name, None, "is none of .md, .html, .json, .jsonl, .csv", fraction)
    heading = re.search(r"^#{1,3}\s+(.+)$", body, re.MULTILINE)
    title = fields.get("title") or (heading.group(1).strip() if heading else path.stem)
    return RawRow(
        path.name,
        {"article_id": path.stem, **fields, "title": title, "body": _without_title(body, title)},
        fraction=fraction,
    )


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    found = re.match(r"---\s*\n(.*?)\n---\s*(?:\n|$)", text, re.DOTALL)
    if found is None:
        return {}, text.strip()
    pairs = (line.partition(":") for line in found.group(1).splitlines() if ":" in line)
    fields = {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}
    return fields, text[found.end() :].strip()


def html_to_markdown(html: str) -> str:
    """HTML as Markdown, sanitised: no scripts or styles, and no links relative to the page it came from."""
    clean = nh3.clean(html, url_relative="deny")
    return re.sub(r"\n{3,}", "\n\n", markdownify(clean, heading_style="ATX", bullets="-")).strip()


def _without_title(body: str, title: str) -> str:
    """Drop a first heading that only repeats the title."""
    first, _, rest = body.partition("\n")
    return rest.strip() if first.lstrip("# ").strip().lower() == title.strip().lower() and rest.strip() else body


__all__ = ["RawRow", "UnreadableFileError", "html_to_markdown", "read_articles", "read_rows"]

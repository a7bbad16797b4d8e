"""A process of its own that reads one workbook, Word document or PDF, ends by itself, and may be killed.

The libraries that read such files are others', and a few kilobytes can be made to ask for hours or for all memory.
Started by ``apart``; takes the file on its standard input and writes one JSON value a line.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO

import mammoth
from python_calamine import CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from deskhand.knowledge.exports.paper_text import RefusedError, read_pdf

MEMORY_BYTES = 2 * 1024**3
UNPACKED_BYTES = 1024**3
"""Of all members of an archive: text packs a hundredfold, and a file of 10 MB may be made to hold a terabyte."""
WRITTEN_BYTES = 512 * 1024**2
_EXACT = 10**15
"""Spreadsheets keep fifteen digits; of a longer number the last ones are made up."""
_TITLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def main() -> None:
    """Write what the file holds, or ``{"refused": why}`` as the last line."""
    # The kernel ends the process, not a timer of ours: a library may not give the interpreter back while it works.
    seconds = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # No core file: it would hold a customer's words on disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Warnings about sloppy files are nobody's business here, and there may be millions of them.
    logging.disable()
    source = io.BytesIO(sys.stdin.buffer.read())
    try:
        _write(_READERS[sys.argv[1]](source))
    except RefusedError as refused:
        print(json.dumps({"refused": str(refused)}))  # noqa: T201 - this is the answer


def _write(values: Iterator[Any]) -> None:
    written = 0
    for value in values:
        written += sys.stdout.write(json.dumps(value) + "\n")
        if written > WRITTEN_BYTES:
            raise RefusedError("holds more text than one file may; divide it")


def read_workbook(source: BinaryIO) -> Iterator[Any]:
    """Each sheet as ``{"sheet": name, "hidden": …}``, then its rows that are not empty as ``[number, [text, …]]``."""
    _check_unpacked(source)
    try:
        book = CalamineWorkbook.from_filelike(source)
    except PasswordError as error:
        raise RefusedError("is protected with a password; save it without one") from error
    for sheet in book.sheets_metadata:
        if sheet.typ is not SheetTypeEnum.WorkSheet:
            continue
        yield {"sheet": sheet.name, "hidden": sheet.visible is not SheetVisibleEnum.Visible}
        for number, cells in enumerate(book.get_sheet_by_name(sheet.name).iter_rows(), start=1):
            texts = [_text_of(cell) for cell in cells]
            while texts and not texts[-1].strip():
                texts.pop()
            if texts:
                yield [number, texts]


def _text_of(cell: float | str | bool | date | datetime | time | timedelta) -> str:
    """A cell as the person who typed it would write it in a CSV."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        return _number(cell)
    if isinstance(cell, datetime):
        # Days are counted in fractions, in which 10:00 may be 9:59:59.994.
        moment = (cell + timedelta(milliseconds=500)).replace(microsecond=0)
        return moment.isoformat(" ") if moment.time() != time() else moment.date().isoformat()
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


def _number(value: float) -> str:
    # As a spreadsheet shows it; an id that was shortened so is refused by name where rows are checked.
    if abs(value) >= _EXACT:
        return f"{value:.14E}"
    return str(int(value)) if float(value).is_integer() else repr(value)


def read_word(source: BinaryIO) -> Iterator[Any]:
    """The document as ``{"html": …}``."""
    _check_unpacked(source)
    result = mammoth.convert_to_html(
        source,
        style_map=_TITLES,
        # A file's own map would let it choose any element and attribute.
        include_embedded_style_map=False,
        # Without its bytes; that there was a picture, and what it is said to show, stays.
        convert_image=mammoth.images.img_element(lambda _image: {}),
    )
    yield {"html": result.value}


def _check_unpacked(source: BinaryIO) -> None:
    if not zipfile.is_zipfile(source):
        source.seek(0)
        return
    with zipfile.ZipFile(source) as archive:
        size = sum(member.file_size for member in archive.infolist())
    source.seek(0)
    if size > UNPACKED_BYTES:
        raise RefusedError(f"would be {size // 1024**2} MB unpacked, and {UNPACKED_BYTES // 1024**2} MB is the most")


def _pdf(source: BinaryIO) -> Iterator[Any]:
    paper = read_pdf(source)
    yield {"html": paper.html, "title": paper.title}


_READERS: dict[str, Callable[[BinaryIO], Iterator[Any]]] = {"workbook": read_workbook, "word": read_word, "pdf": _pdf}


if __name__ == "__main__":
    main()

"""What a file's bytes are as text, found out before a row is read."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from deskhand.knowledge.exports import UnreadableFileError

_CHUNK = 1 << 20
_SAMPLE = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = {
    b"PK\x03\x04": "an archive; an Excel workbook is read where its name ends in .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook, which is read where its name ends in .xls",
    b"%PDF": "a PDF; export CSV or JSON instead",
    b"\x1f\x8b": "compressed; unpack it first",
    b"<": "HTML or XML; open it in a spreadsheet and save it as .xlsx, or export CSV or JSON",
}


def encoding_of(raw: BinaryIO, name: str) -> str:
    """The encoding of a file, from its mark, its NULs, or whether it holds as UTF-8; else Windows-1252.

    A file with a few broken bytes among many good UTF-8 characters stays UTF-8: its broken rows are refused one by one.

    Raises:
        UnreadableFileError: It is a workbook, an archive, a page.
    """
    start = raw.read(_SAMPLE)
    for mark, what in _OTHER_FILES.items():
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(mark):
            raise UnreadableFileError(f"{name} is {what}.")
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    nulls_even, nulls_odd = start[::2].count(0), start[1::2].count(0)
    # Western text in UTF-16 has a zero in every second byte, and no other text has zeros.
    if max(nulls_even, nulls_odd) > len(start) / 5:
        return "utf-16-be" if nulls_even > nulls_odd else "utf-16-le"
    raw.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = broken = 0
    while chunk := raw.read(_CHUNK):
        text = decoder.decode(chunk)
        if not text.isascii():
            lost = sum("\udc80" <= sign <= "\udcff" for sign in text)
            broken += lost
            good += sum(sign > "\x7f" for sign in text) - lost
    # By the count and not the first fault: one damaged byte must not turn every umlaut of a UTF-8 file into two signs.
    return "cp1252" if broken > good else "utf-8"


@contextmanager
def opened(path: Path) -> Iterator[tuple[TextIO, BinaryIO]]:
    """A file as text, and the bytes below it, whose place tells how far it is read.

    A byte that the encoding does not have comes as a lone surrogate, so that its row alone is refused (``undecoded``).

    Raises:
        UnreadableFileError: There is no such file, or it is something else than text.
    """
    try:
        with path.open("rb") as raw:
            encoding = encoding_of(raw, path.name)
            raw.seek(0)
            text = io.TextIOWrapper(raw, encoding, errors="surrogateescape", newline="")
            try:
                yield text, raw
            finally:
                # The file below is closed by the block that opened it, so its wrapper must not close it once more.
                text.detach()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeError as error:
        raise UnreadableFileError(f"{path.name} is not the text it begins as: {error}.") from error


def undecoded(text: str) -> str:
    """Why a text cannot be read, or nothing."""
    sign = next((sign for sign in text if "\udc80" <= sign <= "\udcff"), None) if not text.isascii() else None
    return f"has a byte 0x{ord(sign) - 0xDC00:02x} that is no character of the file's encoding" if sign else ""


__all__ = ["encoding_of", "opened", "undecoded"]

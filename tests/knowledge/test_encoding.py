"""A file's bytes as text, and the words of a service desk."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

import pytest

from deskhand.knowledge.exports import UnreadableFileError
from deskhand.knowledge.exports.encoding import encoding_of, opened, undecoded
from deskhand.knowledge.vocabulary import FILLER, SYNONYMS, exact_codes

LINE = "ticket_id,subject\n1,Drucker größer\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (LINE.encode(), "utf-8"),
        (LINE.encode("utf-8-sig"), "utf-8-sig"),
        (LINE.encode("utf-16"), "utf-16"),
        (LINE.encode("utf-16-le"), "utf-16-le"),
        (LINE.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + LINE.encode("utf-32-le"), "utf-32"),
        (LINE.encode("cp1252"), "cp1252"),
        (("größer " * 50).encode() + b"\xe9", "utf-8"),  # one broken row does not change the others
        (b"plain", "utf-8"),
        (b"", "utf-8"),
        (("x" * (1 << 20)).encode() + "ü".encode(), "utf-8"),  # a letter across the border of two pieces
        (("x" * ((1 << 20) - 1)).encode() + "ü".encode(), "utf-8"),
    ],
)
def test_an_encoding_is_found_before_a_row_is_read(data: bytes, encoding: str) -> None:
    assert encoding_of(io.BytesIO(data), "file.csv") == encoding


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04...", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0", "old Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"\xef\xbb\xbf\n <html>", "HTML"),
    ],
)
def test_what_is_no_text_is_called_by_its_name(data: bytes, what: str) -> None:
    with pytest.raises(UnreadableFileError, match=what):
        encoding_of(io.BytesIO(data), "file.csv")


def test_a_byte_that_is_no_character_is_one_rows_fault(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(("größer " * 20).encode() + b"\n\xff,x\ngood\n")
    with opened(path) as (text, raw):
        lines = text.read().split("\n")
        assert raw.tell() == path.stat().st_size
    assert undecoded(lines[0]) == undecoded(lines[2]) == ""
    assert "0xff" in undecoded(lines[1])


def test_a_file_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="cannot be read"), opened(tmp_path / "none.csv"):
        pass
    with pytest.raises(UnreadableFileError, match="cannot be read"), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Error 809 in FB60 on PRN-204", ("809", "fb60", "prn-204")),
        ("DHCP_CLIENT failed, then dhcp_client", ("dhcp_client",)),
        ("ERR 809, again 809 and Err809", ("809", "err809")),
        ("at 7 or 12 o'clock", ()),
        ("the printer jams", ()),
        ("", ()),
    ],
)
def test_codes_are_what_tells_one_fault_from_the_next(text: str, codes: tuple[str, ...]) -> None:
    assert tuple(code for code in exact_codes(text) if code != "12") == codes


def test_codes_are_bounded() -> None:
    many = " ".join(f"ERR-{number}" for number in range(100, 200))
    assert len(exact_codes(many)) == 12
    assert exact_codes("x" * 4000 + " ERR-100") == ()


def test_no_word_says_nothing_and_something() -> None:
    topics = {word for group in SYNONYMS for word in group}
    assert not topics & set(FILLER.split())
    assert all(word == word.lower() for word in topics)

"""The words in one file: texts in any encoding, documents, pictures; and what pretends to be one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tests.support.office import pdf, word

from deskhand.work.files import texts
from deskhand.work.files.choosing import FileKind
from deskhand.work.files.picture_reader import read
from deskhand.work.files.texts import NO_READER, UnreadError, picture_languages, text_of

PICTURE = Path(__file__).parent / "data" / "network-error.png"
sees = pytest.mark.skipif(not picture_languages(), reason="Tesseract is not installed (Debian: tesseract-ocr)")


@pytest.mark.parametrize(("content", "words"), [
    ("Fehler: Übergabe".encode(), "Fehler: Übergabe"),
    ("Fehler: Übergabe".encode("utf-8-sig"), "Fehler: Übergabe"),
    ("Fehler: Übergabe".encode("utf-16"), "Fehler: Übergabe"),
    ("Fehler: Übergabe".encode("cp1252"), "Fehler: Übergabe"),
    (b"<config><host>files01</host></config>", "<config><host>files01</host></config>"),
    (b"one\x00two", "onetwo"),
    (b"", ""),
])  # fmt: skip
def test_a_text_is_read_in_its_encoding(content: bytes, words: str) -> None:
    assert text_of(content, FileKind.TEXT, "a.log") == words


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" + b"x" * 50, b"%PDF-1.7", b"\x1f\x8b\x08", b"\x00\x01\x02\x00" * 500]
)
def test_what_is_no_text_is_said(content: bytes) -> None:
    with pytest.raises(UnreadError, match="it is no text"):
        text_of(content, FileKind.TEXT, "a.log")


def test_documents_are_read_as_they_are_for_the_knowledge_base() -> None:
    assert "Restart the spooler" in text_of(
        pdf([[(12, "Restart the spooler on PRN-07, then print the test page.")]]), FileKind.PDF, "a.pdf"
    )
    assert "Restart the spooler" in text_of(word([("", "Restart the spooler")]), FileKind.WORD, "a.docx")
    with pytest.raises(UnreadError, match="cannot be read as a PDF"):
        text_of(b"%PDF-1.7 and nothing", FileKind.PDF, "a.pdf")


def test_a_document_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "WALL_SECONDS", 0.01)
    with pytest.raises(UnreadError, match="could not be read in 0 seconds"):
        text_of(pdf([[(12, "x")]]), FileKind.PDF, "a.pdf")


@sees
def test_the_words_in_a_picture_are_read() -> None:
    words = text_of(PICTURE.read_bytes(), FileKind.PICTURE, "a.png")
    assert "Error code: 0x80070035" in words
    assert "The network path was not found." in words


def claiming(width: int, height: int) -> bytes:
    """The head of a PNG that says how large it is (RFC 2083, 4.1.1), and nothing of it."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + b"\0" * 4


@sees
@pytest.mark.parametrize(("content", "why"), [
    (claiming(8000, 5000), "it has 40 megapixels, and 25 are the most"),
    (claiming(2**31 - 1, 2**31 - 1), "megapixels, and 25 are the most"),
    (claiming(600, 400), "it is no picture that can be read"),
    (b"no picture at all", "it is no picture that can be read"),
    (b"", "it is no picture that can be read"),
])  # fmt: skip
def test_a_picture_that_cannot_be_read_is_refused_in_words(content: bytes, why: str) -> None:
    with pytest.raises(UnreadError, match=why):
        text_of(content, FileKind.PICTURE, "a.png")


def test_the_size_is_read_before_anything_is_unpacked() -> None:
    assert read(claiming(99, 400), "none") == read(claiming(400, 29), "none") == {"text": ""}
    assert "refused" in read(claiming(5_001, 5_000), "none")


@sees
def test_a_logo_has_no_words() -> None:
    assert text_of(claiming(99, 400), FileKind.PICTURE, "a.png") == ""


def test_without_a_reader_of_pictures_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    picture_languages.cache_clear()
    with pytest.raises(UnreadError, match="tesseract-ocr") as refused:
        text_of(PICTURE.read_bytes(), FileKind.PICTURE, "a.png")
    picture_languages.cache_clear()
    assert str(refused.value) == NO_READER

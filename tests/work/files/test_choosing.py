"""Which files of a ticket are read."""

from __future__ import annotations

import pytest

from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile
from deskhand.work.files.choosing import MOST_FILES, FileKind, choose, short_name


def file(name: str, size: int | None = None) -> AttachedFile:
    return AttachedFile(id=name, name=name, size=size)


@pytest.mark.parametrize(("name", "kind"), [
    ("crash.log", FileKind.TEXT), ("CRASH.LOG", FileKind.TEXT), ("dump.tar.json", FileKind.TEXT),
    ("invoice.pdf", FileKind.PDF), ("steps.docx", FileKind.WORD), ("Screenshot 2026-11-30.PNG", FileKind.PICTURE),
    ("photo.jpeg", FileKind.PICTURE), ("setup.exe", None), ("archive.zip", None), ("png", None),
    ("notes.png.lnk", None), (".log", None),
])  # fmt: skip
def test_a_file_is_read_by_the_end_of_its_name(name: str, kind: FileKind | None) -> None:
    choice = choose([file(name, 50_000)])
    assert [one for _, one in choice.read] == ([kind] if kind else [])
    assert choice.unread == ()


def test_the_newest_are_read_first_and_no_more_than_so_many() -> None:
    choice = choose([file(f"{number}.log") for number in range(MOST_FILES + 2)])
    assert [one.name for one, _ in choice.read] == ["6.log", "5.log", "4.log", "3.log", "2.log"]
    assert choice.unread == (("1.log", "5 newer ones were"), ("0.log", "5 newer ones were"))


def test_what_is_too_large_is_said_and_a_logo_is_not() -> None:
    choice = choose([file("image001.png", 5_999), file("screen.png", 6_000), file("big.log", MAX_FILE_BYTES + 1024**2)])
    assert [one.name for one, _ in choice.read] == ["screen.png"]
    assert choice.unread == (("big.log", "it has 11 MB, and 10 are the most"),)
    assert [one.name for one, _ in choose([file("whole.log", MAX_FILE_BYTES)]).read] == ["whole.log"]


def test_a_long_name_keeps_its_end() -> None:
    assert short_name("a\nb  c.log") == "a b c.log"
    long = short_name(f"{'x' * 300}.log")
    assert (len(long), long[-6:]) == (80, "xx.log")

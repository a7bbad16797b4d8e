"""Which pictures wait for a model, and that a resumed run knows them though the ticket has other files by then."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.runs import ticket
from tests.support.written_pictures import chunk, words_on, written

from deskhand.errors import UnavailableError
from deskhand.plugins.contract import AttachedFile
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.work.files import reader
from deskhand.work.files.bare import MOST_BYTES, MOST_SIDE
from deskhand.work.files.eyes import MOST_SHOWN, Eyes, Fetch, Looked
from deskhand.work.files.read import FilesRead
from deskhand.work.files.reader import FileReader


class Journal:
    """What came of each step, by its key."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    async def step(self, *, key: str, body: Any, **_: Any) -> Any:
        if key not in self.kept:
            self.kept[key] = await body()
        return self.kept[key]


class Seeing:
    """A model that reads what is written on pictures, or fails."""

    def __init__(self, why: str = "") -> None:
        self.why = why
        self.questions: list[list[str]] = []

    async def look(self, names: Sequence[str], fetch: Fetch, *, key: str) -> Looked:
        assert key.startswith("read_pictures")
        try:
            words = [words_on(picture.content) for picture in await fetch()]
        except UnavailableError as error:
            return Looked(why=error.detail.rstrip("."))
        self.questions.append(list(names))
        return Looked(why=self.why) if self.why else Looked(tuple(words), "gpt-4o")


class Desk:
    """Gives out files by their ids."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents
        self.asked: list[str] = []

    async def read_file(self, _ticket_id: str, file: AttachedFile) -> bytes:
        self.asked.append(file.id)
        if file.id not in self.contents:
            raise DeskNotFoundError("There is no such file.")
        return self.contents[file.id]


@pytest.fixture(autouse=True)
def _reads_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "text_of", lambda _content, _kind, name: f"read here: {name}")


def files(*idents: str, public: bool | None = None) -> tuple[AttachedFile, ...]:
    return tuple(AttachedFile(id=ident, name=f"{ident}.png", public=public) for ident in idents)


async def read(
    desk: Desk, eyes: Seeing, attached: tuple[AttachedFile, ...], journal: Journal | None = None
) -> FilesRead:
    hands = SimpleNamespace(desk=desk)
    one = FileReader(cast("Any", hands), cast("Any", journal or Journal()), cast("Eyes", eyes))
    return await one.read(ticket(files=attached), look=1)


def png(width: int, height: int, data: int = 10) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", b"x" * data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


async def test_the_newest_are_shown_and_the_others_read_here() -> None:
    names = [f"p{number}" for number in range(MOST_SHOWN + 1)]
    eyes = Seeing()
    found = await read(Desk(**{name: written(f"on {name}") for name in names}), eyes, files(*names))
    newest = names[:0:-1]
    assert eyes.questions == [[f"{name}.png" for name in newest]]
    assert [one.text for one in found.texts] == [*(f"on {name}" for name in newest), "read here: p0.png"]
    assert found.remarks == (f"Read by gpt-4o: {', '.join(f'{name}.png' for name in newest)}.",)


@pytest.mark.parametrize("content", [
    b"BM" + b"\0" * 50, png(99, 400), png(400, 29), png(400, 300, MOST_BYTES), png(MOST_SIDE + 1, 100),
], ids=["another format", "narrow", "low", "heavy", "long"])  # fmt: skip
async def test_what_a_model_would_not_take_is_read_here(content: bytes) -> None:
    eyes = Seeing()
    found = await read(Desk(a=content), eyes, files("a"))
    assert (eyes.questions, [one.text for one in found.texts]) == ([], ["read here: a.png"])
    assert found.remarks == ()


async def test_where_the_model_is_no_help_all_are_read_here_and_it_is_said_once() -> None:
    eyes = Seeing(why="Nobody answers")
    attached = (*files("a", public=True), *files("b", public=False))
    found = await read(Desk(a=written("x"), b=written("y")), eyes, attached)
    assert eyes.questions == [["a.png"], ["b.png"]]
    assert [(one.text, one.public) for one in found.texts] == [("read here: b.png", False), ("read here: a.png", True)]
    assert found.remarks == ("No model was shown the pictures: Nobody answers.",)
    assert [one.name for one in found.public().texts] == ["a.png"]


async def test_a_resumed_run_shows_the_pictures_it_meant_though_newer_files_came_between() -> None:
    journal, desk = Journal(), Desk(a=written("on a"), b=written("on b"), new=written("on new"))
    attached = (*files("a", public=True), *files("b", public=False))
    await read(desk, Seeing(why="it died"), attached, journal)
    journal.kept = {"read_files": journal.kept["read_files"]}
    eyes = Seeing()
    found = await read(desk, eyes, (*attached, *files("new", public=True)), journal)
    assert eyes.questions == [["a.png"], ["b.png"]]
    assert [(one.name, one.text, one.public) for one in found.texts] == [
        ("b.png", "on b", False),
        ("a.png", "on a", True),
    ]


@pytest.mark.parametrize(("left", "why", "texts", "unread"), [
    ({}, "they could not be fetched again: There is no such file", [], [("a.png", "There is no such file")]),
    ({"a": b"another picture"}, "they are others than before", ["read here: a.png"], []),
])  # fmt: skip
async def test_a_picture_that_is_gone_when_the_run_is_resumed_costs_nothing_but_itself(
    left: dict[str, bytes], why: str, texts: list[str], unread: list[tuple[str, str]]
) -> None:
    journal = Journal()
    await read(Desk(a=written("on a")), Seeing(why="it died"), files("a"), journal)
    journal.kept = {"read_files": journal.kept["read_files"]}
    eyes = Seeing()
    found = await read(Desk(**left), eyes, files("a"), journal)
    assert eyes.questions == []
    assert [one.text for one in found.texts] == texts
    assert list(found.unread) == unread
    assert found.remarks == (f"No model was shown the pictures: {why}.",)

"""Small files that a power loss or a full disk must not tear, and coroutines that ordinary code waits for."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from deskhand.kit.db.blocking import run_blocking
from deskhand.kit.db.files import is_number, new_file, read_number, read_word, write_whole


def test_a_file_is_replaced_whole_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    write_whole(path, "20001")
    assert read_word(path) == "20001"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["port"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_text_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "port"
    write_whole(path, "20001")

    def refuse(*_arguments: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "write":
        monkeypatch.setattr(os, "fdopen", refuse)
    elif call == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "20002")
    monkeypatch.undo()
    assert read_word(path) == "20001"
    assert [one.name for one in tmp_path.iterdir()] == ["port"]


@pytest.mark.parametrize(
    ("content", "word"),
    [(b" word \n", "word"), (b"", ""), (b"\0\0\0\0", ""), (b"pass\0word", ""), (b"\xff\xfe", "\ufffd\ufffd")],
)
def test_what_a_torn_write_leaves_is_no_word(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "word"
    path.write_bytes(content)
    assert read_word(path) == (word if word.isprintable() else "")
    assert read_word(tmp_path / "missing") == ""


@pytest.mark.parametrize(
    ("text", "number"), [("5432\n", 5432), ("", None), ("5_4", None), ("-1", None), ("٣", None), ("1.5", None)]
)
def test_a_number_is_plain_digits(tmp_path: Path, text: str, number: int | None) -> None:
    path = tmp_path / "number"
    path.write_text(text, encoding="utf-8")
    assert read_number(path) == number
    assert is_number(text) is (number is not None)


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def fail() -> int:
    raise LookupError("as the coroutine raised it")


def test_a_coroutine_is_waited_for_from_ordinary_code() -> None:
    assert run_blocking(answer) == 42
    with pytest.raises(LookupError, match="as the coroutine"):
        run_blocking(fail)


async def test_a_coroutine_is_waited_for_from_inside_a_loop_on_a_loop_of_its_own() -> None:
    outer = asyncio.get_running_loop()

    async def inner() -> bool:
        return asyncio.get_running_loop() is outer

    assert run_blocking(answer) == 42
    assert run_blocking(inner) is False
    with pytest.raises(LookupError):
        run_blocking(fail)


def test_a_file_has_its_name_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "monday.backup"
    with new_file(path) as file:
        file.write(b"\x00first")
        file.flush()
        assert not path.exists()
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.name.startswith(".monday.backup-"), "hidden, and beside it: a rename needs one file system"
        file.write(b"second")
    assert path.read_bytes() == b"\x00firstsecond"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["monday.backup"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError, ValueError])
def test_nothing_is_left_of_a_file_that_was_not_finished(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "monday.backup"
    with pytest.raises(failure), new_file(path) as file:  # noqa: PT012 - the block is what fails
        file.write(bytes(1 << 20))
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays_when_the_new_one_fails(tmp_path: Path) -> None:
    path = tmp_path / "monday.backup"
    path.write_bytes(b"sunday's")
    with pytest.raises(OSError, match="full"), new_file(path) as file:  # noqa: PT012 - the block is what fails
        file.write(b"half")
        raise OSError("full")
    assert path.read_bytes() == b"sunday's"
    assert [one.name for one in tmp_path.iterdir()] == ["monday.backup"]


def test_a_folder_that_is_not_there_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "none" / "x"):
        pytest.fail("there is nothing to write into")

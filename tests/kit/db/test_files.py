"""Small files that a power loss or a full disk must not tear, and coroutines that ordinary code waits for."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from deskhand.kit.db.blocking import run_blocking
from deskhand.kit.db.files import is_number, read_number, read_word, write_whole


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

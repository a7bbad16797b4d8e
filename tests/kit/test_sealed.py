"""Sealed files: what is read is what was written, or nothing, whatever was done to the file in between."""

from __future__ import annotations

import io
import secrets

import pytest

from deskhand.errors import InvalidInputError
from deskhand.kit import sealed
from deskhand.kit.sealed import MAGIC, PIECE, TAG, Sealer, unsealed

PASSPHRASE = "correct horse battery staple"
HEADER = len(MAGIC) + 2 + 16 + 16


@pytest.fixture(autouse=True)
def cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a guess costs is not what these tests are about; the restore of a whole installation pays it."""
    monkeypatch.setitem(sealed._COST, "n", 2)


def seal(plain: bytes, *, step: int = 300_000) -> bytes:
    file = io.BytesIO()
    sealer = Sealer(file, PASSPHRASE)
    for start in range(0, len(plain), step):
        sealer.write(plain[start : start + step])
    sealer.finish()
    return file.getvalue()


def unseal(file: bytes, passphrase: str = PASSPHRASE) -> bytes:
    return b"".join(unsealed(io.BytesIO(file), passphrase))


def refusal(file: bytes, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(InvalidInputError) as raised:
        unseal(file, passphrase)
    return raised.value.detail


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7])
def test_what_was_sealed_is_read_again(size: int) -> None:
    plain = secrets.token_bytes(size)
    file = seal(plain)
    assert unseal(file) == plain
    assert len(file) == HEADER + size + TAG * max(1, -(-size // PIECE))
    assert size < 64 or plain[:64] not in file


def test_the_same_content_is_never_the_same_file() -> None:
    assert seal(b"the same")[len(MAGIC) + 2 :] != seal(b"the same")[len(MAGIC) + 2 :]


def test_no_piece_is_held_longer_than_it_must_be() -> None:
    file = io.BytesIO()
    sealer = Sealer(file, PASSPHRASE)
    for _ in range(5):
        sealer.write(bytes(PIECE))
    assert file.tell() == HEADER + 4 * (PIECE + TAG), "one is kept back, since it may be the last"


@pytest.mark.parametrize("passphrase", ["", "correct horse battery stapl", "correct horse battery staple "])
def test_another_passphrase_is_told_as_one(passphrase: str) -> None:
    assert "does not open this backup" in refusal(seal(b"x"), passphrase)


PLAIN = bytes(2 * PIECE + 1000)


@pytest.fixture(scope="module")
def file() -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sealed._COST, "n", 2)
        return seal(PLAIN)


@pytest.mark.parametrize(
    "length",
    [
        0,
        5,
        len(MAGIC),
        HEADER - 1,
        HEADER,
        HEADER + 1,
        HEADER + PIECE,
        HEADER + PIECE + TAG,
        HEADER + 2 * (PIECE + TAG),
        -1,
    ],
)
def test_a_file_that_is_cut_off_is_refused(file: bytes, length: int) -> None:
    words = refusal(file[:length])
    assert "cut off" in words or "no backup" in words
    whole_pieces = length in (HEADER + PIECE + TAG, HEADER + 2 * (PIECE + TAG))
    assert ("its end is missing" in words) == whole_pieces


@pytest.mark.parametrize("place", [len(MAGIC) + 3, HEADER - 1, HEADER, HEADER + PIECE, HEADER + PIECE + TAG + 9, -1])
def test_a_bit_that_is_turned_is_found(file: bytes, place: int) -> None:
    altered = bytearray(file)
    altered[place] ^= 1
    words = refusal(bytes(altered))
    assert "altered" in words
    assert "Nothing was changed" in words


def test_pieces_in_another_order_or_twice_are_refused(file: bytes) -> None:
    head, one, two = (
        file[:HEADER],
        file[HEADER : HEADER + PIECE + TAG],
        file[HEADER + PIECE + TAG : HEADER + 2 * (PIECE + TAG)],
    )
    rest = file[HEADER + 2 * (PIECE + TAG) :]
    for pieces in (two + one + rest, one + one + two + rest, one + rest, two + rest):
        assert "altered" in refusal(head + pieces)


def test_what_is_hung_on_behind_the_end_is_refused() -> None:
    file = seal(bytes(PIECE))
    assert "goes on behind its end" in refusal(file + b"more")


def test_a_piece_of_another_file_under_the_same_passphrase_is_refused(file: bytes) -> None:
    other = seal(PLAIN)
    spliced = file[: HEADER + PIECE + TAG] + other[HEADER + PIECE + TAG :]
    assert "altered" in refusal(spliced)


def test_a_newer_form_and_another_kind_of_file_are_named(file: bytes) -> None:
    newer = file[: len(MAGIC)] + (7).to_bytes(2, "big") + file[len(MAGIC) + 2 :]
    assert "form is 7" in refusal(newer)
    assert "no backup of Deskhand" in refusal(b"PGDMP" + bytes(100))

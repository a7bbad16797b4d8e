"""Files under a passphrase: encrypted and authenticated a piece at a time, so that memory stays bounded.

A header (sixteen bytes that say what it is, a version, a salt, a check of the key), then pieces of one mebibyte. Each
piece is AES-256-GCM under the file's own key with its number as nonce, and the last one says that it is the last: a
piece that is changed, missing, doubled or moved, and an end that is cut off, are refused (the STREAM construction of
Hoang, Reyhanitabar, Rogaway and Vizár, https://eprint.iacr.org/2015/189; age's files are built the same way). The key
is made of the passphrase by scrypt (RFC 7914) and bound to the header, so that nothing in it can be changed either.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from deskhand.errors import InvalidInputError

MAGIC = b"deskhand backup\n"
VERSION = 1
PIECE = 1 << 20
TAG = 16

_HEADER = len(MAGIC) + 2 + 16  # and the check behind it
_CHECK = 16
# 64 MiB and a quarter of a second for each guess. Part of the version and not of the header: whoever hands us a file
# must not choose how much memory we take.
_COST = {"n": 1 << 16, "r": 8, "p": 1, "maxmem": 1 << 27}


class Sealer:
    """Writes a sealed file; ``finish`` says that it is whole.

    Args:
        file: Where it goes, at its beginning.
        passphrase: What opens it.
    """

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        header = MAGIC + VERSION.to_bytes(2, "big") + secrets.token_bytes(16)
        key, check = _key_and_check(passphrase, header)
        self._cipher = AESGCM(key)
        self._file = file
        self._waiting = bytearray()
        self._number = 0
        file.write(header + check)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._waiting += data
        # One piece is kept back, since the last one is sealed as such and may not be empty unless the file is.
        while len(self._waiting) > PIECE:
            self._seal(bytes(self._waiting[:PIECE]), last=False)
            del self._waiting[:PIECE]

    def finish(self) -> None:
        """Seal the last piece; nothing may be written after it."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, None))
        self._number += 1


def unsealed(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """The pieces of a sealed file, each authenticated before it is given out.

    What came before a fault has been given out by then: whoever acts on the pieces reads the file to its end first.

    Raises:
        InvalidInputError: It is no such file, of a newer version, under another passphrase, altered, or cut off.
    """
    cipher = _opened(file, passphrase)
    number = 0
    piece = file.read(PIECE + TAG)
    while True:
        following = file.read(PIECE + TAG)
        last = not following
        try:
            yield cipher.decrypt(_nonce(number, last=last), piece, None)
        except InvalidTag as error:
            raise InvalidInputError(_fault(cipher, number, piece, last=last)) from error
        if last:
            return
        number, piece = number + 1, following


def _opened(file: BinaryIO, passphrase: str) -> AESGCM:
    header, check = file.read(_HEADER), file.read(_CHECK)
    if not header.startswith(MAGIC):
        raise InvalidInputError("This is no backup of Deskhand: it does not begin as one.")
    if len(check) < _CHECK:
        raise InvalidInputError("The backup is cut off within its first bytes; take another copy of it.")
    version = int.from_bytes(header[len(MAGIC) : len(MAGIC) + 2], "big")
    if version > VERSION:
        raise InvalidInputError(
            f"The backup's form is {version}, and this version of Deskhand knows {VERSION}: install the version that"
            " made it, or a newer one."
        )
    key, expected = _key_and_check(passphrase, header)
    if not hmac.compare_digest(check, expected):
        raise InvalidInputError(
            "The passphrase or key file does not open this backup (or the backup's first bytes were altered). Nothing"
            " was changed."
        )
    return AESGCM(key)


def _fault(cipher: AESGCM, number: int, piece: bytes, *, last: bool) -> str:
    try:
        # A good piece in the wrong place of "last or not": the file ends too early, or goes on behind its end.
        cipher.decrypt(_nonce(number, last=not last), piece, None)
    except InvalidTag:
        where = _HEADER + _CHECK + number * (PIECE + TAG)
        cut = " or cut off" if last else ""
        return f"The backup was altered{cut} at or after byte {where:,}; take another copy of it. Nothing was changed."
    how = "is cut off: its end is missing" if last else "goes on behind its end"
    return f"The backup {how}; take another copy of it. Nothing was changed."


def _key_and_check(passphrase: str, header: bytes) -> tuple[bytes, bytes]:
    secret = hashlib.scrypt(passphrase.encode(), salt=header[-16:], dklen=32, **_COST)
    made = HKDF(algorithm=SHA256(), length=32 + _CHECK, salt=None, info=header).derive(secret)
    return made[:32], made[32:]


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])

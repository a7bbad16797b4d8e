"""Passwords of people: which are refused, and how they are stored.

Length decides, not composition. The public draft of NIST SP 800-63B-4 ("Memorized Secret Verifiers") wants 64
characters and more to be allowed, no rule about kinds of characters, and what attackers try first to be refused; it
asks for eight characters, and 15 are our own floor, since a password may stand alone here. What attackers try first is
``zxcvbn``'s estimate over its lists of common passwords, names, words, dates and keyboard walks, with what is known of
the person added to them. Hashes are Argon2id with the second recommended parameters of RFC 9106 (64 MiB, three passes,
four lanes).
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import unicodedata
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY
from zxcvbn import zxcvbn

from deskhand.errors import FieldProblem, InvalidInputError, UnavailableError

MIN_LENGTH = 15
MAX_LENGTH = 256
ENOUGH_GUESSES = 10**12
"""Guesses a password must cost somebody who tries in the order that attackers do; zxcvbn's best grade is 10**10."""

AT_ONCE = 2
"""Hashes computed at the same time; each takes 64 MiB and most of a tenth of a second."""
IN_LINE = 40
"""Callers that may wait for a hash; beyond that an answer would come too late to be of use."""

_ESTIMATED = 72  # zxcvbn's own limit; what is longer is not worse for it
_PRODUCT = ("deskhand", "service desk", "helpdesk", "password", "passphrase")


def normalised(password: str) -> str:
    """One form for what looks the same, as the draft of NIST SP 800-63B-4 asks for Unicode passwords."""
    return unicodedata.normalize("NFKC", password)


def ensure_good_password(password: str, *, about: Sequence[str | None] = (), pointer: str = "/password") -> None:
    """Refuse a password that is short or that attackers try early.

    Args:
        password: The new password.
        about: What is known of the person (address, name); a password made of it is no secret.
        pointer: The field at fault, for the refusal.

    Raises:
        InvalidInputError: Says what to do instead.
    """
    length = len(normalised(password))
    if length < MIN_LENGTH:
        problem = (
            f"has {length} characters; use at least {MIN_LENGTH}, for example four words that do not belong together"
        )
    elif length > MAX_LENGTH:
        problem = f"has {length} characters; use at most {MAX_LENGTH}"
    elif _guesses(password, about) < ENOUGH_GUESSES:
        problem = "is one of those that attackers try first; use four words that do not belong together"
    else:
        return
    raise InvalidInputError(f"This password {problem}.", errors=[FieldProblem(pointer=pointer, detail=problem)])


def _guesses(password: str, about: Sequence[str | None]) -> int:
    texts = [text for text in (*about, *_PRODUCT) if text]
    # The parts of an address and a name as well: a password made of them is among the first that are tried.
    known = {part for text in texts for part in (text, text.partition("@")[0], *re.split(r"\W+", text)) if part}
    return int(zxcvbn(normalised(password)[:_ESTIMATED], user_inputs=sorted(known))["guesses"])


class Passwords:
    """Stores and checks passwords, a few at once: each costs much, and strangers may ask for it."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobodys = _hash_of_nothing()

    async def hash(self, password: str) -> str:
        """What is stored of a password.

        Raises:
            UnavailableError: Too many are being computed.
        """
        await self._wait()
        try:
            return await asyncio.to_thread(self._hasher.hash, normalised(password))
        finally:
            self._turns.release()

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one. Without a stored one the answer is no, and takes as long.

        Raises:
            UnavailableError: Too many are being computed.
        """
        await self._wait()
        try:
            same = await asyncio.to_thread(self._matches, stored or self._nobodys, normalised(password)[:MAX_LENGTH])
        finally:
            self._turns.release()
        return same and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _wait(self) -> None:
        # Refused at once and not after a long wait: a line without an end would hold memory for each sign-in of a
        # flood.
        if self._waiting >= IN_LINE:
            raise UnavailableError("Too many people sign in at this moment; try again shortly.", retry_after=5.0)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1


def _hash_of_nothing() -> str:
    """A hash that no password has, of the same cost to check as any other."""

    def part(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")

    kind = RFC_9106_LOW_MEMORY
    costs = f"m={kind.memory_cost},t={kind.time_cost},p={kind.parallelism}"
    return f"$argon2id$v={kind.version}${costs}${part(kind.salt_len)}${part(kind.hash_len)}"

"""Values kept from models behind placeholders, and put back into what they answer.

A placeholder is derived from its value with a key of the run, so that the same value has the same one in each request,
each attempt and each look, and a number never comes to mean another value because the ticket changed in between. It
says the value's kind and nothing else: without the key nobody can try phone numbers until one fits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from deskhand.kit.masking.found import spans
from deskhand.kit.masking.kinds import WORDS, MaskKind
from deskhand.kit.masking.names import Names
from deskhand.kit.secrets_in_text import names_a_secret

# Consonants alone: no word comes of them, nothing that looks for numbers sees one, and case does not matter.
_SIGNS = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 8
_KINDS = "|".join(kind.value for kind in MaskKind)
# With what models make of it: another case, Markdown's backslashes, a typographer's hyphens, a code cut short.
_ANY = re.compile(rf"(?i)(?<![A-Za-z])masked\\?[-‐‑–_]\\?({_KINDS})(?:\\?[-‐‑–_]\\?([A-Za-z]{{1,24}}+))?(?![A-Za-z])")
_PHONE_KEY = re.compile(r"(?i)(?:phone|mobile|telefon|cell|fax)")
PEOPLE_KEYS = frozenset(
    {"requester", "assignee", "author", "by", "technician", "reporter", "caller", "opened_by", "display_name",
     "full_name", "requester_name", "assigned_to"}
)  # fmt: skip
"""Of objects that tools answer with: under these names stand people."""
EXPLAINED = (
    "Words such as MASKED-MAIL-BCDFGHJK stand for values that are kept from you. They are put back afterwards: where"
    " a value belongs, write its word exactly as it is, and never make one up."
)


class Masker:
    """What one run keeps from models.

    Args:
        kinds: Which values.
        key: Of the run, and known to the workers alone.
    """

    def __init__(self, kinds: Collection[MaskKind], key: bytes) -> None:
        self.kinds = frozenset(kinds)
        self._key = key
        self._names = Names()
        self._values: dict[str, str] = {}
        self._masked: dict[str, str] = {}
        self._said: set[str] = set()
        self._foreign: set[str] = set()

    def learn(self, *names: str | None) -> None:
        """Take names from a ticket's fields."""
        if MaskKind.NAME not in self.kinds:
            return
        # Not any(): each of them is to be learned.
        if sum(self._names.learn(name) for name in names if name):
            self._masked.clear()

    def mask(self, text: str) -> str:
        """The text with placeholders in the place of values."""
        known = self._masked.get(text)
        if known is None:
            known = self._masked[text] = self._mask(text)
        return known

    def masked(self, value: Any) -> Any:
        """A JSON value with placeholders in all of its texts; what stands under a telling name is masked whole."""
        if isinstance(value, Mapping):
            return {self._masked_key(key): self._masked_field(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.masked(item) for item in value]
        return self.mask(value) if isinstance(value, str) else value

    def learn_people(self, value: Any) -> None:
        """Take the names of people from a JSON value that a tool answered with."""
        if isinstance(value, Mapping):
            for key, item in value.items():
                if key in PEOPLE_KEYS and isinstance(item, str):
                    self.learn(item)
                elif key in PEOPLE_KEYS and isinstance(item, Mapping) and isinstance(item.get("name"), str):
                    self.learn(item["name"])
                self.learn_people(item)
        elif isinstance(value, list | tuple):
            for item in value:
                self.learn_people(item)

    def note_said(self, value: Any) -> None:
        """Take from what a model said the words that only look like placeholders: what repeats them proves nothing."""
        self._said.update(self._strangers(value))

    def note_foreign(self, value: Any) -> None:
        """Take from what a model is told the words that only look like placeholders: whoever wrote them, they stay."""
        self._foreign.update(self._strangers(value) - self._said)

    def _strangers(self, value: Any) -> set[str]:
        found = (match for text in _texts(value) for match in _ANY.finditer(text))
        return {match[0].upper() for match in found if self._value(match) is None}

    def restored(self, value: Any) -> Any:
        """A JSON value with the true values in the place of placeholders; those that nobody gave out stay."""
        return _each_text(value, lambda text: _ANY.sub(lambda match: self._value(match) or match[0], text))

    def unknown(self, value: Any) -> list[str]:
        """Words of a restored value that look like placeholders and stand for nothing, or for nobody knows what."""
        found = (match[0] for text in _texts(value) for match in _ANY.finditer(text))
        return list(dict.fromkeys(word for word in found if word.upper() not in self._foreign))

    def without_unknown(self, value: Any) -> Any:
        """A restored value that says in words where a placeholder could not be read."""
        return _each_text(value, lambda text: _ANY.sub(self._in_words, text))

    def _mask(self, text: str) -> str:
        parts: list[str] = []
        done = 0
        for start, end, kind in spans(text, self.kinds, self._names):
            # What is masked already, as in an answer that is sent back, stays as it is.
            if _ANY.fullmatch(text, start, end):
                continue
            parts += (text[done:start], self._placeholder(kind, text[start:end]))
            done = end
        return "".join((*parts, text[done:])) if parts else text

    def _masked_key(self, key: Any) -> Any:
        return self.mask(key) if isinstance(key, str) else key

    def _masked_field(self, key: str, value: Any) -> Any:
        if not isinstance(value, str) or not value.strip():
            return self.masked(value)
        if MaskKind.SECRET in self.kinds and names_a_secret(key):
            return self._placeholder(MaskKind.SECRET, value)
        is_phone = MaskKind.PHONE in self.kinds and _PHONE_KEY.search(key)
        if is_phone and len(value) <= 40 and sum(sign.isdigit() for sign in value) >= 3:
            return self._placeholder(MaskKind.PHONE, value)
        return self.mask(value)

    def _placeholder(self, kind: MaskKind, value: str) -> str:
        again = 0
        while True:
            said = f"{kind}\0{value}" + "\0" * again
            digest = int.from_bytes(hmac.new(self._key, said.encode("utf-8", "surrogatepass"), hashlib.sha256).digest())
            word = f"MASKED-{kind.value.upper()}-{_spelt(digest)}"
            # Two values with one code are as rare as a stroke of lightning, and would be each other's.
            if self._values.setdefault(word, value) == value:
                return word
            again += 1

    def _value(self, match: re.Match[str]) -> str | None:
        return self._values.get(f"MASKED-{match[1].upper()}-{(match[2] or '').upper()}")

    def _in_words(self, match: re.Match[str]) -> str:
        if match[0].upper() in self._foreign:
            return match[0]
        return f"[{WORDS[MaskKind(match[1].lower())]}, masked and not restored]"


def tally(texts: Collection[str]) -> dict[str, int]:
    """How many different values of each kind stand masked in these texts."""
    words = {(match[1].lower(), match[2].upper()) for text in texts for match in _ANY.finditer(text) if match[2]}
    return dict(sorted(Counter(kind for kind, _ in words).items()))


def _spelt(digest: int) -> str:
    signs = []
    for _ in range(_LENGTH):
        digest, rest = divmod(digest, len(_SIGNS))
        signs.append(_SIGNS[rest])
    return "".join(signs)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {_each_text(key, change): _each_text(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value

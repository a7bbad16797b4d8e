"""Which of PostgreSQL's stemmers the words of a text are for (pure).

Past tickets and articles are stored in the words of the English stemmer, whatever their language; words of another
language are stored nearly as they were written. So it is the question that is stemmed by its own language, and finds
whatever begins with the stem: *настройки* asks for *настройк…*. That needs nothing of what is stored, so what was there
before is found in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ENGLISH = "english"

LISTED = (
    "danish", "dutch", "english", "finnish", "french", "german", "hungarian", "italian", "nepali", "norwegian",
    "portuguese", "russian", "spanish", "swedish", "turkish",
)  # fmt: skip
"""Languages whose words without meaning (and, the, of) PostgreSQL knows: they tell languages apart."""

_OTHERS = {
    "basque": "eta da ez bat du dira zen baina den dut ere nola",
    "catalan": "el els les amb per no una és dels pel aquest això què hi",
    "estonian": "ja ei on see kui et oli ka aga mis ning siis",
    "indonesian": "yang dan di ke dari tidak ini itu untuk dengan saya bisa pada",
    "irish": "agus an na ar ag go bhfuil tá sé le níl",
    "lithuanian": "ir yra ne į su kad iš kaip bet tai nuo aš",
    "romanian": "și şi nu este în la cu pe că din să care pentru",
    "serbian": "i je da se na ne su za nije sam što od kako",
    # Hebrew has its letters, and no stemmer here.
    "yiddish": "דער די דאס איז און ניט מיט אויף האט",
}
"""The same of those that PostgreSQL stems without knowing them. A few of each; those of a listed language are more."""

_SCRIPTS = (
    ("arabic", re.compile(r"[\u0620-\u06ff]")),
    ("armenian", re.compile(r"[\u0531-\u0587]")),
    ("greek", re.compile(r"[\u0370-\u03ff]")),
    ("hindi", re.compile(r"[\u0900-\u097f]")),
    ("russian", re.compile(r"[\u0400-\u04ff]")),
    ("tamil", re.compile(r"[\u0b80-\u0bff]")),
)
# Letters, and the signs that Devanagari and Tamil write their vowels with, which Python calls no part of a word.
_WORD = re.compile(r"(?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f\u0b82\u0bbe-\u0bcd])+")
_NAME = re.compile(r"[0-9!-/:-@\[-`{-~]")
_MOST_WORDS = 60
_SHORTEST_ROOT = 4
"""Letters. What begins with fewer is too often another word."""


def words_of(text: str) -> list[str]:
    """The first different words of a text, in lower case."""
    return list(dict.fromkeys(_WORD.findall(text.lower())))[:_MOST_WORDS]


def language_of(words: Sequence[str], listed: Mapping[str, Sequence[str]]) -> str:
    """The language whose words without meaning a text has most of; else the one of its letters; else English.

    Args:
        words: Of the text, in lower case.
        listed: Of each of them that is in a list of PostgreSQL, whose lists.

    Returns:
        The name of a stemmer. English too where nothing can be told: a heading, a language without a stemmer.
    """
    votes: dict[str, float] = {}
    for word in words:
        languages = [*listed.get(word, ()), *(name for name, theirs in _OTHERS.items() if word in theirs.split())]
        for name in languages:
            # "de" is a word of six languages and says little of each.
            votes[name] = votes.get(name, 0.0) + 1 / len(languages)
    most = max(votes.values(), default=0.0)
    leading = [name for name, count in votes.items() if count == most]
    if len(leading) == 1:
        return leading[0]
    text = " ".join(words)
    by_letters = [(len(letters.findall(text)), name) for name, letters in _SCRIPTS]
    count, name = max(by_letters)
    return name if count * 2 > len(text) - len(words) else ENGLISH


def root_of(lexeme: str, stem: str) -> str:
    """With what a word begins that counts as this one; empty where it stands for itself alone.

    Args:
        lexeme: As it is stored.
        stem: Of its language's stemmer.
    """
    # "prn-204" is no word of a language, and "prn-2045" another printer.
    return stem if len(stem) >= _SHORTEST_ROOT and not _NAME.search(lexeme) else ""


__all__ = ["ENGLISH", "LISTED", "language_of", "root_of", "words_of"]

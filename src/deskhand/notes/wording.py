"""What a note says in its own words, in the language of its ticket (pure).

The English text is the key, as in gettext: what a catalogue lacks is said in English. What is quoted of a ticket or a
source stays as it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from deskhand.notes.facts import NoteFacts
from deskhand.notes.language import ENGLISH, language_of

LANGUAGES = ("de", "fr", "es", "pt")
"""Besides English; each has a catalogue."""


class Words:
    """Says things in one language.

    Args:
        language: One of ``LANGUAGES``; English where there is no catalogue.
    """

    def __init__(self, language: str = ENGLISH) -> None:
        self._catalogue = catalogue(language)

    def __call__(self, text: str, **values: object) -> str:
        """The English text in this language.

        Args:
            text: With a name in braces for each value.
            values: Put in as they are.
        """
        said = self._catalogue.get(text, text)
        return said.format(**values) if values else said


@cache
def catalogue(language: str) -> dict[str, str]:
    """English to another language; empty for English, and for a language that has none."""
    if language not in LANGUAGES:
        return {}
    source = files("deskhand.notes").joinpath("catalogues", f"{language}.json")
    return dict(json.loads(source.read_text(encoding="utf-8")))


def words_for(facts: NoteFacts) -> Words:
    """The language of a ticket: of what was filed and, where that says nothing, of what its requester wrote since."""
    said = (turn.text for turn in facts.conversation if turn.who == "requester")
    return Words(language_of(facts.subject, facts.description, *said))


def spellings(text: str) -> Iterable[str]:
    """A text in every language, English first: to know a sentence of ours again."""
    return dict.fromkeys((text, *(catalogue(language).get(text, text) for language in LANGUAGES)))


__all__ = ["LANGUAGES", "Words", "catalogue", "spellings", "words_for"]

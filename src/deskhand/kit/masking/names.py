"""Names of people in a text, known from a ticket's own fields: nobody guesses what else might be a name. Pure.

A name is found as it stands in its field, with its parts turned round (``Weber, Anna``), and by each of its parts where
that begins with a capital letter, which tells ``Mark`` from ``mark``. Words are looked up and not searched for, so that
a text with a hundred known names costs what a text with one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

MOST_NAMES = 500
"""Of one run; what is learned beyond it is not masked by name."""
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*+")
_BETWEEN = re.compile(r"[ \u00a0,.\t\r\n]{0,3}")
_SHORTEST = 3
_LONGEST = 6  # words
# Of accounts that no person is behind, and of titles.
_NOBODY = frozenset({
    "admin", "administrator", "agent", "alert", "alerts", "automation", "bot", "desk", "dr", "frau", "herr", "helpdesk",
    "hotline", "ing", "info", "it", "mail", "miss", "monitor", "monitoring", "mr", "mrs", "ms", "noreply", "prof",
    "reply", "root", "scanner", "service", "servicedesk", "support", "system", "team", "the", "user", "van", "von",
    "der", "den", "del", "las", "los", "and", "und",
})  # fmt: skip


class Names:
    """The names that a run has met."""

    def __init__(self) -> None:
        self._wholes: dict[str, set[tuple[str, ...]]] = {}
        self._parts: set[str] = set()
        self._known: set[str] = set()

    def learn(self, name: str) -> bool:
        """Take a name from a field; whether it is a new one."""
        if name in self._known or len(self._known) >= MOST_NAMES or "@" in name:
            return False
        words = [word.casefold() for word in _WORD.findall(name)]
        telling = [word for word in words if len(word) >= _SHORTEST and word not in _NOBODY]
        if not telling or len(words) > _LONGEST:
            return False
        self._known.add(name)
        self._parts.update(telling)
        # As it stands there, and without titles, also turned round.
        for order in (words, telling, [*telling[-1:], *telling[:-1]]):
            self._wholes.setdefault(order[0], set()).add(tuple(order))
        return True

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where known names stand, the longest at each place."""
        if not self._known:
            return
        words = list(_WORD.finditer(text))
        place = 0
        while place < len(words):
            count = self._whole_at(text, words, place)
            if count:
                yield words[place].start(), words[place + count - 1].end()
            elif self._is_part(words[place][0]):
                yield words[place].span()
            place += max(count, 1)

    def _whole_at(self, text: str, words: list[re.Match[str]], place: int) -> int:
        """How many words from here on are a whole name; a single word is looked at as a part."""
        longest = 0
        for whole in self._wholes.get(words[place][0].casefold(), ()):
            here = words[place : place + len(whole)]
            if len(whole) <= max(longest, 1) or [word[0].casefold() for word in here] != list(whole):
                continue
            gaps = pairwise(here)
            if all(_BETWEEN.fullmatch(text, one.end(), other.start()) for one, other in gaps):
                longest = len(whole)
        return longest

    def _is_part(self, word: str) -> bool:
        if not word[0].isupper():
            return False
        bare = word.casefold()
        # Annas Laptop, Anna's laptop; and of a double name, each half.
        forms = (bare, bare.removesuffix("'s").removesuffix("’s"), bare.removesuffix("s"))
        return any(form in self._parts for form in forms)

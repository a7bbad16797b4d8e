"""What exists, and which of it a mistyped word most likely means: the end of a sentence that refuses the word. Pure."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable

LISTED = 20
LISTED_CHARACTERS = 300
"""Of names so long that the sentence would be cut, and lose what was most likely meant."""
_COMPARED_CHARACTERS = 100  # a longer word is no slip of the hand, and comparing costs time


def nearest(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The known word that is most like another one, whatever its case; None if none is.

    Args:
        word: As somebody wrote it.
        known: What there is.
        likeness: From 0 (anything) to 1 (the same).
    """
    spellings = {name.casefold(): name for name in reversed(list(known))}
    close = difflib.get_close_matches(word.casefold()[:_COMPARED_CHARACTERS], spellings, n=1, cutoff=likeness)
    return spellings[close[0]] if close else None


def what_exists(word: str, known: Iterable[str]) -> str:
    """``there are 'a', 'b'; did you mean 'b'?`` for a word that is none of them.

    Args:
        word: As somebody wrote it.
        known: What there is; of a long list the first ones are named.
    """
    names = list(dict.fromkeys(known))
    if not names:
        return "there are none yet"
    shown = _first(names)
    listed = ", ".join(f"'{name}'" for name in shown)
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    close = nearest(word, names)
    hint = f"; did you mean '{close}'?" if close else ""
    return f"there {'is' if len(names) == 1 else 'are'} {listed}{more}{hint}"


def _first(names: list[str]) -> list[str]:
    """As many names as a sentence can hold, and one at least."""
    ends = itertools.accumulate(len(name) + 4 for name in names)  # two quotes, a comma, a blank
    return names[: min(LISTED, max(1, sum(end <= LISTED_CHARACTERS for end in ends)))]

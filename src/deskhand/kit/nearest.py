"""What exists, and which of it a mistyped word most likely means: the end of a sentence that refuses the word. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 20
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
    listed = ", ".join(f"'{name}'" for name in names[:LISTED])
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    close = nearest(word, names)
    hint = f"; did you mean '{close}'?" if close else ""
    return f"there {'is' if len(names) == 1 else 'are'} {listed}{more}{hint}"

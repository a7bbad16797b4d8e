"""A configured word in a text of somebody's."""

from __future__ import annotations

import re


def has_word(text: str, word: str) -> bool:
    """Whether a text says a word by itself, in any case: ``#handover`` is not in ``#handovers``.

    Args:
        text: Anybody's.
        word: Without white space at its ends.
    """
    # Looked around and not matched, so that the time grows with the text alone.
    return re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text.casefold()) is not None

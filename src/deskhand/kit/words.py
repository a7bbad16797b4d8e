"""A configured word in a text of somebody's, and a name as it may stand in a mail of ours."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

Word = Annotated[str, StringConstraints(min_length=2, max_length=100, pattern=r"^[^\s\x00]+$")]
"""A word as somebody configures it: anything without white space."""
_NOT_PLAIN = re.compile(r"[^\w \-+#']+")


def has_word(text: str, word: str) -> bool:
    """Whether a text says a word by itself, in any case: ``#handover`` is not in ``#handovers``.

    Args:
        text: Anybody's.
        word: As it is configured.
    """
    # Looked around and not matched, so that the time grows with the text alone.
    return re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text.casefold()) is not None


def folded(words: str) -> str:
    """Words as they are compared: in any case, and with any white space between them."""
    return " ".join(words.split()).casefold()


def plain(words: str, *, most: int = 80) -> str:
    """A name on one line, without what makes an address, a mark-up or a header of it."""
    return " ".join(_NOT_PLAIN.sub(" ", words).split())[:most] or "…"

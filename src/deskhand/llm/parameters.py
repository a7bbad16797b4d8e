"""Which of an agent's parameters a gateway did not take, by the gateway's own words.

Which model takes which parameter is in no list that stays true, and vendors say it in words of their own; so the words
are looked through for the names that were sent.
"""

from __future__ import annotations

import re
from collections.abc import Collection

SAID = " It said: "
_UNSUPPORTED = re.compile(
    r"(?:un|not |n't |no longer )support|unknown|unrecogni[sz]ed|unexpected|extra (?:input|field|param)|not permitted"
    r"|not allowed|does not exist|no such",
    re.IGNORECASE,
)


def refused_parameter(names: Collection[str], detail: str) -> str | None:
    """The first of the names that a refusal is about; None if it names none.

    Args:
        names: The agent's parameters that were sent.
        detail: The error's sentence; what the server said stands at its end.
    """
    said = detail.partition(SAID)[2]
    return next((name for name in names if _names(said, name)), None)


def is_unsupported(detail: str) -> bool:
    """Whether the server does not know what it refused, rather than its value."""
    return _UNSUPPORTED.search(detail.partition(SAID)[2]) is not None


def _names(said: str, name: str) -> bool:
    # A name such as `stop` or `user` is a word of English too: it counts where it stands as names do.
    word = re.escape(name)
    places = rf"['\"`\[]{word}['\"`\]]|\b{word}\s?[:=]|\bparam(?:eter)?s?:? {word}\b|^{word}\b"
    return re.search(places, said) is not None or ("_" in name and re.search(rf"\b{word}\b", said) is not None)

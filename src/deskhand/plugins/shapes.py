"""Parts of an answer taken as what they should be: what has another shape counts as missing, not as a failure."""

from __future__ import annotations


def texts(value: object) -> tuple[str, ...]:
    """A list of words, such as labels or tags."""
    items = value if isinstance(value, list) else ()
    return tuple(str(item) for item in items if isinstance(item, str | int) and not isinstance(item, bool))

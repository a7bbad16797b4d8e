"""Parts of an answer taken as what they should be: what has another shape counts as missing, not as a failure."""

from __future__ import annotations

from collections.abc import Mapping


def texts(value: object) -> tuple[str, ...]:
    """A list of words, such as labels or tags."""
    items = value if isinstance(value, list) else ()
    return tuple(str(item) for item in items if isinstance(item, str | int) and not isinstance(item, bool))


def file_names(rows: object, key: str) -> tuple[str, ...]:
    """Names of attachments out of a list of them; one without a name is none that a reader could look for."""
    listed = rows if isinstance(rows, list) else []
    names = (str(row.get(key) or "").strip() for row in listed if isinstance(row, Mapping))
    return tuple(name for name in names if name)

"""Parts of an answer taken as what they should be: what has another shape counts as missing, not as a failure."""

from __future__ import annotations

from collections.abc import Mapping

from deskhand.plugins.values import AttachedFile

_LONGEST_NUMBER = 18


def texts(value: object) -> tuple[str, ...]:
    """A list of words, such as labels or tags."""
    items = value if isinstance(value, list) else ()
    return tuple(str(item) for item in items if isinstance(item, str | int) and not isinstance(item, bool))


def file_names(rows: object, key: str) -> tuple[str, ...]:
    """Names of attachments out of a list of them; one without a name is none that a reader could look for."""
    listed = rows if isinstance(rows, list) else []
    names = (str(row.get(key) or "").strip() for row in listed if isinstance(row, Mapping))
    return tuple(name for name in names if name)


def attached_files(
    rows: object, *, name: str, size: str = "size", public: bool | None = None
) -> tuple[AttachedFile, ...]:
    """Files out of a list of attachments; one without id or name could not be asked for, and counts as not there.

    Args:
        rows: As sent.
        name: Key of a file's name.
        size: Key of its length.
        public: Whether the requester sees what they hang on; None where the desk does not say.
    """
    listed = rows if isinstance(rows, list) else []
    found = ((_file_id(row), row) for row in listed if isinstance(row, Mapping))
    named = ((ident, str(row.get(name) or "").strip(), row) for ident, row in found)
    return tuple(
        AttachedFile(id=ident, name=called, size=_length(row.get(size)), public=public)
        for ident, called, row in named
        if ident and called
    )


def _file_id(row: Mapping[str, object]) -> str:
    value = row.get("id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _length(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    # Some desks send numbers as text.
    digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER
    return int(str(value)) if digits else None

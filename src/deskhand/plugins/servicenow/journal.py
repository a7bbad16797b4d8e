"""Notes out of the text a record itself shows, for accounts that may not read the journal table; pure.

An entry begins with ``<time> - <name> (<label>)``. Label and form of the time follow the language and the profile of
the account, so neither is looked for by name: a journal's first line shows both, and its other entries repeat them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from deskhand.kit.times import in_utc, read_instant
from deskhand.plugins.contract import Note, Person
from deskhand.plugins.servicenow.query import Row, display_of

_FIRST = re.compile(r"\S[^\n]{6,40}? - [^\n]+? [(\uff08][^\n]{1,80}[)\uff09][ \t]*\n")
_DAY_FIRST = re.compile(
    r"(\d{1,2})([-./])(\d{1,2})\2(\d{4})\D+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\s*([AaPp])\.?[Mm]\.?)?"
)
_CJK = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})\D+(\d{1,2}):(\d{2})(?::(\d{2}))?")


def entries(row: Row, field: str) -> list[Note]:
    """Entries of one journal field as the record shows them, newest first; their bodies are as they stand."""
    text = display_of(row, field).replace("\r\n", "\n").lstrip()
    first = _FIRST.match(text)
    if first is None:
        return []
    label = re.escape(_label(first.group().rstrip()))
    heads = list(re.finditer(rf"^(\S[^\n]{{6,40}}?) - ([^\n]+?) {label}[ \t]*\n", text, re.MULTILINE))
    # A head has a time, and so a digit; a line of a note that ends in the same brackets usually has none.
    heads = [head for head in heads if any(sign.isdigit() for sign in head.group(1))]
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Note(
            # Numbered from the oldest, so that a new entry changes nobody's number; the text shows no ids.
            id=f"{field}-{len(heads) - position}",
            body=text[head.end() : end].strip(),
            public=field == "comments",
            author=Person(name=head.group(2)),
            created_at=shown_time(head.group(1)),
        )
        for position, (head, end) in enumerate(zip(heads, ends, strict=True))
    ]


def shown_time(text: str) -> datetime | None:
    """A time as a profile shows it, where the text itself says which number is the day; else None."""
    stored = read_instant(text)
    if stored is not None:
        return stored
    if match := _CJK.fullmatch(text.strip()):
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        return _moment(year, month, day, hour, minute, second)
    if match := _DAY_FIRST.fullmatch(text.strip()):
        one, two, year, hour, minute, second = (int(match.group(place) or 0) for place in (1, 3, 4, 5, 6, 7))
        half = (match.group(8) or "").lower()
        if match.group(2) == "/" and max(one, two) <= 12 and one != two:
            return None  # the day may stand first or second
        day, month = (two, one) if two > 12 else (one, two)
        return _moment(year, month, day, hour % 12 + 12 * (half == "p") if half else hour, minute, second)
    return None


def _label(line: str) -> str:
    """What stands in the last brackets of a line, with them; a label may have brackets in itself, and so may a name."""
    depth = 0
    for place in range(len(line) - 1, -1, -1):
        depth += (line[place] in ")\uff09") - (line[place] in "(\uff08")
        if depth == 0:
            return line[place:]
    return line


def _moment(*parts: int) -> datetime | None:
    try:
        return in_utc(datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]  # year to second
    except ValueError:
        return None

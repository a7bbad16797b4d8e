"""The part of a long text that tells what went wrong: lines with errors, and its end. Pure, in linear time."""

from __future__ import annotations

import re

CHARACTERS = 3_000
"""Of one file; a model with little room is shown the beginning of it."""
_LINE = 300
_TAIL = 5
_FAULTS = re.compile(
    r"error|fail|exception|fatal|critical|denied|refused|timed? ?out|cannot|could not|unable|invalid|not found|panic"
    r"|traceback|0x[0-9a-f]{4}|fehler|verweigert|erreur|refusé|falha|fallo",
    re.IGNORECASE,
)
_CHANGING = re.compile(r"\d+")


def excerpt(text: str, most: int = CHARACTERS) -> str:
    """A text, or of a long one what tells most: the newest different lines that name a fault, and its last lines.

    Args:
        text: Of a file.
        most: Characters.
    """
    whole = text.strip()
    if len(whole) <= most:
        return whole
    lines = [line.strip()[:_LINE] for line in whole.splitlines() if line.strip()]
    kept: dict[int, str] = {}
    seen: set[str] = set()
    size = 0
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        is_tail = number >= len(lines) - _TAIL
        if not is_tail and not _FAULTS.search(line):
            continue
        # A line that comes a thousand times differs in its time alone.
        alike = _CHANGING.sub("0", line)
        if alike in seen:
            continue
        if size + len(line) > most:
            break
        seen.add(alike)
        kept[number] = line
        size += len(line) + 1
    return "\n".join(_with_gaps(kept, len(lines)))


def _with_gaps(kept: dict[int, str], count: int) -> list[str]:
    shown: list[str] = []
    before = -1
    for number in sorted(kept):
        if number != before + 1:
            shown.append("…")
        shown.append(kept[number])
        before = number
    return shown if before == count - 1 else [*shown, "…"]

"""What a source answers, cut to what a model can read. Pure.

Long texts and long lists are shortened from the inside, so that what is left is still JSON and says that it was cut.
"""

from __future__ import annotations

import json
from typing import Any

ANSWER_CHARACTERS = 20_000
_MORE = " … (cut)"
# Characters of a text and items of a list or object, from generous to little: the first that fits is taken.
_STEPS = ((8_000, 200), (2_000, 100), (600, 40), (200, 20), (80, 8))


def cut_answer(value: Any, *, limit: int = ANSWER_CHARACTERS) -> tuple[Any, bool]:
    """The value in at most so many characters of JSON, and whether anything was left out.

    Args:
        value: JSON that came through ``read_json``, so that its depth is bounded.
        limit: Characters.
    """
    if _length(value) <= limit:
        return value, False
    for characters, items in _STEPS:
        shorter = _shortened(value, characters, items)
        if _length(shorter) <= limit:
            return shorter, True
    # Wide and deep at once: the beginning as text says more than nothing.
    return _cut_text(json.dumps(_shortened(value, *_STEPS[-1]), ensure_ascii=False), limit // 2), True


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))


def _shortened(value: Any, characters: int, items: int) -> Any:
    if isinstance(value, str):
        return _cut_text(value, characters)
    if isinstance(value, list):
        kept = [_shortened(one, characters, items) for one in value[:items]]
        return kept if len(value) <= items else [*kept, f"… and {len(value) - items} more (cut)"]
    if isinstance(value, dict):
        members = list(value.items())
        kept_members = {
            _cut_text(str(name), characters): _shortened(one, characters, items) for name, one in members[:items]
        }
        return kept_members if len(members) <= items else {**kept_members, "…": f"{len(members) - items} more (cut)"}
    return value


def _cut_text(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[:characters] + _MORE

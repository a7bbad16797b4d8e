"""What somebody made of input they were shown without its credentials, with those put back that were hidden.

Pure, and linear in the size of the input. A mark that stands for nothing any more is refused: stored, it would be sent
to a desk or a model in place of the credential.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator
from typing import Any, TypeAlias

from deskhand.errors import FieldProblem, InvalidInputError
from deskhand.executions.redaction import HIDDEN, redact
from deskhand.kit.pointer import pointer

MOST_PAIRS = 10_000
"""Edited elements times elements they may have been; beyond it an element is told by its place alone."""

Place: TypeAlias = tuple[str | int, ...]


def restored(edited: Any, original: Any, *, at: Place = ()) -> Any:
    """The edited copy of a value, with the credentials that were hidden from whoever edited it.

    Args:
        edited: A JSON value, made from ``redact(original)``.
        original: The value as it is stored.
        at: Path of the value within the request body, for the refusal.

    Raises:
        InvalidInputError: The edit left a mark of which nobody can say what it stands for.
    """
    shown = redact(original)
    # Where nothing was hidden the mark is somebody's own word.
    return edited if _text(shown) == _text(original) else _restored(edited, shown, original, at)


def _restored(edited: Any, shown: Any, original: Any, at: Place) -> Any:
    if isinstance(edited, str):
        return _restored_text(edited, shown, original, at)
    if isinstance(edited, dict):
        shown, original = (shown, original) if isinstance(shown, dict) else ({}, {})
        return {key: _restored(item, shown.get(key), original.get(key), (*at, key)) for key, item in edited.items()}
    if isinstance(edited, list):
        shown, original = (shown, original) if isinstance(shown, list) else ([], [])
        return _restored_items(edited, shown, original, at)
    return edited


def _restored_text(edited: str, shown: Any, original: Any, at: Place) -> Any:
    if HIDDEN not in edited:
        return edited
    if edited == shown:
        return original
    hidden = _hidden_parts(shown, original) if isinstance(shown, str) and isinstance(original, str) else []
    kept = edited.split(HIDDEN)
    # The marks of a text can be told by their order alone, and only while there are as many as were shown.
    if len(hidden) != len(kept) - 1:
        fault = FieldProblem(
            pointer(at),
            f"after this change nobody can tell which credential {HIDDEN} stands for: write the credential itself, or"
            " take it out",
        )
        raise InvalidInputError(f"{fault.pointer}: {fault.detail}.", errors=[fault])
    return kept[0] + "".join(secret + part for secret, part in zip(hidden, kept[1:], strict=True))


def _hidden_parts(shown: str, original: str) -> list[str]:
    """What each mark of a text stands for, in order: what lies between the parts that were left as they are."""
    first, *others = shown.split(HIDDEN)
    parts, end = [], len(first)
    for number, part in enumerate(others, start=1):
        # The last part is the text's end, wherever the same words stand before it.
        begin = len(original) - len(part) if number == len(others) else original.find(part, end)
        parts.append(original[end:begin])
        end = begin + len(part)
    return parts


def _restored_items(edited: list[Any], shown: list[Any], original: list[Any], at: Place) -> list[Any]:
    """Each element as the one it was shown for: first those nobody edited, wherever they stand now."""
    texts = [_text(item) for item in shown]
    places: dict[str, deque[int]] = defaultdict(deque)
    for source, text in enumerate(texts):
        places[text].append(source)
    sources: dict[int, int] = {}
    for place, item in enumerate(edited):
        same = places.get(_text(item))
        if same:
            sources[place] = same.popleft()
    changed = [place for place, item in enumerate(edited) if place not in sources and HIDDEN in _text(item)]
    unclaimed = {source for left in places.values() for source in left if HIDDEN in texts[source]}
    few = len(changed) * len(unclaimed) <= MOST_PAIRS
    is_same_length = len(edited) == len(shown)
    for place in changed:
        sought = unclaimed if few else unclaimed & {place}
        alike = _most_alike(edited[place], shown, sought, own_place=place if is_same_length else None)
        if alike is not None:
            unclaimed.discard(alike)
            sources[place] = alike
    return [
        _restored(item, shown[sources[place]], original[sources[place]], (*at, place))
        if place in sources
        else _restored(item, None, None, (*at, place))
        for place, item in enumerate(edited)
    ]


def _most_alike(item: Any, shown: list[Any], sources: Collection[int], *, own_place: int | None) -> int | None:
    """The one element that an edited one has most in common with; its own place decides between several."""
    words = Counter(_words(item))
    alike = {source: (words & Counter(_words(shown[source]))).total() for source in sources}
    most = max(alike.values(), default=0)
    best = [source for source, shared in alike.items() if shared == most]
    if own_place in best:
        return own_place
    # Having nothing in common is no likeness, and a credential goes to nobody by lot.
    return best[0] if len(best) == 1 and most else None


def _words(value: Any, at: Place = ()) -> Iterator[tuple[Place, str]]:
    """Words of a value that were not hidden, each with where it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _words(item, (*at, key))
    elif isinstance(value, list):
        for item in value:
            yield from _words(item, (*at, 0))
    else:
        yield from ((at, word) for word in str(value).split() if HIDDEN not in word)


def _text(value: Any) -> str:
    # JSON's text and not Python's equality, for which 1 is True.
    return json.dumps(value, sort_keys=True)

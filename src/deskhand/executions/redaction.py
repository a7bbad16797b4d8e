"""What must never be shown: credentials in what a desk sent or a step recorded.

Pure. A value under a telling key is replaced whole; inside texts, well-known forms of credentials are.
Token *counts* (``tokens_in``, ``max_tokens``) are not secrets and stay.
"""

from __future__ import annotations

from typing import Any

from deskhand.kit.secrets_in_text import names_a_secret, scrub

HIDDEN = "[hidden]"


def redact(value: Any) -> Any:
    """A copy of a JSON value without credentials."""
    if isinstance(value, dict):
        return {key: HIDDEN if _is_secret(key, item) else redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return scrub(value, HIDDEN, name_our_keys=False)
    return value


def restored(edited: Any, original: Any) -> Any:
    """What somebody made of the copy they were shown, with the credentials that were hidden from them put back.

    Args:
        edited: A JSON value, made from ``redact(original)``.
        original: The value as it is stored.
    """
    # Nobody edited this part: the stored one goes back whole, with everything that was hidden in it.
    if edited == redact(original):
        return original
    if isinstance(edited, dict) and isinstance(original, dict):
        shown = redact(original)
        return {
            key: original[key] if key in original and item == shown[key] else restored(item, original.get(key))
            for key, item in edited.items()
        }
    if isinstance(edited, list) and isinstance(original, list):
        return _restored_items(edited, original)
    return edited


def _restored_items(edited: list[Any], original: list[Any]) -> list[Any]:
    """Each element as the one it was shown for: first those nobody edited, wherever they stand now, then by place."""
    unclaimed = [(redact(item), item) for item in original]
    out = list(edited)
    changed = []
    for place, item in enumerate(edited):
        match = next((pair for pair in unclaimed if pair[0] == item), None)
        if match is None:
            changed.append(place)
        else:
            unclaimed.remove(match)
            out[place] = match[1]
    # An edited element can only be told by its place, and only while no element was added or taken away.
    if len(edited) == len(original):
        for place in changed:
            out[place] = restored(edited[place], original[place])
    return out


def _is_secret(key: str, item: Any) -> bool:
    return names_a_secret(key) and item not in (None, "") and not isinstance(item, (bool, int, float))

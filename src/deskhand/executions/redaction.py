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


def _is_secret(key: str, item: Any) -> bool:
    return names_a_secret(key) and item not in (None, "") and not isinstance(item, (bool, int, float))

"""What must never be shown: credentials in what a desk sent or a step recorded.

Pure. A value under a telling key is replaced whole; inside texts, well-known forms of credentials are.
Token *counts* (``tokens_in``, ``max_tokens``) are not secrets and stay.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "[hidden]"

_SECRET_KEY = re.compile(
    r"(?:^|[_\-.])(?:authorization|cookie|password|passwd|passphrase|secret|secrets|token|api[_\-]?key|apikey|authtoken|"
    r"technician[_\-]?key|private[_\-]?key|credential|credentials|signature)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_TEXT = re.compile(
    r"\b(?:dhk_|dhp_|whsec_|sk-|xox[abp]-|ghp_|glpat-)[A-Za-z0-9_\-+/=]{12,}"
    r"|\b(?:Bearer|Basic|Zoho-oauthtoken)\s+[A-Za-z0-9._~+/=\-]{12,}"
    r"|\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)


def redact(value: Any) -> Any:
    """A copy of a JSON value without credentials."""
    if isinstance(value, dict):
        return {key: HIDDEN if _is_secret(key, item) else redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return _SECRET_TEXT.sub(HIDDEN, value)
    return value


def restored(edited: Any, original: Any) -> Any:
    """What somebody made of the copy they were shown, with the credentials that were hidden from them put back.

    Args:
        edited: A JSON value, made from ``redact(original)``.
        original: The value as it is stored.
    """
    if edited == redact(original):
        return original
    if isinstance(edited, dict) and isinstance(original, dict):
        shown = redact(original)
        return {
            key: original[key] if key in original and item == shown[key] else restored(item, original.get(key))
            for key, item in edited.items()
        }
    if isinstance(edited, list) and isinstance(original, list) and len(edited) == len(original):
        return [restored(item, before) for item, before in zip(edited, original, strict=True)]
    return edited


def _is_secret(key: str, item: Any) -> bool:
    return (
        bool(_SECRET_KEY.search(_CAMEL.sub("_", key)))
        and item not in (None, "")
        and not isinstance(item, (bool, int, float))
    )

"""What must never be shown: credentials in what a desk sent or a step recorded.

Pure. A value under a telling key is replaced whole; inside texts, well-known forms of credentials are.
Token *counts* (``tokens_in``, ``max_tokens``) are not secrets and stay.
"""

from __future__ import annotations

from typing import Any

from deskhand.kit.secrets_in_text import without_secrets

HIDDEN = "[hidden]"


def redact(value: Any) -> Any:
    """A copy of a JSON value without credentials."""
    return without_secrets(value, HIDDEN, name_our_keys=False)

"""How strong a webhook secret must be that a person chose: whoever guesses it can start agents."""

from __future__ import annotations

import base64
import binascii

from deskhand.errors import FieldProblem, InvalidInputError

LEAST_CHARACTERS = 32
LEAST_BYTES = 24
_LEAST_DIFFERENT = 6  # 32 random decimal digits have fewer in one of ten million cases
_PREFIX = "whsec_"
_FIX = (
    f"use {LEAST_CHARACTERS} or more random characters, or {_PREFIX} and {LEAST_BYTES} or more random bytes in base64;"
    " left out, Deskhand makes one"
)


def ensure_strong(secret: str, pointer: str) -> None:
    """Refuse a webhook secret that can be guessed. One that is stored already is never asked.

    Args:
        secret: What a person wants to use.
        pointer: Where it stands in the request.

    Raises:
        InvalidInputError: It is too short, or repeats itself; the field and the fix are named, the secret is not.
    """
    fault = _weakness(secret.strip())
    if fault is not None:
        sentence = f"is too weak for a webhook secret: {fault}; {_FIX}"
        raise InvalidInputError(f"{pointer} {sentence}", errors=[FieldProblem(pointer, sentence)])


def is_strong(secret: str) -> bool:
    """Whether a person may choose it."""
    return _weakness(secret.strip()) is None


def _weakness(secret: str) -> str | None:
    if secret.startswith(_PREFIX):
        key = _decoded(secret.removeprefix(_PREFIX))
        if key is None:
            return f"what follows {_PREFIX} is not base64"
        return f"it holds {len(key)} bytes" if len(key) < LEAST_BYTES else _repetition(key)
    if len(secret) < LEAST_CHARACTERS:
        return f"it has {len(secret)} characters"
    return _repetition(secret.encode("utf-8", "replace"))


def _repetition(value: bytes) -> str | None:
    if len(set(value)) < _LEAST_DIFFERENT or value in (value + value)[1:-1]:
        return "it repeats itself"
    return None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None

"""Models that think before they answer, and what they take no order about. Knows nothing else of models."""

from __future__ import annotations

import re

# These families refuse `max_tokens` and any temperature but their own.
_REASONING = re.compile(r"(?:openai/|azure/)?(?:o\d|gpt-5)")


def is_reasoning(model: str) -> bool:
    """Whether a model decides its own temperature and counts its answer's tokens under another name."""
    return _REASONING.match(model) is not None

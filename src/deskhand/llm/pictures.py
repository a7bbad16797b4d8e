"""Pictures in a question to a model: what one is in a request, and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic_ai.messages import BinaryContent, ModelMessage, ModelRequest, ModelRequestPart, UserPromptPart

LEAST_TOKENS = 50_000
"""What the vendor that counts most takes for one: 2,833, and 5,667 for each of at most eight tiles (gpt-4o-mini)."""
PIXELS_PER_TOKEN = 250
"""Fewer than any vendor that counts by area takes for a token: 256 (16 by 16) to 784 (28 by 28)."""
_PIXELS = "pixels"


def picture_part(content: bytes, media_type: str, *, pixels: int) -> BinaryContent:
    """A picture as a part of a question.

    Args:
        content: Its bytes.
        media_type: ``image/png`` or another that models read.
        pixels: Its width by its height.
    """
    return BinaryContent(content, media_type=media_type, vendor_metadata={_PIXELS: pixels})


def most_tokens_of(picture: BinaryContent) -> int:
    """How many tokens a picture counts at most."""
    pixels = (picture.vendor_metadata or {}).get(_PIXELS, 0)
    return max(LEAST_TOKENS, int(pixels) // PIXELS_PER_TOKEN)


def without_pictures(messages: Sequence[ModelMessage]) -> tuple[list[ModelMessage], list[BinaryContent]]:
    """Messages without the pictures in them, and these."""
    pictures: list[BinaryContent] = []
    words: list[ModelMessage] = []
    for message in messages:
        if not isinstance(message, ModelRequest):
            words.append(message)
            continue
        parts: list[ModelRequestPart] = []
        for part in message.parts:
            if isinstance(part, UserPromptPart) and not isinstance(part.content, str):
                pictures += [one for one in part.content if isinstance(one, BinaryContent)]
                parts.append(replace(part, content=[one for one in part.content if not isinstance(one, BinaryContent)]))
            else:
                parts.append(part)
        words.append(replace(message, parts=parts))
    return words, pictures

"""What a tool answered, as a model and the trace read it: texts and values; what is more is named, and not followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from deskhand.kit.storable import MAX_DEPTH, storable

MOST_BLOCKS = 100


def answer_from(result: CallToolResult, clean: Callable[[str], str]) -> dict[str, Any]:
    """The answer, fit to be stored and to be read by a model.

    Args:
        result: As the server gave it.
        clean: Takes our credential out of a text.

    Raises:
        UnreadableJsonError: It is nested without measure.
    """
    blocks = result.content[:MOST_BLOCKS]
    texts = [block.text for block in blocks if isinstance(block, TextContent)]
    structured = result.structured_content
    # A server sends a structured answer as text too, for clients that know no better.
    if structured is not None:
        texts = [text for text in texts if not _says(text, structured)]
    members = {
        "failed": result.is_error,
        "text": "\n\n".join(texts),
        "structured": structured,
        "attached": [_named(block) for block in blocks if not isinstance(block, TextContent)],
        "left_out": max(0, len(result.content) - MOST_BLOCKS),
    }
    said = {name: value for name, value in members.items() if value not in (None, "", [], 0, False)}
    readable: dict[str, Any] = storable(said or {"text": ""}, max_depth=MAX_DEPTH, clean=clean)
    return readable


def _says(text: str, structured: Any) -> bool:
    try:
        return bool(json.loads(text) == structured)
    except (ValueError, RecursionError):
        return False


def _named(block: ContentBlock) -> dict[str, Any]:
    """What is attached, in words: neither an image nor an address is of use to a model of words."""
    match block:
        case ImageContent() | AudioContent():
            return {"kind": block.type, "type": block.mime_type, "bytes": len(block.data) * 3 // 4}
        case ResourceLink():
            return {"kind": "link", "name": block.name, "uri": str(block.uri)}
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return {"kind": "resource", "uri": str(resource.uri), "text": resource.text}
        case EmbeddedResource(resource=BlobResourceContents() as resource):
            return {"kind": "resource", "uri": str(resource.uri), "type": resource.mime_type or ""}
        case _:
            return {"kind": block.type}

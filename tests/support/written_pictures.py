"""Pictures whose words a test can read without a model: their pixels are the words' bytes. And a model that does."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs

from deskhand.simulators.models import Reply

WIDTH = 200
DATA_URL = "^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*$"
CONTENT_PARTS = {
    "type": "array",
    "items": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"type": {"const": "text"}, "text": {"type": "string", "minLength": 1}},
                "required": ["type", "text"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {
                    "type": {"const": "image_url"},
                    "image_url": {
                        "type": "object",
                        "properties": {
                            "url": {"type": "string", "pattern": DATA_URL},
                            "detail": {"enum": ["auto", "low", "high"]},
                        },
                        "required": ["url"],
                        "additionalProperties": False,
                    },
                },
                "required": ["type", "image_url"],
                "additionalProperties": False,
            },
        ]
    },
}  # fmt: skip
"""Of a user's message (https://platform.openai.com/docs/api-reference/chat/create), the kinds that we send."""


def written(words: str, *, beside: bytes = b"") -> bytes:
    """A grey PNG whose pixels are the words' bytes.

    Args:
        words: What stands on it.
        beside: Chunks that nobody sees, before the picture's data.
    """
    pixels = words.encode().ljust(WIDTH * max(40, -(-len(words.encode()) // WIDTH)), b"\0")
    rows = [pixels[at : at + WIDTH] for at in range(0, len(pixels), WIDTH)]
    head = struct.pack(">IIBBBBB", WIDTH, len(rows), 8, 0, 0, 0, 0)
    # Not packed: what is smaller than a screenshot is taken for a logo.
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), beside, chunk(b"IDAT", data), chunk(b"IEND", b"")])


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def words_on(picture: bytes) -> str:
    """What stands on a picture of ``written``."""
    at = picture.index(b"IDAT")
    (length,) = struct.unpack(">I", picture[at - 4 : at])
    rows = zlib.decompress(picture[at + 4 : at + 4 + length])
    return b"".join(rows[at + 1 : at + 1 + WIDTH] for at in range(0, len(rows), WIDTH + 1)).rstrip(b"\0").decode()


def pictures_in(body: Mapping[str, Any]) -> list[bytes]:
    """The pictures in a request, whose form is held to what servers take."""
    found: list[bytes] = []
    for message in body["messages"]:
        if isinstance(message["content"], list):
            jsonschema_rs.validate(CONTENT_PARTS, message["content"])
            urls = [part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url"]
            found += [base64.b64decode(url.partition(",")[2], validate=True) for url in urls]
    return found


def read_as(body: Mapping[str, Any], *words: str) -> Reply:
    """The answer that a request about pictures wants, with these words on them."""
    answer = {"pictures": [{"words": one, "shows": "A window."} for one in words]}
    if "response_format" in body:
        return Reply(content=json.dumps(answer))
    return Reply(tool_calls=((body["tools"][-1]["function"]["name"], answer),))


def sighted(
    otherwise: Callable[[Mapping[str, Any]], Reply], read: Callable[[bytes], str] = words_on
) -> Callable[[Mapping[str, Any]], Reply]:
    """A model that reads pictures, and answers whatever else as another would."""

    def script(body: Mapping[str, Any]) -> Reply:
        pictures = pictures_in(body)
        return read_as(body, *map(read, pictures)) if pictures else otherwise(body)

    return script

"""What came over the wire, before anybody believes it: mended, bounded, named, and explained."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, PARSE_ERROR, CallToolResult

from deskhand.connectors.errors import (
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
    SourceUnreachableError,
)
from deskhand.connectors.mcp import child, content, failures, server, stdio, wire
from deskhand.errors import InvalidInputError, LostClaimError
from deskhand.kit.answers import AnswerTooLargeError


class Pieces(httpx2.AsyncByteStream):
    """A body as it arrives."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    async def aclose(self) -> None:
        return


async def read(*pieces: bytes, status: int = 200, seen: wire.Seen | None = None, **headers: str) -> bytes:
    """What the SDK is given of an answer."""
    answer = httpx2.Response(status, headers={"content-type": "application/json", **headers}, stream=Pieces(*pieces))
    answer.request = httpx2.Request("POST", "http://tools.test/mcp")
    await (seen or wire.Seen()).look(answer)
    return await answer.aread()


@pytest.mark.parametrize(
    ("raw", "mended"),
    [
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\uDE00 \uD83D\uD83D\uDE00"', rb'"\ufffd \ufffd\uD83D\uDE00"'),
        # An escaped backslash and letters are no half of anything.
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (b'"caf\xc3"', '"caf\ufffd"'.encode()),
        (b'"a"\r\n\n"b"\r', b'"a"\r\n\n"b"\r'),
        (b"", b""),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1_000])
async def test_half_characters_are_mended_whatever_the_pieces(raw: bytes, mended: bytes, size: int) -> None:
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    assert await read(*pieces) == mended


async def test_a_conversation_has_room_for_so_much_and_says_why_it_ended() -> None:
    seen = wire.Seen(room=10)
    assert await read(b"12345", seen=seen) == b"12345"
    with pytest.raises(AnswerTooLargeError, match="together"):
        await read(b"123456", seen=seen)
    assert isinstance(seen.failure, AnswerTooLargeError)
    # From then on nothing of this conversation is believed.
    assert isinstance(failures.explained(seen.failure, seen), SourceError)


async def test_a_page_is_an_answer_to_no_call_and_a_notification_may_have_any() -> None:
    waiting = wire.Seen()
    assert await read(b"<html>", seen=waiting, **{"content-type": "text/html"}) == b"<html>"
    calling = wire.Seen(is_sent=True)
    with pytest.raises(SourceError, match="text/html, which is not MCP"):
        await read(b"<html>", seen=calling, **{"content-type": "text/html"})


@pytest.mark.parametrize(
    ("failure", "status", "kind", "words"),
    [
        (InvalidInputError("It is inside."), 0, SourceRefusedError, "It is inside"),
        (LostClaimError("gone"), 0, LostClaimError, "gone"),
        (AnswerTooLargeError("too long"), 200, SourceError, "too long"),
        (httpx2.ConnectError("refused"), 0, SourceUnreachableError, "refused"),
        (httpx2.ConnectTimeout(""), 0, SourceUnreachableError, "in time"),
        (httpx2.ReadTimeout(""), 0, SourceUnavailableError, "in time"),
        (TimeoutError(), 0, SourceUnavailableError, "in time"),
        (httpx2.ReadError(""), 0, SourceUnavailableError, "ReadError"),
        (httpx2.LocalProtocolError("Illegal header value b'secret'"), 0, SourceRefusedError, "look at its credential"),
        (BrokenPipeError("pipe"), 0, SourceUnavailableError, "pipe"),
        (FileNotFoundError("x"), 0, SourceUnreachableError, "not there"),
        (MCPError(CONNECTION_CLOSED, "ended"), 200, SourceError, "ended"),
        (MCPError(PARSE_ERROR, "garbled"), 200, SourceError, "garbled"),
        (MCPError(INVALID_PARAMS, "no such tool"), 404, SourceRefusedError, "no such tool"),
        (wire.SessionGoneError(), 404, SourceRefusedError, "forgets each session"),
        (ValueError("odd"), 200, SourceError, "not MCP"),
    ],
)
def test_each_failure_has_one_meaning(failure: Exception, status: int, kind: type[Exception], words: str) -> None:
    group = ExceptionGroup("tasks", [ExceptionGroup("more", [failure])])
    error = failures.explained(failures.first_of(group), wire.Seen(status=status))
    assert type(error) is kind
    assert words in error.detail
    assert "secret" not in error.detail


def answer(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    result = CallToolResult.model_validate({"content": list(blocks), **more})
    return content.answer_from(result, lambda text: text.replace("key", "[credential]"))


def test_an_answer_is_texts_and_values_and_names() -> None:
    words = {"type": "text", "text": "a key\x00"}
    assert answer(words, {"type": "text", "text": "b"}) == {"text": "a [credential]\n\nb"}
    assert answer() == {"text": ""}
    assert answer(words, isError=True) == {"failed": True, "text": "a [credential]"}
    sound = {"type": "audio", "data": base64.b64encode(b"x" * 30).decode(), "mimeType": "audio/wav"}
    assert answer(sound)["attached"] == [{"kind": "audio", "type": "audio/wav", "bytes": 30}]
    assert answer(*[words] * 130)["left_out"] == 30


@pytest.mark.parametrize("value", [{"a": 1}, {"key": ["key"]}, [], 0])
def test_a_value_that_is_sent_as_text_too_is_read_once(value: Any) -> None:
    both = answer({"type": "text", "text": json.dumps(value)}, structuredContent=value)
    assert "text" not in both or value in ([], 0)
    other = answer({"type": "text", "text": "{"}, structuredContent={"a": 1})
    assert other == {"text": "{", "structured": {"a": 1}}


async def test_a_command_outlives_no_conversation_and_nobody_can_add_to_it() -> None:
    assert child.LIFE_SECONDS > server.CALL_SECONDS + server.CLOSING_SECONDS
    for name in ("clock --help", "", "CLOCK", "/bin/sh"):
        with pytest.raises(SourceRefusedError, match="lists no command"):
            async with stdio.over_stdio(name, commands={"clock": ["/bin/true"]}):
                pass

"""The wire under the SDK's transport: our guarded client, and what its answers said before the SDK read them."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import httpx2

from deskhand.connectors.errors import SourceError, SourceRefusedError, SourceUnavailableError
from deskhand.kit.answers import AnswerTooLargeError
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.times import retry_after_seconds

ANSWER_BYTES = 4 * 1024 * 1024
"""Of one answer, unpacked; a listing of hundreds of tools has a few hundred kilobytes."""
CONVERSATION_BYTES = 16 * 1024 * 1024
_ANSWERS = ("application/json", "text/event-stream")
_SESSION = "mcp-session-id"
# An escaped backslash and a whole pair stay; what is left of the third kind is half a character.
_ESCAPES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


class SessionGoneError(Exception):
    """The server does not know our session any more: it was started again, and did nothing of what was asked."""


@dataclass(slots=True)
class Seen:
    """What came back during one conversation, for the sentence a person reads when it fails.

    Attributes:
        status: Of the last answer to a message.
        failure: Why an answer was not given to the SDK, which keeps such reasons to itself.
        room: Bytes that may still come.
        is_sent: Whether the call itself has left; before that, nothing is in doubt.
    """

    status: int = 0
    failure: Exception | None = None
    room: int = CONVERSATION_BYTES
    is_sent: bool = False

    async def look(self, response: httpx2.Response) -> None:
        """Hook of the client: refuse what is no answer, and make the rest readable.

        Raises:
            SessionGoneError: Ask again in a new session.
            SourceRefusedError: The server refuses our credential, or wants fewer calls.
            SourceUnavailableError: The server, or what stands before it, is not able to answer.
        """
        # Only messages matter: the SDK gets by without the stream of events and the farewell.
        if response.request.method == "POST":
            self.status = response.status_code
            self.failure = _failure(response, is_call=self.is_sent)
        if self.failure is not None:
            raise self.failure
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Readable(response.stream, self)

    def take(self, size: int) -> None:
        """Count what came.

        Raises:
            AnswerTooLargeError: It is too much, however many answers it is spread over.
        """
        self.room -= size
        if self.room < 0:
            raise AnswerTooLargeError(f"its answers are longer than {CONVERSATION_BYTES // 1_048_576} MiB together")


def wire_client(
    http: HttpClientFactory, seen: Seen, *, headers: Mapping[str, str], seconds: float
) -> httpx2.AsyncClient:
    """A client for one conversation; the caller closes it.

    Args:
        http: The installation's way out; its guard judges every address, and it follows no redirect.
        seen: Learns what comes back.
        headers: The credential, in its header.
        seconds: For one answer.
    """
    client = replace(http, answer_bytes=ANSWER_BYTES, answer_timeout=seconds).client(
        headers=dict(headers), read_timeout=seconds
    )
    client.event_hooks = {"response": [seen.look]}
    return client


def _failure(response: httpx2.Response, *, is_call: bool) -> Exception | None:
    status = response.status_code
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A proxy's page is no answer of the server, and the SDK gives it the code of one.
    if is_call and status == 200 and kind not in _ANSWERS:
        return SourceError(f"it answers with {kind or 'nothing'}, which is not MCP")
    # TypeScript's SDK answers 404 to a session it lost, and much that is built on it 400.
    if status in (400, 404) and _SESSION in response.request.headers:
        return SessionGoneError()
    if status in (401, 403):
        return SourceRefusedError(f"It refuses our credential ({status}).")
    if status == 429:
        wait = retry_after_seconds(response.headers.get("retry-after"))
        return SourceRefusedError("It asks for fewer calls (429).", retry_after=wait)
    if status >= 500:
        return SourceUnavailableError(f"It answered {status}.")
    return None


class _Readable(httpx2.AsyncByteStream):
    """JSON in which every text can be read: servers cut texts at a limit, and halve an emoji.

    The SDK would give up the whole answer, and a write that was done would be in doubt.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, seen: Seen) -> None:
        self._stream = stream
        self._seen = seen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        # In parts, because a stranger may send a byte at a time, and to join them at each would take the square.
        held: list[str] = []
        try:
            async for chunk in self._stream:
                self._seen.take(len(chunk))
                text = decoder.decode(chunk)
                # No escape goes over the end of a line: an event's data is one line, and a document may wait whole.
                end = max(text.rfind("\n"), text.rfind("\r")) + 1
                if end:
                    yield _mended("".join(held) + text[:end])
                    held = []
                held.append(text[end:])
        except AnswerTooLargeError as error:
            self._seen.failure = error
            raise
        yield _mended("".join(held) + decoder.decode(b"", final=True))

    async def aclose(self) -> None:
        await self._stream.aclose()


def _mended(text: str) -> bytes:
    return _ESCAPES.sub(lambda match: r"\ufffd" if match[1] else match[0], text).encode("utf-8", "replace")

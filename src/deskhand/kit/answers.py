"""The body of an answer, within bounds: what unpacks to more than it may, or takes longer, is broken off."""

from __future__ import annotations

import asyncio
import codecs
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

_PIECE = 64 * 1024
# No characters of a body: for names of hosts, for the source of a program, and of the machine that it runs on.
_OF_PYTHON = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "mbcs", "oem"}
_CODINGS = {"gzip": 47, "x-gzip": 47, "deflate": 47}  # 47: the header decides between gzip and zlib


class AnswerTooLargeError(httpx2.RemoteProtocolError):
    """The other side sends more than anybody asked for."""


def bounded(response: httpx2.Response, *, limit: int, deadline: float) -> httpx2.Response:
    """The answer with a body that is unpacked here, piece by piece, up to a limit and a time.

    Args:
        response: As the connection gave it; its body was not read yet.
        limit: Bytes of the unpacked body.
        deadline: Time of the event loop at which the body must be complete.

    Raises:
        AnswerTooLargeError: It is packed in a way that was not offered.
    """
    codings = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    named = [name for name in codings if name not in {"", "identity"}]
    if len(named) > 1 or any(name not in _CODINGS for name in named):
        raise AnswerTooLargeError(f"the answer is packed as {', '.join(named)}, which was not asked for")
    headers = response.headers.copy()
    if named:
        del headers["content-encoding"]
        # It counts the packed bytes; a reader would take the unpacked body for broken off.
        headers.pop("content-length", None)
    stream = _BoundedStream(response, unpack=_Unpacking() if named else None, limit=limit, deadline=deadline)
    answer = httpx2.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)
    if charset := answer.charset_encoding:
        answer.encoding = _readable(charset)
    return answer


def _readable(charset: str) -> str:
    """What is declared, if every body can be read as it: Python also knows ``hex``, ``zlib`` and ``undefined``."""
    try:
        name = codecs.lookup(charset).name
        b"a-\xff".decode(charset, "replace")
    except (LookupError, UnicodeError):
        return "utf-8"
    if name in _OF_PYTHON:
        return "utf-8"
    # These two refuse to read a body that does not begin with their mark, and senders leave it out.
    return f"{name}-le" if name in ("utf-16", "utf-32") else charset


class _Unpacking:
    """Unpacks in pieces, so that a small chunk never becomes a large one in memory."""

    def __init__(self) -> None:
        self._held = b""  # a head is two bytes, and a chunk may be one
        self._packed: zlib._Decompress | None = None
        self._parts = 0

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        rest, self._held = self._held + chunk, b""
        while rest:
            if self._packed is None:
                # After its end a packed body may be padded with zeros, or go on with another part.
                rest = rest.lstrip(b"\0") if self._parts else rest
                if len(rest) < 2:
                    self._held = rest
                    return
                self._packed = zlib.decompressobj(_window_of(rest))
                self._parts += 1
            try:
                # At most a piece at a time: one kilobyte of gzip can become a megabyte.
                piece = self._packed.decompress(rest, _PIECE)
            except zlib.error as error:
                raise httpx2.RemoteProtocolError(f"the packed answer is damaged ({error})") from error
            rest = self._packed.unconsumed_tail
            if self._packed.eof:
                rest, self._packed = self._packed.unused_data, None
            if piece:
                yield piece

    def end(self) -> None:
        """Nothing follows.

        Raises:
            httpx2.RemoteProtocolError: The body ends before its packing does: what was read is a part of the answer.
        """
        if self._packed is not None or self._held:
            raise httpx2.RemoteProtocolError("the packed answer breaks off")


def _window_of(head: bytes) -> int:
    """How the bytes are packed. "deflate" means zlib's form, and half of the world sends the bare one instead."""
    is_gzip = head[:2] == b"\x1f\x8b"
    is_zlib = head[0] & 0x0F == zlib.DEFLATED and int.from_bytes(head[:2], "big") % 31 == 0
    return _CODINGS["gzip"] if is_gzip or is_zlib else -zlib.MAX_WBITS


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, *, unpack: _Unpacking | None, limit: int, deadline: float) -> None:
        self._response = response
        self._unpack = unpack
        self._limit = limit
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._chunks():
            for piece in self._unpack.pieces(chunk) if self._unpack else (chunk,):
                size += len(piece)
                if size > self._limit:
                    raise AnswerTooLargeError(f"the answer is longer than {self._limit // 1_048_576} MiB")
                yield piece
        if self._unpack:
            self._unpack.end()

    async def _chunks(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx2.AsyncByteStream)
        chunks = aiter(self._response.stream)
        while True:
            try:
                # One deadline for all chunks: a limit for each alone would let a byte a second go on for ever.
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise httpx2.ReadTimeout("the answer did not end in time") from error
            yield chunk

    async def aclose(self) -> None:
        assert isinstance(self._response.stream, httpx2.AsyncByteStream)
        await self._response.stream.aclose()

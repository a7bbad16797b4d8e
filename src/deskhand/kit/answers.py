"""The body of an answer, within bounds: what unpacks to more than it may, or takes longer, is broken off."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx2

_PIECE = 64 * 1024
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
        headers.pop("content-length", None)
    stream = _BoundedStream(response, unpack=_Unpacking() if named else None, limit=limit, deadline=deadline)
    return httpx2.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)


class _Unpacking:
    """Unpacks in pieces, so that a small chunk never becomes a large one in memory."""

    def __init__(self) -> None:
        self._packed = zlib.decompressobj(_CODINGS["gzip"])
        self._raw = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        rest = chunk
        while rest:
            try:
                piece = self._packed.decompress(rest, _PIECE)
            except zlib.error as error:
                if self._raw:
                    raise httpx2.RemoteProtocolError(f"the packed answer is damaged ({error})") from error
                self._packed, self._raw = zlib.decompressobj(-zlib.MAX_WBITS), True
                continue
            self._raw = True  # its form is known from here on
            rest = self._packed.unconsumed_tail
            if self._packed.eof:
                rest = self._packed.unused_data.lstrip(b"\0")
                self._packed = zlib.decompressobj(_CODINGS["gzip"])
            if piece:
                yield piece


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

    async def _chunks(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx2.AsyncByteStream)
        chunks = aiter(self._response.stream)
        while True:
            try:
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

"""An answer's body has a size, a time, a packing that was offered, and an end."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from deskhand.kit.answers import AnswerTooLargeError, bounded

WORDS = b"The spooler was restarted. " * 500


class _Chunks(httpx2.AsyncByteStream):
    """A body in pieces; one that never ends waits after the last."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._chunks = chunks
        self._ends = ends
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if not self._ends:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


async def _read(*chunks: bytes, packed: str | None = None, limit: int = 1 << 20, ends: bool = True) -> bytes:
    headers = {"content-encoding": packed, "content-length": "7"} if packed else {}
    response = httpx2.Response(200, headers=headers, stream=_Chunks(*chunks, ends=ends))
    deadline = asyncio.get_running_loop().time() + (0.05 if not ends else 60)
    return await bounded(response, limit=limit, deadline=deadline).aread()


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "data"),
    [
        (None, WORDS),
        ("identity", WORDS),
        ("gzip", gzip.compress(WORDS, mtime=0)),
        ("X-GZIP", gzip.compress(WORDS, mtime=0)),
        ("deflate", zlib.compress(WORDS)),
        ("deflate", _raw_deflate(WORDS)),
        ("gzip", gzip.compress(WORDS[:100]) + gzip.compress(WORDS[100:])),
        ("gzip", gzip.compress(WORDS, mtime=0) + b"\0" * 20),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_a_body_is_unpacked_whatever_its_pieces(packed: str | None, data: bytes, size: int) -> None:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert await _read(*pieces, packed=packed) == WORDS


async def test_an_empty_body_is_empty_in_every_packing() -> None:
    assert await _read(packed="gzip") == await _read(b"", packed="deflate") == b""


@pytest.mark.parametrize(
    "data", [gzip.compress(WORDS, mtime=0)[:-12], gzip.compress(WORDS, mtime=0)[:40], zlib.compress(WORDS)[:-8]]
)
async def test_a_packed_body_that_breaks_off_is_no_answer(data: bytes) -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match="breaks off"):
        await _read(data, packed="gzip")


async def test_damaged_packing_is_a_fault_of_the_other_side() -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match="damaged"):
        await _read(b"no gzip at all", packed="gzip")


@pytest.mark.parametrize("packed", ["br", "zstd", "gzip, gzip"])
async def test_packing_that_was_not_offered_is_refused(packed: str) -> None:
    with pytest.raises(AnswerTooLargeError, match="not asked for"):
        await _read(WORDS, packed=packed)


async def test_the_limit_is_of_the_unpacked_body() -> None:
    assert len(await _read(WORDS, limit=len(WORDS))) == len(WORDS)
    for packed, data in ((None, WORDS), ("gzip", gzip.compress(WORDS, mtime=0))):
        with pytest.raises(AnswerTooLargeError, match="longer than"):
            await _read(data, packed=packed, limit=len(WORDS) - 1)


async def test_a_bomb_is_stopped_before_it_is_in_memory() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(AnswerTooLargeError):
        await _read(bomb, packed="gzip", limit=200_000)


async def test_a_body_that_never_ends_is_left_in_time() -> None:
    with pytest.raises(httpx2.ReadTimeout, match="did not end in time"):
        await _read(b"a", ends=False)


async def test_the_connection_is_given_back_and_the_headers_fit_what_is_read() -> None:
    stream = _Chunks(gzip.compress(WORDS, mtime=0))
    headers = {"content-encoding": "gzip", "content-length": "9", "etag": "x"}
    response = bounded(httpx2.Response(206, headers=headers, stream=stream), limit=1 << 20, deadline=1e12)
    assert response.status_code == 206
    assert dict(response.headers) == {"etag": "x"}
    await response.aread()
    await response.aclose()
    assert stream.closed

"""What of a picture leaves: what is drawn, in a file of its own; nothing of where, by whom, or what was cut off."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import imagesize
import pytest
from tests.support.written_pictures import chunk, words_on, written

from deskhand.work.files.bare import MOST_PARTS, bare

SCREEN = (Path(__file__).parent / "data" / "network-error.png").read_bytes()
SECRET = b"48.137154,11.576124 hunter2"
GIF = base64.b64decode("R0lGODlhAgABAPAAAAAAAP///yH5BAAAAAAALAAAAAACAAEAAAICBAoAOw==")
# The smallest of each kind of WebP that libwebp writes: lossy, lossless.
LOSSY = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
LOSSLESS = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")


def segment(marker: int, data: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def part(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def extended(flags: int, width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return part(b"VP8X", bytes([flags, 0, 0, 0]) + size)


FRAME = segment(0xC0, b"\x08" + struct.pack(">HH", 480, 640) + b"\x01\x01\x11\x00")
SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"data\xff\x00more\xff\xd0again"
TABLES = segment(0xC4, b"\x00\xff\xd9inside")
JPEG = b"".join([
    b"\xff\xd8", segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"), segment(0xE1, b"Exif\0\0" + SECRET),
    segment(0xFE, SECRET), b"\xff\xff\xff", FRAME[1:], segment(0xEE, b"Adobe"), SCAN, TABLES, SCAN, b"\xff\xd9",
    b"thumbnail " + SECRET,
])  # fmt: skip
PNG = written("0x80070035", beside=chunk(b"eXIf", SECRET) + chunk(b"tEXt", b"Comment\0" + SECRET)) + SECRET
ANIMATED = (
    GIF[:19] + b"\x21\xfe" + bytes([len(SECRET)]) + SECRET + b"\0" + GIF[19:-1] + GIF[27:-1] + b"\x21\xfe\x04last\0;"
)
WEBP = riff(extended(0x2C, 640, 480), LOSSY[12:], part(b"EXIF", SECRET), part(b"XMP ", SECRET))


@pytest.mark.parametrize(("content", "media_type", "size"), [
    (SCREEN, "image/png", imagesize.get(Path(__file__).parent / "data" / "network-error.png")),
    (PNG, "image/png", (200, 40)),
    (JPEG, "image/jpeg", (640, 480)),
    (GIF, "image/gif", (2, 1)),
    (ANIMATED, "image/gif", (2, 1)),
    (LOSSY, "image/webp", (1, 1)),
    (LOSSLESS, "image/webp", (1, 1)),
    (WEBP, "image/webp", (640, 480)),
])  # fmt: skip
def test_what_is_drawn_is_kept_and_nothing_else(content: bytes, media_type: str, size: tuple[int, int]) -> None:
    found = bare(content)
    assert found is not None
    assert (found.media_type, (found.width, found.height)) == (media_type, size)
    assert SECRET not in found.content
    assert b"last" not in found.content
    again = bare(found.content)
    assert again == found, "what is left is a picture, and all of it is drawn"


def test_what_is_drawn_is_as_it_was() -> None:
    png, jpeg, gif = bare(PNG), bare(JPEG), bare(ANIMATED)
    assert png is not None
    assert jpeg is not None
    assert gif is not None
    assert words_on(png.content) == "0x80070035"
    assert jpeg.content.endswith(SCAN + TABLES + SCAN + b"\xff\xd9")
    assert gif.content == GIF
    assert b"Exif" not in jpeg.content


@pytest.mark.parametrize("content", [
    b"", b"MZ", b"BM6\0\0\0", SCREEN[:-12], SCREEN[:40], SCREEN[:8], JPEG[:3], JPEG[:120], b"\xff\xd8" + b"\xff" * 50,
    b"\xff\xd8\xff\xd9", GIF[:12], GIF[:-4], LOSSY[:20], riff(), riff(part(b"EXIF", SECRET)),
    riff(extended(0x02, 9, 9), part(b"ANIM", b"")), b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
    b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"") * (MOST_PARTS + 1),
    b"\xff\xd8" + segment(0xFE, b"") * (MOST_PARTS + 1), b"GIF89a" + b"\0" * 7 + b"\x21\xfe\0" * (MOST_PARTS + 1),
], ids=range(20))  # fmt: skip
def test_what_is_none_or_broken_or_endless_is_none(content: bytes) -> None:
    assert bare(content) is None

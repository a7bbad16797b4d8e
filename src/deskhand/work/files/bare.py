"""A picture as it may leave: its size known from its head, and nothing in it but what is seen. Pure, in linear time.

Photographs say where they were taken and by whose telephone, and a screenshot that was cropped may still hold what was
cut off, behind its end. What is sent is put together anew of the parts that are drawn; what has no such parts is no
picture for a model. Nothing is unpacked.

Formats: PNG (RFC 2083), JPEG (ITU-T T.81, annex B), GIF89a, WebP (RFC 9649).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BYTES = 3_750_000
"""Five million as base64, the least that a usual vendor takes of one picture."""
MOST_SIDE = 8_000
MOST_PARTS = 20_000
"""Chunks or segments; a screenshot of 10 MB has a thousand."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DRAWN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT", b"IEND"})
_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_TOLD = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
"""Segments that say something about a picture: all applications' but JFIF's and Adobe's, which say how to draw it."""
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
# In what a scan holds, FF stands before 00 or a restart; before anything else, and not before another FF, ends it.
_BEHIND_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FILL = re.compile(rb"\xff+")
"""Before a marker may stand any number of FF."""
_WEBP_DRAWN = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH"})
_MOVES, _TOLD_FLAGS = 0x02, 0x2C


@dataclass(frozen=True, slots=True)
class BarePicture:
    """What of a picture is drawn.

    Attributes:
        content: A file of the same format.
        media_type: Of it.
    """

    content: bytes
    media_type: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def bare(content: bytes) -> BarePicture | None:
    """A picture without what is not drawn; None where it is none of a format that models read, or a broken one.

    Args:
        content: Of a file, whatever it is.
    """
    try:
        if content.startswith(_PNG):
            found = _png(content)
        elif content.startswith(b"\xff\xd8\xff"):
            found = _jpeg(content)
        elif content[:6] in (b"GIF87a", b"GIF89a"):
            found = _gif(content)
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            found = _webp(content)
        else:
            return None
    except (IndexError, _BrokenError):
        return None
    return found if found is not None and found.width > 0 and found.height > 0 else None


class _BrokenError(Exception):
    """It ends too early, or goes on too long."""


def _number(content: bytes, at: int, size: int, *, little: bool = False) -> int:
    if at + size > len(content):
        raise _BrokenError
    return int.from_bytes(content[at : at + size], "little" if little else "big")


def _png(content: bytes) -> BarePicture | None:
    kept = [_PNG]
    at, kind = len(_PNG), b""
    for _ in range(MOST_PARTS):
        end = at + 12 + _number(content, at, 4)
        kind = content[at + 4 : at + 8]
        if end > len(content):
            return None
        if kind in _PNG_DRAWN:
            kept.append(content[at:end])
        at = end
        if kind == b"IEND":
            break
    if kind != b"IEND" or kept[1][4:8] != b"IHDR":
        return None
    return BarePicture(b"".join(kept), "image/png", _number(kept[1], 8, 4), _number(kept[1], 12, 4))


def _jpeg(content: bytes) -> BarePicture | None:
    kept = [content[:2]]
    width = height = 0
    for marker, segment in _segments(content):
        if marker in _SIZES and not width:
            height, width = _number(segment, 5, 2), _number(segment, 7, 2)
        if marker not in _JPEG_TOLD:
            kept.append(segment)
        if marker == _END:
            return BarePicture(b"".join(kept), "image/jpeg", width, height)
    return None


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with what belongs to it, a scan with its data, to the picture's end."""
    at = 2
    for _ in range(MOST_PARTS):
        filled = _FILL.match(content, at)
        if filled is None:
            return
        at = filled.end() - 1
        marker = content[at + 1]
        if marker == _END:
            yield marker, content[at : at + 2]
            return
        end = at + 2 + _number(content, at + 2, 2)
        if marker == _SCAN:
            behind = _BEHIND_SCAN.search(content, end)
            if behind is None:
                return
            end = behind.start()
        if end > len(content):
            return
        yield marker, content[at:end]
        at = end


def _gif(content: bytes) -> BarePicture | None:
    """Its first frame: the others of an animation are no other error, and vendors refuse them."""
    flags = content[10]
    at = 13 + _colours(flags)
    kept = [content[:at]]
    for _ in range(MOST_PARTS):
        if content[at] == 0x2C:
            end = _behind_blocks(content, at + 10 + _colours(content[at + 9]) + 1)
            kept += [content[at:end], b";"]
            width, height = _number(content, 6, 2, little=True), _number(content, 8, 2, little=True)
            return BarePicture(b"".join(kept), "image/gif", width, height)
        if content[at] != 0x21:
            return None
        end = _behind_blocks(content, at + 2)
        # How the frame behind it is drawn; the other extensions are comments and programs'.
        if content[at + 1] == 0xF9:
            kept.append(content[at:end])
        at = end
    return None


def _colours(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(content: bytes, at: int) -> int:
    while content[at]:
        at += content[at] + 1
    return at + 1


def _webp(content: bytes) -> BarePicture | None:
    kept: list[bytes] = []
    size: tuple[int, int] | None = None
    at = 12
    for _ in range(MOST_PARTS):
        if at + 8 > len(content):
            break
        kind, length = content[at : at + 4], _number(content, at + 4, 4, little=True)
        if at + 8 + length > len(content):
            return None
        chunk = content[at : at + 8 + length + length % 2]
        at += 8 + length + length % 2
        if kind not in _WEBP_DRAWN:
            continue
        if kind == b"VP8X":
            if chunk[8] & _MOVES:
                return None
            # It says no more that there is a profile, EXIF or XMP.
            chunk = chunk[:8] + bytes([chunk[8] & ~_TOLD_FLAGS]) + chunk[9:]
        size = size or _webp_size(kind, chunk)
        kept.append(chunk)
    if size is None:
        return None
    body = b"WEBP" + b"".join(kept)
    return BarePicture(b"RIFF" + len(body).to_bytes(4, "little") + body, "image/webp", *size)


def _webp_size(kind: bytes, chunk: bytes) -> tuple[int, int] | None:
    if kind == b"VP8X":
        return _number(chunk, 12, 3, little=True) + 1, _number(chunk, 15, 3, little=True) + 1
    if kind == b"VP8L":
        bits = _number(chunk, 9, 4, little=True)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return _number(chunk, 14, 2, little=True) & 0x3FFF, _number(chunk, 16, 2, little=True) & 0x3FFF
    return None

"""A process of its own that reads the words in one picture, and may be killed.

Started by its path, with the picture on its standard input and Tesseract's languages as its argument; writes one JSON
object. What measures and what reads a picture are others' programs, and a kilobyte may claim to be a wall of pixels.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess  # nosec B404
import sys

import imagesize

CPU_SECONDS = 30
MEMORY_BYTES = 2 * 1024**3
MOST_PIXELS = 25_000_000
LEAST_WIDTH, LEAST_HEIGHT = 100, 30
"""What is smaller is a logo or a smiley."""


def main() -> None:
    """Write ``{"text": …}``, or ``{"refused": why}``."""
    # Both hold for the program that is started, too. No core file: it would hold a customer's screen on disk.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    print(json.dumps(read(sys.stdin.buffer.read(), sys.argv[1])))  # noqa: T201 - this is the answer


def read(picture: bytes, languages: str) -> dict[str, str]:
    """The words in a picture, or why there are none."""
    width, height = imagesize.get(io.BytesIO(picture))
    if width <= 0 or height <= 0:
        return {"refused": "it is no picture that can be read"}
    if width * height > MOST_PIXELS:
        return {"refused": too_many_pixels(width, height)}
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return {"text": ""}
    # One thread: it is slower by little, and whoever waits beside it needs the other cores.
    answer = subprocess.run(  # noqa: S603 - the program is the installation's  # nosec B603 B607
        ["tesseract", "stdin", "stdout", "-l", languages],  # noqa: S607
        input=picture,
        env={"PATH": os.environ.get("PATH", ""), "OMP_THREAD_LIMIT": "1"},
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        return {"refused": "it is no picture that can be read"}
    return {"text": answer.stdout.decode("utf-8", "replace")}


def too_many_pixels(width: int, height: int) -> str:
    """Why a picture of that size is not read."""
    return f"it has {width * height // 10**6} megapixels, and {MOST_PIXELS // 10**6} are the most"


if __name__ == "__main__":
    main()

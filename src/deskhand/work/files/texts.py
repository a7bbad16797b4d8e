"""The words in one file. Whatever others' libraries read is read in a process of its own that may be killed.

Blocking: called on a thread.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess  # nosec B404
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from deskhand.kit.markdown import clean_html
from deskhand.kit.payloads.holding import PASSED_ON
from deskhand.kit.storable import storable_text
from deskhand.knowledge.exports import UnreadableFileError
from deskhand.knowledge.exports.apart import Kind, read_apart
from deskhand.knowledge.exports.encoding import encoding_of
from deskhand.plugins.text import html_to_markdown
from deskhand.work.files import picture_reader
from deskhand.work.files.choosing import FileKind

CPU_SECONDS = 15
WALL_SECONDS = 60.0
"""The helpers count CPU time, which a loaded machine does not use up; this is for one that stands still."""
NO_READER = "no program that reads pictures is installed (Debian: tesseract-ocr)"
_PAPERS: dict[FileKind, Kind] = {FileKind.PDF: "pdf", FileKind.WORD: "word"}
_SAMPLE = 4_096
_NO_TEXT = bytes({*range(1, 32)} - set(b"\t\n\r\x1b"))
_LANGUAGES = ("eng", "deu", "fra", "spa", "por")


class UnreadError(Exception):
    """A file was not read; says why, as the end of "… was not read: it has 40 megapixels"."""


def text_of(content: bytes, kind: FileKind, name: str) -> str:
    """The words in a file.

    Args:
        content: Its bytes.
        kind: As what they are read.
        name: Of the file, for what is said of it.

    Raises:
        UnreadError: It holds something else, or takes too much.
    """
    if kind is FileKind.PICTURE:
        return storable_text(_picture(content))
    if kind is FileKind.TEXT:
        return storable_text(_decoded(content, name))
    return storable_text(_paper(content, _PAPERS[kind]))


def _decoded(content: bytes, name: str) -> str:
    # What reads exports takes a page for a mistake; on a ticket it is somebody's configuration.
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return content.decode("utf-8", "replace")
    try:
        encoding = encoding_of(io.BytesIO(content), name)
    except UnreadableFileError as error:
        raise UnreadError("it is no text") from error
    # Programs and pictures under the name of a log.
    if len(content[:_SAMPLE].translate(None, _NO_TEXT)) * 4 < len(content[:_SAMPLE]) * 3:
        raise UnreadError("it is no text")
    return content.decode(encoding, "replace")


def _paper(content: bytes, kind: Kind) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        try:
            with read_apart(kind, path, cpu_seconds=CPU_SECONDS, wall_seconds=WALL_SECONDS) as written:
                html = json.loads(written.readline())["html"]
        except UnreadableFileError as error:
            raise UnreadError(error.detail.removeprefix("file ").rstrip(".")) from error
    return html_to_markdown(clean_html(html, url_relative="deny"))


def _picture(content: bytes) -> str:
    languages = picture_languages()
    if not languages:
        raise UnreadError(NO_READER)
    try:
        answer = subprocess.run(  # noqa: S603 - ourselves  # nosec B603
            [sys.executable, "-I", picture_reader.__file__, "+".join(languages)],
            input=content,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadError(f"it could not be read in {WALL_SECONDS:.0f} seconds") from error
    if answer.returncode != 0:
        raise UnreadError("it takes more time or memory than a picture may")
    said = json.loads(answer.stdout)
    if "refused" in said:
        raise UnreadError(str(said["refused"]))
    return str(said["text"])


@cache
def picture_languages() -> tuple[str, ...]:
    """Languages in which words in pictures are read here: those of ours that Tesseract has; none without it."""
    program = shutil.which("tesseract")
    if program is None:
        return ()
    listed = subprocess.run([program, "--list-langs"], capture_output=True, check=False)  # noqa: S603  # nosec B603
    known = listed.stdout.decode("utf-8", "replace").split()
    return tuple(one for one in _LANGUAGES if one in known)

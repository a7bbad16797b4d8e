"""A PDF's text as HTML: its headings by the size of their letters, its paragraphs by the gaps between lines.

A PDF holds signs at places and neither words nor headings, so both are found and may be missed. Runs in the helper
process alone (``paper_reader``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby, pairwise
from math import hypot
from typing import Any, BinaryIO

from pypdf import PageObject as Page
from pypdf import PasswordType, PdfReader

MOST_PAGES = 2_000
_HEADING = 1.15
"""Times the size of most letters."""
_LONGEST_HEADING = 150
_LONGEST_HEAD = 80
_LEVELS = 3
_LETTERS_A_PAGE = 10
_FULL = 0.6
"""Of the usual length: a shorter line was ended by its writer and not by the margin."""
_MONO = ("mono", "courier", "consol", "cmtt", "typewriter")
# A table of contents tells where things stand on paper.
_LEADERS = re.compile(r"(?:\. ?){5,}")
_NUMBER = re.compile(r"^\d{1,4}\b|\b\d{1,4}$")
_BULLETS = ("•", "●", "▪", "◦", "‣")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00ad": "", "\x00": ""})
_NO_TITLES = ("microsoft word", "microsoft powerpoint", "untitled", "unbenannt", ".doc", ".indd", ".tex", ".qxd")


class RefusedError(Exception):
    """The file is what its name says, and cannot be used all the same; says why."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A document.

    Attributes:
        html: Headings, paragraphs and preformatted lines; nothing else.
        title: What the file says of itself; empty where that is nothing or a program's habit.
    """

    html: str
    title: str


@dataclass(slots=True)
class _Line:
    text: str = ""
    y: float = 0.0
    sizes: Counter[float] = field(default_factory=Counter)
    mono: int = 0

    @property
    def size(self) -> float:
        return self.sizes.most_common(1)[0][0]

    @property
    def is_mono(self) -> bool:
        return self.mono * 2 > self.sizes.total()


def read_pdf(source: BinaryIO) -> Paper:
    """Read a PDF.

    Raises:
        RefusedError: It is locked, too long, or holds pictures instead of text.
    """
    reader = PdfReader(source)
    # Many are locked against changes alone: they open with the empty password, as every viewer does.
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise RefusedError("is protected with a password; save it without one")
    count = len(reader.pages)
    if count > MOST_PAGES:
        raise RefusedError(f"has {count} pages, and {MOST_PAGES} is the most; divide it")
    pages = [list(_lines(page)) for page in reader.pages]
    letters = sum(sign.isalnum() for page in pages for line in page for sign in line.text)
    if letters < _LETTERS_A_PAGE * count:
        raise RefusedError("holds pictures of pages and no text; run it through text recognition (OCR) first")
    lines = [line for page in _without_heads(pages) for line in page if not _LEADERS.search(line.text)]
    return Paper("\n".join(_Layout(lines).html()), _title(reader))


def _title(reader: PdfReader) -> str:
    said = str((reader.metadata and reader.metadata.title) or "").strip()
    return "" if any(one in said.casefold() for one in _NO_TITLES) else said[:_LONGEST_HEADING]


def _lines(page: Page) -> Iterator[_Line]:
    """The lines of a page in the order of its signs."""
    lines = [_Line()]

    def visit(text: str, cm: Sequence[float], tm: Sequence[float], font: dict[str, Any] | None, size: float) -> None:
        shown = round(size * hypot(tm[2], tm[3]) * hypot(cm[2], cm[3]), 1)
        name = str((font or {}).get("/BaseFont", "")).casefold()
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append(_Line())
            if signs := len(part.strip()):
                line = lines[-1]
                line.y = line.y if line.text.strip() else tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
                line.sizes[shown] += signs
                line.mono += signs if any(one in name for one in _MONO) else 0
            lines[-1].text += part

    page.extract_text(visitor_text=visit)
    for line in lines:
        line.text = line.text.translate(_LIGATURES).rstrip()
        if line.text.strip() and line.sizes:
            yield line


def _without_heads(pages: Sequence[list[_Line]]) -> Iterator[list[_Line]]:
    """Pages without heads and feet: what stands at one height of many pages, and what counts the pages."""
    body = _body_size([line for page in pages for line in page])
    # What is larger than the text is a heading, however often: "Step 1" may begin every page.
    shown = [[line for line in page if line.size < body * _HEADING] for page in pages]
    edges = [page[:2] + page[2:][-2:] for page in shown]
    words = Counter(one for lines in edges for one in {_skeleton(line) for line in lines})
    # The outermost alone: "2 Printers" below the head of page 2 is a chapter.
    ends = [[line for line in (*page[:1], *page[1:][-1:]) if line.size < body * _HEADING] for page in pages]
    counts = Counter(one for page, lines in enumerate(ends) for one in {n - page for x in lines for n in _numbers(x)})
    many = max(3, sum(1 for page in pages if page) / 3)
    for number, page in enumerate(pages):
        heads = {id(x) for x in edges[number] if words[_skeleton(x)] > many and len(x.text) <= _LONGEST_HEAD}
        heads |= {id(line) for line in ends[number] if any(counts[n - number] > many for n in _numbers(line))}
        yield [line for line in page if id(line) not in heads]


def _skeleton(line: _Line) -> tuple[str, int]:
    """A line without its numbers, at its height."""
    return re.sub(r"\d+", "0", line.text.strip()), round(line.y)


def _numbers(line: _Line) -> list[int]:
    """Numbers with which a short line begins or ends."""
    text = line.text.strip()
    return [int(number) for number in _NUMBER.findall(text)] if len(text) <= _LONGEST_HEAD else []


def _body_size(lines: Iterable[_Line]) -> float:
    """The size of most letters."""
    sizes = Counter[float]()
    for line in lines:
        sizes.update(line.sizes)
    return sizes.most_common(1)[0][0] if sizes else 0.0


class _Layout:
    """What lines are to each other, judged over the whole document."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self._lines = lines
        self._body = _body_size(lines)
        large = sorted({line.size for line in lines if self._is_large(line)}, reverse=True)
        self._levels = {size: min(number, _LEVELS) for number, size in enumerate(large, start=1)}
        body = ((one, two) for one, two in pairwise(lines) if one.size == two.size == self._body)
        gaps = Counter(round(one.y - two.y) for one, two in body if 0 < one.y - two.y < 2 * self._body)
        self._gap = gaps.most_common(1)[0][0] if gaps else self._body
        lengths = sorted(len(line.text) for line in lines)
        self._full = lengths[len(lengths) * 9 // 10] * _FULL if lengths else 0

    def _is_large(self, line: _Line) -> bool:
        words = line.text.strip()
        return (
            line.size >= self._body * _HEADING
            and len(words) <= _LONGEST_HEADING
            and any(sign.isalpha() for sign in words)
        )

    def _kind(self, line: _Line) -> str:
        if self._is_large(line):
            return f"h{self._levels[line.size]}"
        return "pre" if line.is_mono else "p"

    def html(self) -> Iterator[str]:
        for kind, lines in groupby(self._lines, self._kind):
            if kind == "pre":
                yield f"<pre>{escape(chr(10).join(line.text for line in lines))}</pre>"
                continue
            for block in self._blocks(lines):
                yield f"<{kind}>{self._flow(block) if kind == 'p' else self._one(block)}</{kind}>"

    def _blocks(self, lines: Iterable[_Line]) -> Iterator[list[_Line]]:
        block: list[_Line] = []
        for line in lines:
            if block and self._is_apart(block[-1], line):
                yield block
                block = []
            block.append(line)
        if block:
            yield block

    def _is_apart(self, one: _Line, two: _Line) -> bool:
        if two.text.lstrip().startswith(_BULLETS):
            return True
        gap = one.y - two.y
        # A line that stands higher begins a page or a column, and mostly goes on with the sentence.
        if gap <= 0:
            return self._is_large(two) or one.text.rstrip().endswith((".", "!", "?", ":"))
        return gap > 1.2 * max(self._gap, two.size if self._is_large(two) else 0)

    def _one(self, block: Sequence[_Line]) -> str:
        return escape(" ".join(line.text.strip() for line in block))

    def _flow(self, block: Sequence[_Line]) -> str:
        """Lines that the margin ended go on; those that the writer ended do not."""
        parts: list[str] = []
        for line, following in zip(block, [*block[1:], None], strict=True):
            text = line.text.strip()
            if following is None:
                parts.append(escape(text))
            elif text[-1:] == "-" and text[-2:-1].isalpha() and following.text.lstrip()[:1].islower():
                parts.append(escape(text[:-1]))
            else:
                parts.append(escape(text) + (" " if len(text) >= self._full else "<br>"))
        return "".join(parts)


__all__ = ["Paper", "RefusedError", "read_pdf"]

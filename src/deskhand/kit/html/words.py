"""The words of one block, with their marks, until the block ends; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from deskhand.kit.html.inline import marked, raised
from deskhand.kit.html.tokens import resolved

_BLANKS = re.compile(r"[ \t\n\f\r]+")
_LONG_BLANK = re.compile(r" {41,}")
_EMPTY_LINES = re.compile(r"\n{3,}")


def typed_text(source: str) -> str:
    """Text without any tag: lines and indents stay as they were typed."""
    text = resolved(source).replace("\xa0", " ").replace("\r\n", "\n")
    return _EMPTY_LINES.sub("\n\n", _trimmed(_LONG_BLANK.sub(" " * 40, text))).strip()


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _folded(text: str) -> str:
    """Blanks as a browser shows them; a line break of the source stays one, for text that never was HTML."""
    folded = _BLANKS.sub(lambda blanks: "\n" if "\n" in blanks.group() else " ", text)
    return _LONG_BLANK.sub(" " * 40, folded.replace("\xa0", " "))


@dataclass(slots=True)
class _Run:
    """Neighbouring words with the same marks and the same link."""

    marks: frozenset[str]
    target: str
    pieces: list[str] = field(default_factory=list)

    def text(self) -> str:
        return "".join(self.pieces)


class Words:
    """The words of the block at hand."""

    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self.marks: dict[str, int] = {}
        self.target = ""
        self._after_blank = True
        self._raised_from: int | None = None
        self._raised_depth = 0

    def write(self, text: str) -> None:
        """Add words as they are."""
        if not text:
            return
        marks = frozenset(kind for kind, depth in self.marks.items() if depth > 0)
        if not self.runs or (self.runs[-1].marks, self.runs[-1].target) != (marks, self.target):
            self.runs.append(_Run(marks, self.target))
        self.runs[-1].pieces.append(text)
        self._after_blank = text[-1] in " \n"

    def flow(self, text: str) -> None:
        """Add words of running text: of two blanks that meet, one stays."""
        folded = _folded(text)
        self.write(folded.lstrip(" \n") if self._after_blank else folded)

    def part(self) -> None:
        """See to it that the next word does not touch the last one."""
        if not self._after_blank:
            self.write(" ")

    def mark(self, kind: str, *, closes: bool) -> None:
        """Begin or end a kind of emphasis; one that never began cannot end."""
        self.marks[kind] = max(0, self.marks.get(kind, 0) + (-1 if closes else 1))

    def lift(self, sign: str, *, closes: bool) -> None:
        """Begin or end a superscript or subscript; one inside another belongs to it."""
        if not closes:
            self._raised_depth += 1
            if self._raised_depth == 1:
                self.runs.append(_Run(frozenset(), self.target))
                self._raised_from = len(self.runs) - 1
            return
        self._raised_depth = max(0, self._raised_depth - 1)
        if self._raised_depth == 0 and self._raised_from is not None:
            text = "".join(run.text() for run in self.runs[self._raised_from :])
            del self.runs[self._raised_from :]
            self._raised_from = None
            self.write(raised(text, sign))

    def take(self) -> str:
        """The block, finished; the next one begins."""
        text = "".join(marked(run.text(), run.marks, run.target) for run in self.runs)
        self.restart()
        return _EMPTY_LINES.sub("\n\n", _trimmed(text)).strip()

    def take_raw(self) -> str:
        """The block as preformatted text."""
        text = "".join(run.text() for run in self.runs)
        self.restart()
        return text.removeprefix("\n").rstrip()

    def restart(self) -> None:
        self.runs = []
        self._after_blank = True
        self._raised_from = None
        self._raised_depth = 0

"""Reads the labelled set of texts, and counts how a finder does on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deskhand.kit.masking.found import Span, spans
from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.masking.names import Names

LABELLED = Path(__file__).parent / "labelled.txt"
_LABEL = re.compile(r"\[\[([a-z]+)\|([^\]]+)\]\]")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One text, where values stand in it, and whose names its ticket tells."""

    text: str
    values: tuple[Span, ...]
    names: tuple[str, ...]


@dataclass(slots=True)
class Score:
    """Of one kind: values there are, and what became of them; texts that are nobody's and were masked all the same."""

    labelled: int = 0
    missed: list[str] = field(default_factory=list)
    partly: list[str] = field(default_factory=list)
    wrongly: list[str] = field(default_factory=list)

    @property
    def found(self) -> int:
        return self.labelled - len(self.missed) - len(self.partly)


def labelled(source: str) -> Iterator[Labelled]:
    names: tuple[str, ...] = ()
    for line in source.splitlines():
        if line.startswith("names:"):
            names = tuple(one.strip() for one in line.removeprefix("names:").split(";"))
        elif line.strip() and not line.startswith("#"):
            yield _read(line, names)


def _read(line: str, names: tuple[str, ...]) -> Labelled:
    text, values, done = "", [], 0
    for match in _LABEL.finditer(line):
        text += line[done : match.start()]
        values.append(Span(len(text), len(text) + len(match[2]), MaskKind(match[1])))
        text += match[2]
        done = match.end()
    return Labelled(text + line[done:], tuple(values), names)


def scores(texts: list[Labelled]) -> dict[MaskKind, Score]:
    """What the masks find of each kind, all kinds switched on."""
    out = {kind: Score() for kind in MaskKind}
    for one in texts:
        names = Names()
        for name in one.names:
            names.learn(name)
        seen = spans(one.text, frozenset(MaskKind), names)
        for value in one.values:
            score = out[value.kind]
            score.labelled += 1
            hidden = _hidden(value, seen)
            if hidden < value.end - value.start:
                (score.partly if hidden else score.missed).append(one.text[value.start : value.end])
        for span in seen:
            if not _hidden(span, list(one.values)):
                out[span.kind].wrongly.append(one.text[span.start : span.end])
    return out


def _hidden(value: Span, seen: list[Span]) -> int:
    """Characters of a value that lie within others."""
    return sum(max(0, min(value.end, span.end) - max(value.start, span.start)) for span in seen)


def total(texts: list[Labelled]) -> Counter[str]:
    """How large the set is."""
    return Counter(texts=len(texts), values=sum(len(one.values) for one in texts), words=sum(
        len(one.text.split()) for one in texts
    ))  # fmt: skip

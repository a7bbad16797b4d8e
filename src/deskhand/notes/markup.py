"""Text into and out of Markdown, without changing a character that people would type (pure, linear time).

Commands stay as they were: only markup that a reader would not see is taken away, and what is put into a note is
escaped so that it is shown as it is.
"""

from __future__ import annotations

import html
import re

_STEP = re.compile(r"[ \t]{0,12}\d{1,3}[.)][ \t]+(\S.*)")
_BULLET = re.compile(r"^[ \t]{0,12}(?:#{1,6}|[-*+]|\d{1,3}[.)])[ \t]+")
_CODE = re.compile(r"(`[^`\n]+`)")
_LINK = re.compile(r"!?\[([^\[\]\n]{0,300})\]\(([^()\s]{0,500})\)")
_STRONG = re.compile(r"\*\*([^*\s](?:[^*\n]{0,300}[^*\s])?)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*([^*\s](?:[^*\n]{0,300}[^*\s])?)\*(?![\w*])")
_ESCAPED = re.compile(r"\\([*_`\[\]()#+.!|<>~{}-])")
_BLOCK_START = re.compile(r"^(?:[-+=]|\d{1,9}(?=[.)]))")
_SPECIAL = re.compile(r"([\\*_`\[\]#|~])")


def clip(text: str, *, limit: int, chars: int = 0) -> str:
    """The beginning of a text on one line.

    Args:
        text: Any text.
        limit: Words to keep.
        chars: Characters to keep; 0 allows ten per word.
    """
    flat = text.split()
    out = " ".join(flat[:limit])
    most = chars or limit * 10
    cut = len(flat) > limit or len(out) > most
    out = out[:most].rstrip(" ,;:–-") if cut else out
    return f"{out} …" if cut else out


def inert_lines(text: str, *, limit: int) -> list[str]:
    """The beginning of a text as inert Markdown, line by line; points of a list stay points.

    Args:
        text: Any text.
        limit: Words to keep; a text that is cut says so.
    """
    lines: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if not line:
            continue
        if limit <= 0:
            return [*lines[:-1], f"{lines[-1]} …"] if lines else lines
        point = line[:2] in ("- ", "* ")
        words = clip(line[2:] if point else line, limit=limit)
        limit -= len(words.split())
        lines.append(f"- {plain(words)}" if point else plain(words))
    return lines


def procedure_steps(markdown: str) -> list[str]:
    """The numbered steps of an article, without their numbers and markup."""
    matches = (_STEP.match(line) for line in markdown.splitlines())
    return [unmarked(match.group(1)) for match in matches if match]


def unmarked(markdown: str) -> str:
    """Markdown as a line of plain words; what stands in code, and a star or bracket that marks nothing, is kept."""
    lines = (_BULLET.sub("", line, count=1) for line in markdown.splitlines())
    parts = _CODE.split(" ".join(lines))
    plain_parts = (part[1:-1] if number % 2 else _without_emphasis(part) for number, part in enumerate(parts))
    return " ".join("".join(plain_parts).split())


def _without_emphasis(text: str) -> str:
    text = _LINK.sub(lambda match: match.group(1) or match.group(2), text)
    return _ESCAPED.sub(r"\1", _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", text)))


def plain(text: str) -> str:
    """A stranger's text as inert Markdown on one line, which shows every character as it was."""
    inert = _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))
    inert = _BLOCK_START.sub(_without_start, inert)
    return inert.replace("\\](", "\\]\\(")  # not even where a converter forgets that the bracket is escaped


def _without_start(start: re.Match[str]) -> str:
    """The sign of a list item, a rule or a heading, as a sign and no more."""
    return f"{start[0]}\\" if start[0].isdigit() else f"\\{start[0]}"


def quoted(text: str) -> str:
    """A text as a Markdown quotation, line for line as it was written."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "\\\n".join(f"> {plain(line)}" for line in lines if line)

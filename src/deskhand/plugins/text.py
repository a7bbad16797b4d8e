"""Ticket text between HTML, Markdown and plain; truncation that shows itself.

Ticket text is untrusted: ``kit.html`` reads it in bounded time and keeps nothing that runs, and what we write is
rendered with raw HTML disabled and cleaned (``kit.markdown``). Headings, lists, tables, code and links survive both
ways.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deskhand.kit.html.read import html_to_markdown
from deskhand.kit.markdown import markdown_to_html, safe_html

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_BLANK_LINES = re.compile(r"\n{3,}")


def html_to_text(source: str | None) -> str:
    """Plain text of HTML, one line per block; link targets are kept in brackets."""
    return markdown_to_text(html_to_markdown(source))


def markdown_to_text(source: str) -> str:
    """Plain text of Markdown for fields that show markup literally; bullets and link targets stay."""
    return _PlainText().render(_MARKDOWN.parse(source))


def truncate(source: str, limit: int) -> str:
    """Cut to ``limit`` characters, visibly: vendors that cut silently would hide it.

    Args:
        source: Text.
        limit: Greatest number of characters of the result.

    Returns:
        The text itself if it fits, else its beginning and a notice of how much was left out.
    """
    if len(source) <= limit:
        return source
    # Reserved for the longest notice there can be, so that the result fits whatever number it names.
    room = limit - len(_left_out(len(source)))
    if room < 1:
        return source[: max(0, limit - 1)] + "…"[: max(0, limit)]
    return source[:room] + _left_out(len(source) - room)


def _left_out(count: int) -> str:
    return f" … [{count} characters left out]"


class _PlainText:
    """Walks Markdown tokens and writes what a person would type without markup."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._lists: list[int | None] = []  # next number of each open list; None for bullets

    def render(self, tokens: Sequence[Token]) -> str:
        for token in tokens:
            if token.type == "inline":
                self._out.append(_inline_text(token.children or ()))
            elif token.type in {"fence", "code_block"}:
                self._out.append(token.content + "\n")
            elif token.type == "hr":
                self._out.append("---\n\n")
            elif token.nesting:
                self._block(token)
        return _tidy("".join(self._out))

    def _block(self, token: Token) -> None:
        opens = token.nesting == 1
        kind = token.type.rsplit("_", 1)[0]
        if kind in {"bullet_list", "ordered_list"}:
            if opens:
                start = int(token.attrGet("start") or 1)
                self._lists.append(start if kind == "ordered_list" else None)
            else:
                self._lists.pop()
                self._out.append("" if self._lists else "\n")
        elif kind == "list_item" and opens:
            self._out.append("  " * (len(self._lists) - 1) + self._bullet())
        elif not opens:
            self._out.append(_AFTER_BLOCK.get(kind, "\n" if token.hidden or self._lists else "\n\n"))

    def _bullet(self) -> str:
        number = self._lists[-1]
        if number is None:
            return "- "
        self._lists[-1] = number + 1
        return f"{number}. "


_AFTER_BLOCK = {
    "th": "\t",
    "td": "\t",
    "tr": "\n",
    "thead": "",
    "tbody": "",
    "table": "\n",
    "list_item": "",
    "blockquote": "",
}


def _inline_text(tokens: Sequence[Token]) -> str:
    out: list[str] = []
    targets: list[tuple[str, int]] = []
    for token in tokens:
        if token.type == "link_open":
            targets.append((str(token.attrGet("href") or ""), len(out)))
        elif token.type == "link_close":
            target, start = targets.pop()
            out.append("" if target in {"", "".join(out[start:])} else f" ({target})")
        else:
            out.append("\n" if token.type in {"softbreak", "hardbreak"} else token.content)
    return "".join(out)


def _tidy(source: str) -> str:
    lines = source.replace("\xa0", " ").replace("\r\n", "\n").split("\n")
    return _BLANK_LINES.sub("\n\n", "\n".join(line.rstrip(" \t") for line in lines)).strip()


sanitize_html = safe_html

__all__ = [
    "html_to_markdown",
    "html_to_text",
    "markdown_to_html",
    "markdown_to_text",
    "sanitize_html",
    "truncate",
]

"""Ticket text between HTML, Markdown and plain, always sanitised; truncation that shows itself.

Ticket text is untrusted: HTML is cleaned with an allow-list (nh3) before it becomes Markdown for a
model, and what we write is rendered with raw HTML disabled and cleaned again. Headings, lists,
tables, code and links survive both ways; scripts, styles, forms, images and event handlers do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdownify import markdownify

_TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "br", "hr", "blockquote", "pre", "code"),
    *("a", "b", "del", "em", "i", "ins", "s", "span", "strong", "sub", "sup", "u"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "code": {"class"}, "ol": {"start"}, "td": {"colspan"}, "th": {"colspan"}}
_SCHEMES = {"http", "https", "mailto", "tel"}
_DROP_WITH_CONTENT = {"script", "style", "head", "title", "iframe", "object", "noscript", "template"}

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
_BLANK_LINES = re.compile(r"\n{3,}")
_TRAILING_BLANKS = re.compile(r"[ \t]+\n")
_LANGUAGE = re.compile(r"(?:language|lang)-([\w+#.-]+)")
_MARK = re.compile(r"(?<![0-9A-Za-z-])dh-[0-9a-f]{20}(?![0-9a-f])")


def sanitize_html(source: str) -> str:
    """HTML with nothing in it that can run, load or submit."""
    return nh3.clean(
        source,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        clean_content_tags=_DROP_WITH_CONTENT,
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def markdown_to_html(source: str) -> str:
    """Render CommonMark with tables; raw HTML in it becomes visible text."""
    return sanitize_html(_MARKDOWN.render(source)).strip()


def html_to_markdown(source: str | None) -> str:
    """Markdown of a vendor's HTML (or of plain text that never was HTML)."""
    if not source:
        return ""
    markdown = markdownify(
        sanitize_html(source),
        heading_style="ATX",
        bullets="-",
        code_language_callback=_code_language,
        escape_asterisks=False,
        escape_underscores=False,
    )
    return _tidy(markdown)


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
    room = limit - len(_left_out(len(source)))
    if room < 1:
        return source[: max(0, limit - 1)] + "…"[: max(0, limit)]
    return source[:room] + _left_out(len(source) - room)


def _left_out(count: int) -> str:
    return f" … [{count} characters left out]"


def with_mark(markdown: str, mark: str) -> str:
    """The text with its idempotency mark as a small visible last line, where ``find_marks`` finds it again."""
    return f"{markdown.rstrip()}\n\nRef: {mark}" if mark else markdown


def find_marks(source: str) -> tuple[str, ...]:
    """Idempotency marks in a text (any markup), in order, without repeats."""
    return tuple(dict.fromkeys(_MARK.findall(source)))


def _code_language(element: object) -> str:
    classes = " ".join(_classes(element))
    found = _LANGUAGE.search(classes)
    return found.group(1) if found else ""


def _classes(element: object) -> list[str]:
    names: list[str] = []
    for node in (element, getattr(element, "code", None)):
        get = getattr(node, "get", None)
        names.extend((get("class") or []) if get else [])
    return names


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
    plain_spaces = source.replace("\xa0", " ").replace("\r\n", "\n")
    return _BLANK_LINES.sub("\n\n", _TRAILING_BLANKS.sub("\n", plain_spaces)).strip()

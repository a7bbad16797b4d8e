"""Markdown to safe HTML, for pages and for desks: notes quote tickets, and tickets are written by anybody.

Two fences: the parser escapes raw HTML instead of passing it on, and what it made is cleaned against a list of tags.
There are no images, because loading one would tell its host who reads the note.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt

from deskhand.kit.html.tokens import Tag, tokens
from deskhand.kit.storable import storable_text

TAGS = frozenset(
    {"h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "br", "hr", "blockquote", "pre", "code", "abbr", "a", "b", "del"}
    | {"em", "i", "ins", "s", "span", "strong", "sub", "sup", "u", "ul", "ol", "li", "dl", "dt", "dd"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
ATTRIBUTES = {
    "a": {"href", "title"},
    "code": {"class"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
SCHEMES = frozenset({"http", "https", "mailto", "tel"})
DEPTH = 200
"""Elements in each other that are read as such: a parser of HTML takes a time that grows with length times depth."""
_NEST_NOTHING = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
    | {"p", "li", "dt", "dd", "tr", "td", "th", "option"}  # the next one ends it
)
_WITH_CONTENT = frozenset({"script", "style", "head", "title", "iframe", "object", "noscript", "template"})
_NO_BREAK = re.compile(r"\xa0|&(?:nbsp|#160|#[xX][aA]0);")
_STAND_IN = "\ufdd0"  # a noncharacter of Unicode
_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def markdown_to_html(source: str) -> str:
    """Render CommonMark with tables; raw HTML in it becomes visible text."""
    return safe_html(_PARSER.render(source)).strip()


def safe_html(source: str) -> str:
    """HTML with nothing in it that can run, load or submit."""
    return clean_html(
        source,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        clean_content_tags=set(_WITH_CONTENT),
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def clean_html(source: str, **policy: Any) -> str:
    """What nh3 leaves of HTML under a policy (its own arguments), in a time that grows with the length alone.

    nh3 writes each no-break space out by moving all that follows it: 1 MB of them took six seconds of CPU. A character
    that no text may hold stands in for them meanwhile.
    """
    # A desk's JSON may escape half a character, and nh3 refuses the whole text for it.
    whole = storable_text(source)
    standing_in = _NO_BREAK.sub(_STAND_IN, shallow(whole).replace(_STAND_IN, ""))
    return nh3.clean(standing_in, **policy).replace(_STAND_IN, "&nbsp;")


def shallow(source: str) -> str:
    """HTML for a parser that takes long for deep nesting: past ``DEPTH``, words stay and their elements do not."""
    # Most texts end here: with so few tags nothing can be nested deeper.
    if source.count("<") <= DEPTH or not _is_deep(source):
        return source
    parts, depth = [], 0
    for token in tokens(source, frozenset()):
        if isinstance(token, str):
            parts.append(escape(token, quote=False))
            continue
        before, depth = depth, _depth_after(token, depth)
        if max(before, depth) <= DEPTH:
            parts.append(token.source)
    return "".join(parts)


def _is_deep(source: str) -> bool:
    depth = 0
    for token in tokens(source, frozenset()):
        depth = depth if isinstance(token, str) else _depth_after(token, depth)
        if depth > DEPTH:
            return True
    return False


def _depth_after(tag: Tag, depth: int) -> int:
    if tag.name in _NEST_NOTHING:
        return depth
    return max(0, depth - 1) if tag.closes else depth + 1

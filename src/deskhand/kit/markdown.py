"""Markdown to safe HTML, for pages and for desks: notes quote tickets, and tickets are written by anybody.

Two fences: the parser escapes raw HTML instead of passing it on, and what it made is cleaned against a list of tags.
There are no images, because loading one would tell its host who reads the note.
"""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt

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
_WITH_CONTENT = frozenset({"script", "style", "head", "title", "iframe", "object", "noscript", "template"})
_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def markdown_to_html(source: str) -> str:
    """Render CommonMark with tables; raw HTML in it becomes visible text."""
    return safe_html(_PARSER.render(source)).strip()


def safe_html(source: str) -> str:
    """HTML with nothing in it that can run, load or submit."""
    return nh3.clean(
        source,
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes=set(SCHEMES),
        clean_content_tags=set(_WITH_CONTENT),
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )

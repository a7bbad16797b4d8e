"""Markdown to safe HTML. Notes quote tickets, and tickets are written by anybody.

Two fences: the parser escapes raw HTML instead of passing it on, and what it made is cleaned against a short
list of tags. Images are left out, because loading one would tell its host who reads the note.
"""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TAGS = frozenset(
    {"a", "abbr", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p"}
    | {"pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
)
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}

_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def markdown_html(text: str) -> Markup:
    """Render untrusted Markdown.

    Args:
        text: CommonMark with tables; raw HTML in it is shown as text.
    """
    html = nh3.clean(
        _PARSER.render(text),
        tags=set(TAGS),
        attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(html)  # noqa: S704 - cleaned just above, against a list of tags

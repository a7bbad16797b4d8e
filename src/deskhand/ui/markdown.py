"""Markdown on a page."""

from __future__ import annotations

import re

from markupsafe import Markup

from deskhand.kit.markdown import markdown_to_html

_HEADING = re.compile(r"<(/?)h([1-6])>")
DEEPEST = 6


def markdown_html(text: str, below: int = 2) -> Markup:
    """Render untrusted Markdown as a part of a page.

    Args:
        text: CommonMark with tables; raw HTML in it is shown as text.
        below: The level of the page's own heading over it. Whatever level the text begins with, its headings follow
            that one without a gap: who moves through a page by its headings finds them where they belong.
    """
    html = _headings_below(below, markdown_to_html(text))
    # A block of code scrolls by itself, and the keyboard must reach what scrolls.
    return Markup(html.replace("<pre>", '<pre tabindex="0">'))  # noqa: S704 - cleaned against a list of tags


def _headings_below(top: int, html: str) -> str:
    levels = [int(match[2]) for match in _HEADING.finditer(html)]
    highest, last = min(levels, default=1), top

    def placed(match: re.Match[str]) -> str:
        nonlocal last
        if not match[1]:
            last = min(top + 1 + int(match[2]) - highest, last + 1, DEEPEST)
        return f"<{match[1]}h{last}>"

    return _HEADING.sub(placed, html)

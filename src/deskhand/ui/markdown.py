"""Markdown on a page."""

from __future__ import annotations

from markupsafe import Markup

from deskhand.kit.markdown import markdown_to_html


def markdown_html(text: str) -> Markup:
    """Render untrusted Markdown.

    Args:
        text: CommonMark with tables; raw HTML in it is shown as text.
    """
    return Markup(markdown_to_html(text))  # noqa: S704 - cleaned by the renderer, against a list of tags

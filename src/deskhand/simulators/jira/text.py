"""Text of the simulated site: stored as ADF, spoken as ADF (v3) or wiki markup (v2, servicedeskapi, webhooks)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deskhand.plugins.jira.adf_read import adf_to_markdown
from deskhand.plugins.jira.adf_write import markdown_to_adf
from deskhand.plugins.jira.wiki_read import wiki_to_markdown
from deskhand.plugins.jira.wiki_write import adf_to_wiki

_NODES = {
    *("doc", "paragraph", "heading", "bulletList", "orderedList", "listItem", "codeBlock", "blockquote", "panel"),
    *("rule", "table", "tableRow", "tableHeader", "tableCell", "text", "hardBreak", "mention", "emoji", "date"),
    *("status", "inlineCard", "blockCard", "expand", "nestedExpand", "mediaSingle", "mediaGroup", "media", "taskList"),
    *("taskItem", "decisionList", "decisionItem", "mediaInline", "embedCard"),
}


def from_markdown(markdown: str) -> str:
    """Stored form of Markdown."""
    return json.dumps(markdown_to_adf(markdown)) if markdown.strip() else ""


def from_wiki(wiki: str) -> str:
    """Stored form of wiki markup."""
    return from_markdown(wiki_to_markdown(wiki))


def from_adf(document: object) -> str | None:
    """Stored form of ADF; None if it is not ADF."""
    if not isinstance(document, Mapping) or document.get("type") != "doc" or document.get("version") != 1:
        return None
    return json.dumps(document) if _sound(document) else None


def as_adf(stored: str | None) -> Any:
    """ADF of the stored form; None for no text."""
    return json.loads(stored) if stored else None


def as_wiki(stored: str | None) -> str | None:
    """Wiki markup of the stored form."""
    return adf_to_wiki(json.loads(stored)) if stored else None


def as_markdown(stored: str | None) -> str:
    """Markdown of the stored form, or of a plain word such as a resolution's name."""
    if not stored:
        return ""
    return adf_to_markdown(json.loads(stored)) if stored.startswith("{") else stored


def _sound(node: Mapping[str, Any]) -> bool:
    if node.get("type") not in _NODES or (node["type"] == "text" and not node.get("text")):
        return False
    content = node.get("content", [])
    return isinstance(content, list) and all(isinstance(child, Mapping) and _sound(child) for child in content)


@dataclass(frozen=True, slots=True)
class Speech:
    """How one version of the platform API takes and gives text.

    Attributes:
        read: Stored form of what a caller sends; None if it is not text in this version.
        write: What is sent for a stored form.
    """

    read: Callable[[Any], str | None]
    write: Callable[[str | None], Any]


SPEECH = {
    "2": Speech(lambda value: from_wiki(value) if isinstance(value, str) else None, as_wiki),
    "3": Speech(from_adf, as_adf),
}

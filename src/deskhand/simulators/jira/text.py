"""Text of the simulated site: stored as ADF, spoken as ADF (v3) or wiki markup (v2, servicedeskapi, webhooks)."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deskhand.kit.markdown import markdown_to_html
from deskhand.simulators.jira import documents
from deskhand.simulators.jira.wiki_in import wiki_to_adf
from deskhand.simulators.jira.wiki_out import adf_to_wiki


def from_markdown(markdown: str) -> str:
    """Stored form of Markdown, which people of this machine type into the simulator's page and its seeds."""
    return json.dumps(documents.from_html(markdown_to_html(markdown))) if markdown.strip() else ""


def from_wiki(wiki: str) -> str:
    """Stored form of wiki markup."""
    return json.dumps(wiki_to_adf(wiki)) if wiki.strip() else ""


def from_adf(document: object) -> str | None:
    """Stored form of ADF; None if it is not ADF."""
    if not isinstance(document, Mapping) or document.get("type") != "doc" or document.get("version") != 1:
        return None
    return json.dumps(document) if documents.is_sound(document) else None


def as_adf(stored: str | None) -> Any:
    """ADF of the stored form; None for no text."""
    return json.loads(stored) if stored else None


def as_wiki(stored: str | None) -> str | None:
    """Wiki markup of the stored form."""
    return adf_to_wiki(json.loads(stored)) if stored else None


def as_words(stored: str | None) -> str:
    """What the stored form says; a plain word such as a resolution's name is stored as it is."""
    if not stored:
        return ""
    return documents.words(json.loads(stored)) if stored.startswith("{") else stored


def as_html(stored: str) -> str:
    """The stored form on the site's page; the kit cleans it once more before anybody sees it."""
    return documents.to_html(json.loads(stored)) if stored.startswith("{") else html.escape(stored)


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

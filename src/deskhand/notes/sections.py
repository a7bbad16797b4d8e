"""What an agent's own instructions ask for beyond steps: paragraphs, each of them held to what it cites (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deskhand.notes import grounding
from deskhand.notes.facts import NoteFacts, Source
from deskhand.notes.markup import clip

OWN = "TICKET"
"""What the ticket itself is cited by; it needs no number."""
MAX_SECTIONS = 4
TEXT_CHARS = 1_200
_HEADING_CHARS = 60
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Section:
    """A paragraph with a heading; ``refs`` are the sources it stands on, the ticket itself left out."""

    heading: str
    text: str
    refs: tuple[str, ...] = ()


def sections_schema() -> dict[str, Any]:
    """JSON schema of the sections of a draft."""
    text = {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS}
    properties = {
        "heading": {"type": "string", "maxLength": _HEADING_CHARS},
        "text": text,
        "sources": {
            "type": "array",
            "minItems": 1,
            "maxItems": 6,
            "items": {"type": "string", "maxLength": 200},
            "description": f'Ids of sources it stands on, or "{OWN}" for the ticket itself.',
        },
    }
    section = {
        "type": "object",
        "properties": properties,
        "required": ["text", "sources"],
        "additionalProperties": False,
    }
    return {"type": "array", "maxItems": MAX_SECTIONS, "items": section}


def check_sections(draft: object, facts: NoteFacts) -> Iterator[Section | tuple[str, str]]:
    """Each section if it may be shown, else its text and why not.

    Args:
        draft: The model's list; anything else is taken as empty.
        facts: The ticket and everything this run has seen.
    """
    for item in _list(draft)[:MAX_SECTIONS]:
        entry = item if isinstance(item, Mapping) else {}
        text = str(entry.get("text") or "").strip()[:TEXT_CHARS]
        if text:
            yield _section(entry, text, facts)


def _section(entry: Mapping[str, Any], text: str, facts: NoteFacts) -> Section | tuple[str, str]:
    cited = [str(ref).strip() for ref in _list(entry.get("sources"))]
    sources = [source for ref in cited if (source := find_source(ref, facts)) is not None]
    if not sources and OWN not in cited:
        return text, "cites nothing that this run has seen"
    known = [facts.known_text, facts.ticket_ref, *(_whole(source) for source in sources)]
    strange = grounding.invented(text, facts=known, link_facts=known)
    if strange:
        return text, f"is not in what it cites: {', '.join(strange[:_SHOWN])}"
    if grounding.claims_done(text) and not any(map(grounding.claims_done, known)):
        return text, "says that something is done"
    heading = clip(str(entry.get("heading") or ""), limit=8, chars=_HEADING_CHARS)
    return Section(heading, text, tuple(dict.fromkeys(source.ref for source in sources)))


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def find_source(ref: str, facts: NoteFacts) -> Source | None:
    """The source a model means: by the id it was given, or by what people call it."""
    wanted = ref.strip().strip("[]").casefold()
    by_ref = next((one for one in facts.sources if one.ref.casefold() == wanted), None)
    label = wanted.rpartition(":")[2]
    return by_ref or next((one for one in facts.sources if one.label.casefold() == label), None)


def _whole(source: Source) -> str:
    return f"{source.label}\n{source.title}\n{source.problem}\n{source.text}\n{source.url or ''}"

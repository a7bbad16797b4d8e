"""What a note says as facts, and what of them the ticket's earlier notes do not say yet (pure).

Two notes are compared by what they stand on: sources, systems, values of fields, and claims with the source of each.
Their words are not: a model words one finding differently every time, and a technician has read it once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deskhand.notes import grounding
from deskhand.notes.draft import CheckedDraft
from deskhand.notes.facts import NEAR, NoteFacts, Source
from deskhand.notes.wording import Words

MOST_CLAIMS = 200
"""Claims that are kept of one ticket's notes; a run adds a handful, so that only a ticket of years loses its oldest."""
_SAID = 0.6
_ENGLISH = Words()
_DIGITS = re.compile(r"\d[\w.:-]*")
_DENIALS = frozenset({"not", "no", "never", "without", "nicht", "kein", "keine", "nie", "ohne", "ne", "pas", "sin"})


@dataclass(frozen=True, slots=True)
class Content:
    """What a note says.

    Attributes:
        sources: ``kind:label`` of what is near enough to count as a lead.
        systems: Hosts of the inventory that the ticket names.
        values: By field, what is suggested.
        claims: Each step or paragraph, with the ``kind:label`` of what it stands on.
    """

    sources: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    claims: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.systems or self.values or self.claims)

    def after(self, earlier: Content) -> Content:
        """What a reader of both knows."""
        return Content(
            tuple(dict.fromkeys((*earlier.sources, *self.sources))),
            tuple(dict.fromkeys((*earlier.systems, *self.systems))),
            {**earlier.values, **self.values},
            tuple(dict.fromkeys((*earlier.claims, *self.claims)))[-MOST_CLAIMS:],
        )

    def beyond(self, earlier: Content, *, is_moved: bool) -> Content:
        """What of it an earlier note does not say.

        Args:
            earlier: Everything that earlier notes say.
            is_moved: The ticket's own words, or the agent, are others since: its steps may then be others on the same
                sources. On the same words they are the same steps in another wording.
        """
        own = [one for one in self.claims if is_moved or one[0] not in earlier.sources]
        return Content(
            tuple(one for one in self.sources if one not in earlier.sources),
            tuple(one for one in self.systems if one not in earlier.systems),
            {name: value for name, value in self.values.items() if not _same_value(value, earlier.values.get(name))},
            tuple(one for one in own if not _is_said(one[1], earlier.claims)),
        )

    def as_stored(self) -> dict[str, Any]:
        """For a JSON column."""
        return {
            "sources": list(self.sources),
            "systems": list(self.systems),
            "values": dict(self.values),
            "claims": [list(one) for one in self.claims],
        }


def read_content(stored: object) -> Content:
    """The content as it was stored; what is of another form counts as nothing."""
    if not isinstance(stored, Mapping):
        return Content()
    claims = [one for one in stored.get("claims") or () if isinstance(one, (list, tuple)) and len(one) == 2]
    return Content(
        tuple(map(str, stored.get("sources") or ())),
        tuple(map(str, stored.get("systems") or ())),
        {str(name): str(value) for name, value in dict(stored.get("values") or {}).items()},
        tuple((str(source), str(text)) for source, text in claims),
    )


def content_of(facts: NoteFacts, checked: CheckedDraft, *, systems: Iterable[Source]) -> Content:
    """What a note says that is laid out of these.

    Args:
        facts: The ticket and what was found.
        checked: What of the model's words is shown.
        systems: Those that are shown.
    """
    names = {source.ref: _name(source) for source in facts.sources}
    stepped = {step.ref for step in checked.steps} | {ref for one in checked.sections for ref in one.refs}
    # A loose match is shown so that a reader sees what it is, and it is no reason to call anybody.
    leads = [one for one in facts.sources if one.kind != "system" and (one.closeness >= NEAR or one.ref in stepped)]
    cited = [one for one in leads if one.kind != "live" or one.ref in stepped]
    steps = [(names.get(step.ref, ""), step.text) for step in checked.steps]
    sections = [(names.get(one.refs[0], "") if one.refs else "", one.text) for one in checked.sections]
    values: dict[str, str] = {
        one.field: str(one.value) for one in facts.suggestions if one.value and not _stands(one.value, one.current)
    }
    return Content(tuple(_name(one) for one in cited), tuple(one.label for one in systems), values, (*steps, *sections))


def only(news: Content, facts: NoteFacts, checked: CheckedDraft) -> tuple[NoteFacts, CheckedDraft]:
    """What a follow-up is made of: the new, and what it stands on."""
    texts = {text for _, text in news.claims}
    steps = tuple(step for step in checked.steps if step.text in texts)
    sections = tuple(one for one in checked.sections if one.text in texts)
    needed = {step.ref for step in steps} | {ref for one in sections for ref in one.refs}
    sources = tuple(
        one
        for one in facts.sources
        if _name(one) in news.sources or one.ref in needed or (one.kind == "system" and one.label in news.systems)
    )
    suggestions = tuple(one for one in facts.suggestions if one.field in news.values)
    return (
        replace(facts, sources=sources, suggestions=suggestions, unavailable=()),
        replace(checked, summary="", steps=steps, sections=sections),
    )


def in_words(news: Content, say: Words = _ENGLISH) -> str:
    """What is new, in half a sentence, in the language of the note."""
    names = [name.partition(":")[2] for name in (*news.sources, *news.systems)]
    values = [f"{say(name)} {value}" for name, value in news.values.items()]
    told = [*names[:3], *([say("further sources")] if len(names) > 3 else []), *values]
    if news.claims and not names:
        told.append(say("next steps for what the ticket says now"))
    return ", ".join(told)


def _name(source: Source) -> str:
    return f"{source.kind}:{source.label}"


def _stands(value: object, current: str | None) -> bool:
    """Whether the ticket has the value already, so that nobody needs to hear of it."""
    return _same_value(str(value), current)


def _same_value(value: str, other: str | None) -> bool:
    return other is not None and value.strip().casefold() == other.strip().casefold()


def _is_said(text: str, claims: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the claims says it, in whatever words."""
    return any(_says(earlier, text) for _, earlier in claims)


def _says(earlier: str, text: str) -> bool:
    # A number, a version or an address that was not named is news, however alike the sentences are; so is a "not".
    if set(_DIGITS.findall(text)) - set(_DIGITS.findall(earlier)) or _denies(text) is not _denies(earlier):
        return False
    telling, known = set(grounding.telling(text)), set(grounding.telling(earlier))
    return len(telling & known) >= _SAID * len(telling) if telling else text.split() == earlier.split()


def _denies(text: str) -> bool:
    return not _DENIALS.isdisjoint(text.casefold().replace("n't", " not").split())

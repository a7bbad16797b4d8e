"""The note that goes on a ticket, as Markdown of at most 500 words (pure).

``draft_prompt`` and ``draft_schema`` say what to ask a model, ``check_draft`` keeps what stands on its
sources, ``compose_note`` lays it out. All of it is imported from here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.notes.draft import (
    NEAR,
    CheckedDraft,
    Confidence,
    DraftPrompt,
    Dropped,
    NoteInput,
    Source,
    Step,
    Suggestion,
    check_draft,
    draft_prompt,
    draft_schema,
    needs_model,
    procedure_steps,
    quoted_steps,
    unmarked,
)
from deskhand.notes.grounding import clip

__all__ = [
    "CheckedDraft",
    "ComposedNote",
    "DraftPrompt",
    "Dropped",
    "NoteInput",
    "Source",
    "Step",
    "Suggestion",
    "check_draft",
    "compose_note",
    "draft_prompt",
    "draft_schema",
    "needs_model",
    "quoted_steps",
    "rate",
]

MAX_WORDS = 500
_STRONG = 0.6
_TICKETS, _ARTICLES, _SYSTEMS = 3, 2, 4
_NOTHING_KNOWN = "No similar solved ticket and no article was found for this ticket."


@dataclass(frozen=True, slots=True)
class ComposedNote:
    """The finished note.

    Attributes:
        markdown: CommonMark; no raw HTML.
        confidence: How far to trust it.
        confidence_reason: Why, in one sentence.
        cited: Refs of the sources that are numbered in it, in the order of their numbers.
        word_count: At most 500.
        dropped: What the model wrote and was not kept.
        extractive: The steps are quotations, because no step of the model could be kept.
    """

    markdown: str
    confidence: Confidence
    confidence_reason: str
    cited: tuple[str, ...]
    word_count: int
    dropped: tuple[Dropped, ...]
    extractive: bool


@dataclass(frozen=True, slots=True)
class _Size:
    """How much of each kind goes in; the next smaller one is tried until the note fits."""

    tickets: int
    articles: int
    systems: int
    words: int


_SIZES = (
    _Size(_TICKETS, _ARTICLES, _SYSTEMS, 40),
    _Size(_TICKETS, _ARTICLES, _SYSTEMS, 25),
    _Size(2, 1, 3, 20),
    _Size(1, 1, 2, 12),
    _Size(1, 0, 0, 8),
)


def compose_note(given: NoteInput, checked: CheckedDraft) -> ComposedNote:
    """Lay out a note.

    Args:
        given: The ticket and what was found.
        checked: From ``note.check_draft``; an empty one makes a note of what was found alone.
    """
    confidence, reason = rate(given, checked)
    markdown, cited = "", tuple[str, ...]()
    for size in _SIZES:
        markdown, cited = _Layout(given, checked, size).text(confidence, reason)
        if len(markdown.split()) <= MAX_WORDS:
            break
    return ComposedNote(
        markdown=markdown,
        confidence=confidence,
        confidence_reason=reason,
        cited=cited,
        word_count=len(markdown.split()),
        dropped=checked.dropped,
        extractive=checked.extractive,
    )


def rate(given: NoteInput, checked: CheckedDraft) -> tuple[Confidence, str]:
    """How far to trust the note, from what was found and what was kept; the model is not asked."""
    tickets, articles = given.of_kind("ticket"), given.of_kind("article")
    strong = [source for source in tickets if source.score is None or source.score >= _STRONG]
    rules: tuple[tuple[object, Confidence, str], ...] = (
        (not tickets and not articles, "low", "nothing comparable was found"),
        (not checked.steps, "low", "no solution was found in what was looked up"),
        (not strong and not articles, "low", "the closest solved tickets are only loosely related"),
        (checked.extractive, "medium", "the solution is quoted, because no own wording could be verified"),
        (given.unavailable, "medium", "not every source could be asked"),
        (
            len(strong) >= 2 and _agree(given),
            "high",
            "close solved tickets agree with each other, and every step was found in a source",
        ),
        (True, "medium", "every step was found in a source, but the solved tickets are few or disagree"),
    )
    return next((level, reason) for holds, level, reason in rules if holds)


def _agree(given: NoteInput) -> bool:
    """Whether most similar tickets have one category; without any, closeness has to do."""
    votes = [one for one in given.suggestions if one.field == "category" and one.of]
    return all(one.value is not None and one.votes * 3 >= one.of * 2 for one in votes)


class _Layout:
    """One attempt at one size; numbers sources in the order they are first met."""

    def __init__(self, given: NoteInput, checked: CheckedDraft, size: _Size) -> None:
        self._given = given
        self._checked = checked
        self._size = size
        self._numbers: dict[str, int] = {}
        stepped = {step.ref for step in checked.steps}
        self._shown = {step.text for step in checked.steps}
        tickets, articles = given.of_kind("ticket"), given.of_kind("article")
        self._tickets = _first(tickets, _close(tickets, size.tickets) | stepped)
        self._articles = _first(articles, {source.ref for source in articles[: size.articles]} | stepped)
        self._systems = given.of_kind("system")[: size.systems]

    def text(self, confidence: Confidence, reason: str) -> tuple[str, tuple[str, ...]]:
        blocks = [
            self._headline(),
            self._steps(),
            self._similar(),
            self._procedures(),
            self._affected(),
            self._values(),
            f"**Confidence:** {confidence} – {reason}.",
            self._missing(),
            self._footer(),
        ]
        return "\n\n".join(block for block in blocks if block), tuple(self._numbers)

    def _number(self, ref: str) -> str:
        return f"[{self._numbers.setdefault(ref, len(self._numbers) + 1)}]"

    def _headline(self) -> str:
        return (
            f"**{plain(self._checked.summary or clip(self._given.subject, limit=25)) or 'Ticket without a subject'}**"
        )

    def _steps(self) -> str:
        if not self._checked.steps:
            return "" if self._tickets or self._articles else _NOTHING_KNOWN
        if self._checked.extractive:
            step = self._checked.steps[0]
            source = next(source for source in self._given.sources if source.ref == step.ref)
            return (
                f"**What solved the closest ticket, {plain(source.label)}** {self._number(step.ref)}: "
                f"“{plain(step.text)}” – quoted as it stands; check that it fits here."
            )
        lines = [
            f"{number}. {plain(clip(step.text, limit=32, chars=220))} {self._number(step.ref)}"
            for number, step in enumerate(self._checked.steps, 1)
        ]
        return "\n".join(["**Next steps**", *lines])

    def _similar(self) -> str:
        if not self._tickets:
            return "" if self._articles else ("" if not self._checked.steps else "No similar solved ticket was found.")
        lines = [self._ticket(source) for source in self._tickets]
        return "\n".join(["**Similar solved tickets**", *lines])

    def _ticket(self, source: Source) -> str:
        invented = " *invented demo ticket*" if source.synthetic else ""
        solved = plain(clip(source.text, limit=self._size.words)) or "no solution was written down"
        title = plain(clip(source.title, limit=14))
        return f"- {self._number(source.ref)} {_named(source)} {title}{_match(source.score)}{invented}: {solved}"

    def _procedures(self) -> str:
        if not self._articles:
            asked = not any("article" in name or "knowledge" in name for name in self._given.unavailable)
            return "**Procedure:** no article fits this ticket." if asked and self._tickets else ""
        lines = [
            f"- {self._number(source.ref)} {_named(source)} {plain(clip(source.title, limit=14))}"
            f"{_extent(source, self._size.words, shown=self._shown)}"
            for source in self._articles
        ]
        return "\n".join(["**Procedure**", *lines])

    def _affected(self) -> str:
        if not self._systems:
            return ""
        shown = [
            f"{_named(source)} ({plain(clip(source.title, limit=8))})" if source.title else _named(source)
            for source in self._systems
        ]
        return f"**Named systems:** {', '.join(shown)}."

    def _values(self) -> str:
        shown = [_suggestion(suggestion) for suggestion in self._given.suggestions if suggestion.value]
        return f"**Suggested:** {'; '.join(shown)}." if shown else ""

    def _missing(self) -> str:
        if not self._given.unavailable:
            return ""
        names = ", ".join(plain(clip(name, limit=8)) for name in self._given.unavailable[:4])
        return f"**Could not be asked:** {names}. What it knows is missing here."

    def _footer(self) -> str:
        label = f" with {plain(clip(self._given.model_label, limit=8))}" if self._given.model_label else ""
        return f"*Written by Deskhand{label}. A suggestion: check it before acting.*"


def _close(tickets: Sequence[Source], count: int) -> set[str]:
    """The nearest tickets worth a technician's seconds; if none is near, the nearest alone."""
    near = [source.ref for source in tickets if source.score is None or source.score >= NEAR]
    return set(near[:count]) or {source.ref for source in tickets[:1]}


def _first(sources: Sequence[Source], refs: set[str]) -> list[Source]:
    return [source for source in sources if source.ref in refs]


def _extent(article: Source, words: int, *, shown: set[str]) -> str:
    """How long a procedure is and how it begins: often with what must not be skipped, such as checking an identity."""
    steps = procedure_steps(article.text)
    if steps and steps[0] in shown:
        return f" ({len(steps)} steps)"
    if steps:
        return f" ({len(steps)} steps, the first: {plain(clip(steps[0], limit=min(words, 18)))})"
    return f": {plain(clip(unmarked(article.text), limit=min(words, 25)))}" if article.text.strip() else ""


def _match(score: float | None) -> str:
    """In words: the number is comparable with others, not a promise."""
    if score is None:
        return ""
    word = "close" if score >= _STRONG else "partial" if score >= NEAR else "loose"
    return f" ({word} match, {score:.2f})"


def _named(source: Source) -> str:
    label = plain(clip(source.label, limit=3, chars=60))
    return f"[{label}](<{source.url}>)" if source.url and _safe_url(source.url) else label


def _safe_url(url: str) -> bool:
    return re.fullmatch(r"https?://[^\s<>\"]{1,500}", url) is not None


def _suggestion(suggestion: Suggestion) -> str:
    evidence = f"{suggestion.votes} of {suggestion.of} similar tickets" if suggestion.of else "by wording"
    now = f", now {plain(clip(suggestion.current, limit=4))}" if suggestion.current else ""
    return f"{suggestion.field} {plain(clip(str(suggestion.value), limit=5))} ({evidence}{now})"


def plain(text: str) -> str:
    """A stranger's text as inert Markdown: no links, no citations, no emphasis, no HTML, one line."""
    flat = " ".join(text.split()).replace("[", "(").replace("]", ")")
    escaped = html.escape(flat, quote=False)
    return re.sub(r"([*`#|~\\])", r"\\\1", escaped).replace("__", "\\_\\_")

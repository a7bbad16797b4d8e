"""The note that goes on a ticket, as Markdown of at most 500 words (pure).

``draft_prompt`` and ``draft_schema`` say what to ask a model, ``check_draft`` keeps what stands on its
sources, ``compose_note`` lays it out. All of it is imported from here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deskhand.notes.confidence import Confidence, rate
from deskhand.notes.draft import (
    CheckedDraft,
    DraftPrompt,
    Dropped,
    Step,
    check_draft,
    draft_prompt,
    draft_schema,
    needs_model,
    quoted_steps,
    without_model,
)
from deskhand.notes.facts import NEAR, STRONG, NoteFacts, Source, Suggestion
from deskhand.notes.gaps import gaps
from deskhand.notes.kin import about
from deskhand.notes.markup import clip, inert_lines, plain, procedure_steps, quoted, unmarked
from deskhand.notes.news import Content, content_of, in_words, only
from deskhand.notes.sections import Section
from deskhand.notes.wording import words_for

__all__ = [
    "CheckedDraft",
    "ComposedNote",
    "DraftPrompt",
    "Dropped",
    "NoteFacts",
    "Source",
    "Step",
    "Suggestion",
    "check_draft",
    "compose_follow_up",
    "compose_note",
    "compose_update",
    "draft_prompt",
    "draft_schema",
    "needs_model",
    "quoted_steps",
    "rate",
    "without_model",
]

MAX_WORDS = 500
_TICKETS, _ARTICLES, _SYSTEMS = 3, 2, 4
_QUOTED_WORDS = 60


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
        says: What it says, as facts: what a later note is compared with.
    """

    markdown: str
    confidence: Confidence
    confidence_reason: str
    cited: tuple[str, ...]
    word_count: int
    dropped: tuple[Dropped, ...]
    extractive: bool
    says: Content


@dataclass(frozen=True, slots=True)
class _Size:
    """How much of each kind goes in; the next smaller one is tried until the note fits."""

    tickets: int
    articles: int
    systems: int
    words: int
    sections: int = 4
    section_words: int = 120


_SIZES = (
    _Size(_TICKETS, _ARTICLES, _SYSTEMS, 40),
    _Size(_TICKETS, _ARTICLES, _SYSTEMS, 25),
    _Size(2, 1, 3, 20),
    _Size(1, 1, 2, 12, section_words=80),
    _Size(1, 0, 0, 8, sections=2, section_words=60),
)


def compose_note(facts: NoteFacts, checked: CheckedDraft) -> ComposedNote:
    """Lay out a note.

    Args:
        facts: The ticket and what was found.
        checked: From ``note.check_draft``; an empty one makes a note of what was found alone.
    """
    return _compose(facts, checked, rate(facts, checked), "")


def compose_follow_up(facts: NoteFacts, checked: CheckedDraft, *, news: Content, note: ComposedNote) -> ComposedNote:
    """Lay out a note that says what an earlier one does not.

    Args:
        facts: The ticket and everything that was found.
        checked: From ``note.check_draft``.
        news: What is new in it.
        note: The note that says all of it, whose confidence this one has.
    """
    say = words_for(facts)
    opening = say("New on this ticket: {news}.", news=plain(clip(in_words(news, say), limit=40)))
    return _compose(*only(news, facts, checked), (note.confidence, note.confidence_reason), opening)


def compose_update(facts: NoteFacts, checked: CheckedDraft, *, news: Content, at: datetime) -> ComposedNote:
    """Lay out a note that takes an earlier one's place: whole, and it begins with what changed and when.

    Args:
        facts: The ticket and everything that was found.
        checked: From ``note.check_draft``.
        news: What the earlier one did not say; empty where the model's words are all that is new.
        at: When.
    """
    say = words_for(facts)
    told = plain(clip(in_words(news, say), limit=40)) or say("now with the model's words")
    first = f"*{say('Updated {at} UTC: {news}.', at=f'{at:%Y-%m-%d %H:%M}', news=told)}*"
    return _compose(facts, checked, rate(facts, checked), "", first)


def _compose(
    facts: NoteFacts, checked: CheckedDraft, rated: tuple[Confidence, str], opening: str, first: str = ""
) -> ComposedNote:
    confidence, reason = rated
    markdown, cited = "", tuple[str, ...]()
    # The next smaller size is tried, so that the note loses its least important pieces and is never cut at a word.
    for size in _SIZES:
        layout = _Layout(facts, checked, size, opening, first)
        markdown, cited = layout.text(confidence, reason)
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
        says=content_of(facts, checked, systems=layout.systems),
    )


class _Layout:
    """One attempt at one size; numbers sources in the order they are first met."""

    def __init__(self, facts: NoteFacts, checked: CheckedDraft, size: _Size, opening: str, first: str) -> None:
        self._say = words_for(facts)
        self._opening = opening
        self._first = first
        self._facts = facts
        self._checked = checked
        self._size = size
        self._numbers: dict[str, int] = {}
        stepped = {step.ref for step in checked.steps}
        self._sections = checked.sections[: size.sections]
        stepped |= {ref for section in self._sections for ref in section.refs}
        self._shown = {step.text for step in checked.steps}
        tickets, articles = facts.of_kind("ticket"), facts.of_kind("article")
        self._tickets = _first(tickets, _close(tickets, size.tickets) | stepped)
        self._articles = _first(articles, {source.ref for source in articles[: size.articles]} | stepped)
        # Only what the ticket's own words name: a near-spelling in a long text sends a technician to the wrong machine.
        self.systems = [source for source in facts.of_kind("system") if _is_said(source, facts)][: size.systems]

    def text(self, confidence: Confidence, reason: str) -> tuple[str, tuple[str, ...]]:
        blocks = [
            self._first,
            about(self._facts, self._say),
            self._headline(),
            self._lead(confidence, reason),
            *(self._section(section) for section in self._sections),
            self._steps(),
            self._similar(),
            self._procedures(),
            self._live(),
            self._affected(),
            self._values(),
            *gaps(self._facts, self._say),
            self._shortfall(),
            self._footer(),
        ]
        return "\n\n".join(block for block in blocks if block), tuple(self._numbers)

    def _number(self, ref: str) -> str:
        # Numbered as they are met, so that a reader finds [1] first; the refs of the prompt mean nothing to anybody
        # else.
        return f"[{self._numbers.setdefault(ref, len(self._numbers) + 1)}]"

    def _section(self, section: Section) -> str:
        cited = "".join(self._number(ref) for ref in section.refs)
        text = "\n".join(inert_lines(section.text, limit=self._size.section_words))
        heading = f"**{plain(section.heading)}**\n" if section.heading else ""
        return f"{heading}{text} {cited}".rstrip()

    def _headline(self) -> str:
        if self._opening:
            return f"**{self._opening}**"
        headline = plain(self._checked.summary or clip(self._facts.subject, limit=25))
        return f"**{headline or self._say('Ticket without a subject')}**"

    def _lead(self, confidence: Confidence, reason: str) -> str:
        """What somebody reads who reads no further: the best lead, and how far to trust it."""
        trust = f"**{self._say('Confidence:')}** {self._say(confidence)} – {self._say(reason)}."
        shown = {source.ref: source for source in (*self._tickets, *self._articles)}
        first = [shown[step.ref] for step in self._checked.steps[:1] if step.ref in shown]
        best = next(iter((*first, *(one for one in shown.values() if one.closeness >= NEAR))), None)
        if best is None:
            return trust
        title = plain(clip(best.title, limit=14))
        lead = f"**{self._say('Best lead:')}** {self._number(best.ref)} {_named(best)} {title}"
        return f"{lead}{self._match(best.score)}. {trust}"

    def _steps(self) -> str:
        if not self._checked.steps:
            # A follow-up leaves out what is known already; that it is not there says nothing.
            known = self._tickets or self._articles or self._opening
            return "" if known else self._say("No similar solved ticket and no article was found for this ticket.")
        first = self._checked.steps[0]
        source = next(source for source in self._facts.sources if source.ref == first.ref)
        # What has no steps is quoted: the beginning of a text under a "1." reads as if somebody had to do it.
        if first.quoted and not (source.kind == "article" and procedure_steps(source.text)):
            return self._quotation(source, first)
        says = self._say
        heading = says("Next steps, as {source} words them", source=plain(source.label))
        heading = f"**{heading if first.quoted else says('Next steps')}**"
        lines = [
            f"{number}. {plain(clip(step.text, limit=32, chars=220))} {self._number(step.ref)}"
            for number, step in enumerate(self._checked.steps, 1)
        ]
        return "\n".join([heading, *lines])

    def _quotation(self, source: Source, step: Step) -> str:
        solved, said = "What solved the closest ticket, {source}", "What {source} says"
        title = self._say(solved if source.kind == "ticket" else said, source=plain(source.label))
        heading = f"**{title}** {self._number(source.ref)}"
        fits = len(step.text.split()) <= _QUOTED_WORDS and len(step.text) <= 10 * _QUOTED_WORDS
        whole = fits and not step.text.endswith(" …")
        all_of_it, some = "quoted as it stands; check that it fits here", "the beginning of it; check that it fits here"
        how = self._say(all_of_it if whole else some)
        # Kept in its lines: a solution of several steps loses its order when it is folded into one.
        if whole and "\n" in step.text.strip():
            return f"{heading}, {how}:\n\n{quoted(step.text)}"
        return f"{heading}: “{plain(clip(step.text, limit=_QUOTED_WORDS))}” – {how}."

    def _similar(self) -> str:
        if not self._tickets:
            is_news = self._checked.steps and not self._articles and not self._opening
            return self._say("No similar solved ticket was found.") if is_news else ""
        lines = [self._ticket(source) for source in self._tickets]
        return "\n".join([f"**{self._say('Similar solved tickets')}**", *lines])

    def _ticket(self, source: Source) -> str:
        invented = f" *{self._say('invented demo ticket')}*" if source.synthetic else ""
        solved = plain(clip(source.text, limit=self._size.words)) or self._say("no solution was written down")
        title = plain(clip(source.title, limit=14))
        return f"- {self._number(source.ref)} {_named(source)} {title}{self._match(source.score)}{invented}: {solved}"

    def _procedures(self) -> str:
        if not self._articles:
            # "No article fits" may be said only where somebody looked.
            was_asked = not any("article" in name or "knowledge" in name for name in self._facts.unavailable)
            is_news = was_asked and self._tickets and not self._opening
            none = f"**{self._say('Procedure')}:** {self._say('no article fits this ticket')}."
            return none if is_news else ""
        lines = [
            f"- {self._number(source.ref)} {_named(source)} {plain(clip(source.title, limit=14))}{self._extent(source)}"
            for source in self._articles
        ]
        return "\n".join([f"**{self._say('Procedure')}**", *lines])

    def _live(self) -> str:
        # After the sections, which alone cite them: a ticket that a tool showed and nobody used would be noise.
        cited = [source for source in self._facts.of_kind("live") if source.ref in self._numbers]
        lines = [
            f"- {self._number(source.ref)} {_named(source)} {plain(clip(source.title, limit=14))}" for source in cited
        ]
        return "\n".join([f"**{self._say('Tickets')}**", *lines]) if lines else ""

    def _affected(self) -> str:
        named = [_system(source) for source in self.systems if _names(source)]
        meant = [
            f"{_system(source)} – {self._say('the ticket says “{words}”', words=plain(source.named))}"
            for source in self.systems
            if not _names(source)
        ]
        lines = [
            f"**{self._say('Systems the ticket names:')}** {', '.join(named)}." if named else "",
            f"**{self._say('It may concern:')}** {'; '.join(meant)}." if meant else "",
        ]
        return "\n\n".join(line for line in lines if line)

    def _values(self) -> str:
        shown = [self._suggestion(suggestion) for suggestion in self._facts.suggestions if suggestion.value]
        return f"**{self._say('Suggested:')}** {'; '.join(shown)}." if shown else ""

    def _suggestion(self, suggestion: Suggestion) -> str:
        votes = self._say("{votes} of {of} similar tickets", votes=suggestion.votes, of=suggestion.of)
        evidence = votes if suggestion.of else self._say("by wording")
        current = suggestion.current
        now = f", {self._say('now {value}', value=plain(clip(current, limit=4)))}" if current else ""
        return f"{self._say(suggestion.field)} {plain(clip(str(suggestion.value), limit=5))} ({evidence}{now})"

    def _match(self, score: float | None) -> str:
        """In words: the number is comparable with others, not a promise."""
        if score is None:
            return ""
        word = "close match" if score >= STRONG else "partial match" if score >= NEAR else "loose match"
        return f" ({self._say(word)}, {score:.2f})"

    def _extent(self, article: Source) -> str:
        """How long a procedure is and how it begins: often with what must not be skipped, such as who is asking."""
        steps = procedure_steps(article.text)
        if steps and steps[0] in self._shown:
            return f" ({self._say('{count} steps', count=len(steps))})"
        if steps:
            first = plain(clip(steps[0], limit=min(self._size.words, 18)))
            return f" ({self._say('{count} steps, the first: {step}', count=len(steps), step=first)})"
        if any(step.quoted and step.ref == article.ref for step in self._checked.steps):
            return ""  # its beginning stands above already
        text = plain(clip(unmarked(article.text), limit=min(self._size.words, 25)))
        return f": {text}" if text else ""

    def _shortfall(self) -> str:
        if not self._checked.shortfall:
            return ""
        why = plain(clip(self._say(self._checked.shortfall), limit=30))
        without = f"**{self._say('Written without the language model:')}** {why}."
        return f"{without} {self._say('What is above was found and is quoted.')}"

    def _footer(self) -> str:
        # A model is named where it had a say, and nowhere else.
        touched = self._checked.has_model_words and self._facts.model_label
        label = f" {self._say('with {model}', model=plain(clip(self._facts.model_label, limit=8)))}" if touched else ""
        return f"*{self._say('Written by Deskhand')}{label}. {self._say('A suggestion: check it before acting.')}*"


def _close(tickets: Sequence[Source], count: int) -> set[str]:
    """The nearest tickets worth a technician's seconds; if none is near, the nearest alone."""
    near = [source.ref for source in tickets if source.score is None or source.score >= NEAR]
    # One all the same: a technician sees sooner than any score that it is another problem. Without a solution it is
    # nothing to look at.
    return set(near[:count]) or {source.ref for source in tickets[:1] if source.text.strip()}


def _first(sources: Sequence[Source], refs: set[str]) -> list[Source]:
    return [source for source in sources if source.ref in refs]


def _names(system: Source) -> bool:
    """Whether the ticket has the system's own name or address, not only a word that is used for it."""
    said = system.named.lower().strip()
    return not said or said == system.label.lower() or said in system.text.lower().split(", ")


def _is_said(system: Source, facts: NoteFacts) -> bool:
    """Whether the words that are to name a system are the ticket's."""
    words = " ".join(facts.ticket_text.lower().split())
    return " ".join(system.named.lower().split()) in words


def _system(source: Source) -> str:
    return f"{_named(source)} ({plain(clip(source.title, limit=8))})" if source.title else _named(source)


def _named(source: Source) -> str:
    label = plain(clip(source.label, limit=3, chars=60))
    return f"[{label}](<{source.url}>)" if source.url and _safe_url(source.url) else label


def _safe_url(url: str) -> bool:
    # A link of an import goes onto a ticket: no blank or sign that could end it and begin markup.
    return re.fullmatch(r"https?://[^\s<>\"]{1,500}", url) is not None

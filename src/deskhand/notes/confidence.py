"""How far to trust a note: from what was found and kept; the model is not asked (pure).

What counts is whether solutions agree, with the ticket and with each other: one solved ticket that is all but the same
is worth more than three that only share its category.
"""

from __future__ import annotations

from typing import Literal

from deskhand.notes import grounding
from deskhand.notes.draft import CheckedDraft
from deskhand.notes.facts import NEAR, STRONG, NoteFacts, Source
from deskhand.notes.steps import article_steps, owed

Confidence = Literal["high", "medium", "low"]

SAME = 0.85
"""A source at least this likely to be about the same thing needs no second."""
_SAME_SUBJECT = 0.5
_SHARED_WORDS = 2
_SHARE = 0.3


def rate(facts: NoteFacts, checked: CheckedDraft) -> tuple[Confidence, str]:
    """The confidence of a note and why, in one sentence."""
    # A system of the inventory says where a problem is, and nothing of its solution.
    stated = [source for source in facts.sources if source.kind != "system"]
    refs = {step.ref for step in checked.steps}
    cited = [source for source in stated if source.ref in refs]
    best = max((source.closeness for source in cited), default=0.0)
    same = any(source.closeness >= SAME and _fits(source, facts) for source in cited)
    confirmed = any(_confirms(source, stated) for source in cited)
    # A short ticket shares its few words with many articles: which of their cases it is tells whether one is meant.
    is_no_case = bool(cited) and all(source.kind == "article" and not _fits(source, facts) for source in cited)
    # The first that holds decides, so what takes confidence away stands before what gives it.
    rules: tuple[tuple[object, Confidence, str], ...] = (
        (not stated, "low", "nothing comparable was found"),
        (not checked.steps, "low", _why_no_steps(stated)),
        (best < STRONG and not confirmed, "low", "what the steps stand on is only loosely related"),
        (is_no_case, "low", "the procedure is for several cases, and the ticket names none of them"),
        (facts.unavailable, "medium", "not every source could be asked"),
        (checked.shortfall, "medium", "the steps are the sources' own words"),
        (checked.extractive, "medium", "the solution is quoted, because no own wording could be verified"),
        (same, "high", "what the steps stand on is about the same problem"),
        (best >= STRONG and confirmed, "high", "close sources agree on the solution"),
        (
            best >= STRONG,
            "medium",
            "what the steps stand on is close, but nothing confirms that it fits this case",
        ),
        (True, "medium", "several sources say so, but none is close"),
    )
    return next((level, reason) for holds, level, reason in rules if holds)


def _fits(source: Source, facts: NoteFacts) -> bool:
    """Whether a source is about the ticket's very case, as far as words can tell."""
    # An article fits by its steps: its title names a subject, under which several cases may stand.
    if source.kind == "article":
        steps = article_steps(source, facts.ticket_text)
        return owed(steps) is not None or not any(step.case for step in steps)
    return (
        grounding.share_in(source.title, facts.ticket_text) >= _SAME_SUBJECT
        or grounding.share_in(source.solution, facts.ticket_text) >= _SHARE
    )


def _why_no_steps(stated: list[Source]) -> str:
    near = [source for source in stated if source.closeness >= NEAR]
    if any(source.text.strip() for source in near):
        return "no step could be taken from what was found"
    if any(source.text.strip() for source in stated):
        return "the closest sources are only loosely related"
    return "nobody wrote down how the similar tickets were solved" if near else "nothing comparable was found"


def _confirms(source: Source, others: list[Source]) -> bool:
    """Whether another near source says to do much the same."""
    # Near ones alone: a distant ticket shares words with everything.
    return any(_agree(source, other) for other in others if other.ref != source.ref and other.closeness >= NEAR)


def _agree(one: Source, other: Source) -> bool:
    told, again = set(grounding.telling(one.solution)), set(grounding.telling(other.solution))
    shared = len(told & again)
    return shared >= _SHARED_WORDS and shared >= _SHARE * min(len(told), len(again))

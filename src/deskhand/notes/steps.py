"""Which steps of an article fit a ticket (pure).

Many procedures branch: "Locked: …", "Forgotten: …". A small model takes the first steps it reads, so the steps are
ranked here by the words they share with the ticket, and the branch that is about this case is never left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deskhand.notes import grounding
from deskhand.notes.facts import Source
from deskhand.notes.markup import procedure_steps
from deskhand.notes.support import Words, parts

OFFERED = 7
"""Steps of one article that are shown to a model."""
CHOSEN = 4
"""Steps of one article that code chooses where no model does."""
_READ = 40
_TICKET_CHARS = 20_000
_CASE = re.compile(r"([^:\n]{2,80}):\s")
_CONDITION = re.compile(r"((?:If|When|For)\s[^,\n]{2,80}),\s")
_REMARKS = frozenset(
    {"note", "notes", "warning", "important", "caution", "tip", "hint", "example", "attention", "remember"}
)
_CASE_WEIGHT = 2.0
_OTHER_CASE = 0.4


@dataclass(frozen=True, slots=True)
class ArticleStep:
    """A step of an article.

    Attributes:
        ref: What a model calls it: ``K1.4``.
        text: The article's own words.
        fit: How much of the ticket is in it; only comparable within the article.
        case: The case it is for ("Forgotten"); empty for a step that is for every case.
        case_fits: Whether the ticket names the case.
    """

    ref: str
    text: str
    fit: float = 0.0
    case: str = ""
    case_fits: bool = False


def article_steps(source: Source, ticket_text: str) -> list[ArticleStep]:
    """The steps of an article that may fit a ticket, in the article's order.

    Where the ticket names one of the article's cases, steps for other cases that share no word with it are left out.
    """
    if source.kind != "article":
        return []
    # Bounded: a long manual is no procedure, and each step is compared with the ticket.
    texts = procedure_steps(source.text)[:_READ]
    words = [_telling(text) for text in texts]
    # A word that many steps have tells none of them apart, so it counts as its share.
    spread = Counter(word for one in words for word in one)
    ticket_words = Words()
    ticket_words.add(_telling(ticket_text[:_TICKET_CHARS]))
    steps = []
    for number, (text, own) in enumerate(zip(texts, words, strict=True), 1):
        case = _case_of(text)
        named = [word for word in _telling(case) if ticket_words.have(word)]
        shared = [word for word in own if ticket_words.have(word)]
        fit = sum(1 / spread[word] for word in shared) + sum(_CASE_WEIGHT / spread[word] for word in named)
        steps.append(ArticleStep(f"{source.ref}.{number}", text, fit, case, bool(named)))
    # Only where the ticket names a case: where it names none, any of them may be the right one.
    if any(step.case_fits for step in steps):
        steps = [step for step in steps if not step.case or step.fit > 0]
    return steps


def offered(steps: Sequence[ArticleStep]) -> list[ArticleStep]:
    """Steps for a model to choose from, the best first: a small one takes the first it reads."""
    return sorted(steps, key=lambda step: (step is not owed(steps), -step.fit * _doubt(step)))[:OFFERED]


def _doubt(step: ArticleStep) -> float:
    """A step for another case than the ticket names is worth less than one for every case."""
    return _OTHER_CASE if step.case and not step.case_fits else 1.0


def owed(steps: Sequence[ArticleStep]) -> ArticleStep | None:
    """The step for the very case that the ticket names; None if it names none."""
    return max((step for step in steps if step.case_fits), key=lambda step: step.fit, default=None)


def chosen(steps: Sequence[ArticleStep]) -> list[ArticleStep]:
    """The steps to show where no model chose, in the article's order.

    The ticket's case and what is for every case; the first steps, with the cases they are for, if it names none.
    """
    best = owed(steps)
    if best is None:
        return list(steps[:CHOSEN])
    refs = {step.ref for step in [best, *(step for step in steps if not step.case)][:CHOSEN]}
    return [step for step in steps if step.ref in refs]


def _case_of(text: str) -> str:
    match = _CASE.match(text) or _CONDITION.match(text)
    if match is None:
        return ""
    label = match.group(1)
    first = next(iter(parts(label)), "")
    # "Verify who is asking: call back" is an instruction for every case.
    return "" if first in _REMARKS or grounding.begins_with_verb(label) else label


def _telling(text: str) -> frozenset[str]:
    """The words of a text that say what it is about, without plurals."""
    return frozenset(word.removesuffix("s") if len(word) > 4 else word for word in grounding.words(text))

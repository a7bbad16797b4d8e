"""How near two texts are, as one number from 0 to 1 (pure).

The number is a logistic model of two measurements: the cosine of the vectors, and the share of the query's
words (by how much each says) that the text has. It estimates how often a hit with such measurements is about
the same kind of problem. What the two count beside each other, which makes the order, was chosen on labelled
tickets and articles of others (``benchmarks/retrieval/weights.py``); scale and intercept are fitted on the demo
content (``scores.py`` there), which is small and mostly invented: read scores as comparable with each other, not as
a promise for other content.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

COSINE_CENTRE = 0.86
"""Cosines of this model lie between 0.80 (unrelated) and 0.95 (the same); the fit is centred between."""

# What a synonym counts of the word itself: "printer" for "MFP" says less than the same word.
SYNONYM_SHARE = 0.7
FAR_SHARE = 0.4
"""Of a word that only the resolution has."""
BY_LENGTH = 0.16
"""What of an article's words goes by its length: one twice as long as the average has its words divided by 1.16. That
is BM25's rule with 0.3 for its ``b``: a long text has many words by chance."""
TOPIC_WEIGHT = 2.0
SUBJECT_WEIGHT = 1.5
# Each term is three text queries against every row of the tenant; beyond two dozen the rest weighs next to nothing.
MAX_TERMS = 24

RUNNER_UP_MARGIN = 3.0
"""A hit whose log-odds are this far below the best one's is noise beside it and is not shown."""

VERDICT_LOG_ODDS = 0.7
"""What a verdict on a note counts for or against what the note cites, in the order alone: scores stay as measured."""
MOST_VERDICTS = 3
"""Net, for or against one source: a few people move it past its neighbours, and no crowd makes it first or last."""
ALIKE = 0.9
"""Cosine from which a judged ticket is one like the ticket at hand. Of this model; unrelated ones have 0.8."""
VERDICT_DAYS = 365
"""How long a verdict counts: what helped a year ago was for the systems of that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Coefficients of one kind of content.

    Attributes:
        intercept: Log-odds at the centre cosine with no word shared.
        cosine: Log-odds per 1.0 of cosine.
        words: Log-odds when every word of the query is found.
        lexical_intercept: The same where there are no vectors.
        lexical_words: The same where there are no vectors.
        floor: Hits below are not shown.
    """

    intercept: float
    cosine: float
    words: float
    lexical_intercept: float
    lexical_words: float
    floor: float

    def log_odds(self, cosine: float | None, words: float) -> float:
        """Log-odds of one hit; ``cosine`` is None where one side has no vector."""
        # A row from before the model was installed, or of another model, has only its words; its own coefficients keep
        # such rows comparable with the others.
        if cosine is None:
            return self.lexical_intercept + self.lexical_words * words
        return self.intercept + self.cosine * (cosine - COSINE_CENTRE) + self.words * words


# How much a whole cosine counts beside every word of the query: 8 and 17. Left free, the demo's invented tickets ask
# for 4 and 7, since they repeat each other's words more than people's tickets do; on those of two strangers' trackers
# and a manual in nine languages the order was then below that of vectors alone (docs/reference/benchmarks.md). At 0.15
# as much is shown where nothing is right as was at 0.2 with the former scores: a hit for one of eight such queries.
HISTORY = Calibration(
    intercept=-3.44, cosine=58.5, words=7.32, lexical_intercept=-4.38, lexical_words=13.94, floor=0.15
)
ARTICLES = Calibration(
    intercept=-4.11, cosine=144.2, words=8.49, lexical_intercept=-7.89, lexical_words=20.79, floor=0.25
)


def probability(log_odds: float) -> float:
    """Log-odds as a probability."""
    # Bounded, because exp() of a few hundred overflows; at 60 the probability is 1 to the last digit anyway.
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, log_odds))))


@dataclass(frozen=True, slots=True)
class Term:
    """A stem of the query: the stems that stand for it, how much it says, and with what other forms of it begin."""

    stem: str
    synonyms: tuple[str, ...]
    weight: float
    root: str = ""


def weigh_terms(
    stems: Sequence[str],
    *,
    in_subject: frozenset[str],
    frequency: Mapping[str, int],
    documents: int,
    synonyms: Mapping[str, frozenset[str]],
    roots: Mapping[str, str],
) -> list[Term]:
    """Give each stem its weight; the weights of the result sum to 1.

    Args:
        stems: Stems of the query without filler.
        in_subject: Those that are in its first line.
        frequency: In how many documents each stem is.
        documents: How many documents there are.
        synonyms: Other stems for a topic stem; a topic stem without any maps to an empty set.
        roots: With what other forms of a stem begin, of those that have some.

    Returns:
        The ``MAX_TERMS`` that say most.
    """
    terms = []
    for stem in stems:
        # Inverse document frequency: a word that every ticket of the tenant has tells none of them apart. The half
        # keeps a word that no ticket has from dividing by zero.
        weight = math.log(1 + documents / (frequency.get(stem, 0) + 0.5))
        # A digit means an error code, a model or a host name: the words that identify a problem.
        if stem in synonyms or any(letter.isdigit() for letter in stem):
            weight *= TOPIC_WEIGHT
        if stem in in_subject:
            weight *= SUBJECT_WEIGHT
        terms.append(Term(stem, tuple(sorted(synonyms.get(stem, ()))), weight, roots.get(stem, "")))
    # Ties by the alphabet, so that the same query weighs the same words every time.
    terms = sorted(terms, key=lambda term: (-term.weight, term.stem))[:MAX_TERMS]
    total = sum(term.weight for term in terms) or 1.0
    return [replace(term, weight=term.weight / total) for term in terms]


__all__ = [
    "ALIKE",
    "ARTICLES",
    "BY_LENGTH",
    "FAR_SHARE",
    "HISTORY",
    "MOST_VERDICTS",
    "RUNNER_UP_MARGIN",
    "SYNONYM_SHARE",
    "VERDICT_DAYS",
    "VERDICT_LOG_ODDS",
    "Calibration",
    "Term",
    "probability",
    "weigh_terms",
]

"""How two measurements become one number, and what each word of a question weighs in it (pure)."""

from __future__ import annotations

import math

import pytest

from deskhand.knowledge.ranking import (
    ARTICLES,
    COSINE_CENTRE,
    HISTORY,
    MAX_TERMS,
    SUBJECT_WEIGHT,
    TOPIC_WEIGHT,
    Calibration,
    Term,
    probability,
    weigh_terms,
)
from deskhand.knowledge.stemming import tsquery

BOTH = pytest.mark.parametrize("weighed", [HISTORY, ARTICLES], ids=["tickets", "articles"])


def weights_of(
    *stems: str, subject: str = "", frequency: dict[str, int] | None = None, **more: str
) -> dict[str, float]:
    terms = weigh_terms(
        stems, in_subject=frozenset(subject.split()), frequency=frequency or {}, documents=100, synonyms={}, roots={}
    )
    return {term.stem: term.weight for term in terms}


@BOTH
def test_meaning_counts_beside_words_as_others_tickets_ask_for(weighed: Calibration) -> None:
    """The ratio makes the order; it was chosen on sets of others, so a new fit of the scores must leave it alone."""
    assert round(weighed.cosine / weighed.words) == (8 if weighed is HISTORY else 17)


@BOTH
def test_more_of_either_is_nearer_and_a_score_stays_between_nothing_and_certain(weighed: Calibration) -> None:
    near, far = weighed.log_odds(0.9, 0.5), weighed.log_odds(0.88, 0.5)
    assert near > far > weighed.log_odds(0.88, 0.4)
    assert probability(weighed.log_odds(0.8, 0.0)) < 0.01 < weighed.floor < probability(weighed.log_odds(0.92, 0.6))
    assert probability(weighed.log_odds(COSINE_CENTRE, 0.0)) == pytest.approx(1 / (1 + math.exp(-weighed.intercept)))


@BOTH
def test_without_a_vector_a_hit_has_its_words_alone(weighed: Calibration) -> None:
    assert weighed.log_odds(None, 0.0) == weighed.lexical_intercept
    assert weighed.log_odds(None, 1.0) > 0 > weighed.log_odds(None, 0.2)


def test_odds_beyond_all_numbers_are_still_a_probability() -> None:
    assert probability(1e9) == pytest.approx(1.0)
    assert 0 < probability(-1e9) < 1e-20


def test_weights_sum_to_one_and_a_rare_word_says_more() -> None:
    weights = weights_of("print", "toner", frequency={"print": 90, "toner": 2})
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["toner"] > 4 * weights["print"]
    assert weights_of() == {}


def test_a_code_and_a_word_of_the_subject_say_more() -> None:
    weights = weights_of("printer", "prn-204", "floor", subject="floor")
    assert weights["prn-204"] / weights["printer"] == pytest.approx(TOPIC_WEIGHT)
    assert weights["floor"] / weights["printer"] == pytest.approx(SUBJECT_WEIGHT)


def test_of_many_words_those_that_say_most_are_asked_for() -> None:
    stems = [f"w{letter}{number}" for number in range(3) for letter in "abcdefghijklmnop"]
    often = {stem: place for place, stem in enumerate(stems)}
    assert list(weights_of(*stems, frequency=often)) == stems[:MAX_TERMS]


def test_a_word_keeps_its_root() -> None:
    synonyms = {"einstellung": frozenset({"b", "a"})}
    roots = {"einstellung": "einstell"}
    (term,) = weigh_terms(
        ["einstellung"], in_subject=frozenset(), frequency={}, documents=3, synonyms=synonyms, roots=roots
    )
    assert term == Term("einstellung", ("a", "b"), 1.0, "einstell")


def test_no_character_of_a_question_is_an_operator() -> None:
    assert tsquery(["it's", "a\\b"]) == "'it''s' | 'a\\\\b'"
    assert tsquery(["x | y"], root="o'h:*", weights="ab") == "'x | y':ab | 'o''h:*':*ab"
    assert tsquery([], weights="ab") == ""

"""What ``benchmarks/search.py`` says of a ranking is what it says by hand."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="comes with the extra 'embedded'")

from benchmarks.retrieval.measures import interval, measure
from benchmarks.retrieval.rivals import best
from benchmarks.retrieval.sets import duplicate_set, manual_sets
from benchmarks.retrieval.weights import best_ratio, reciprocal_rank


def test_a_ranking_is_measured_as_by_hand() -> None:
    recall, first, gain = measure(["x", "a", "y", "z", "v", "b"], {"a", "b", "c"})
    assert recall == pytest.approx(1 / 3)
    assert first == 0.5
    # Gains at places 2 and 6, by those at 1, 2 and 3.
    assert gain == pytest.approx((0.63093 + 0.35621) / (1 + 0.63093 + 0.5), abs=1e-4)
    assert measure(["x"], {"a"}) == (0.0, 0.0, 0.0)
    assert measure(["a"], {"a"}) == (1.0, 1.0, 1.0)


def test_an_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    chance = random.Random(1)
    values = [chance.random() for _ in range(400)]
    (low, high), (few_low, few_high) = interval(values), interval(values[:20])
    assert low < sum(values) / len(values) < high
    assert high - low < (few_high - few_low) / 2
    assert interval([0.5] * 9) == (0.5, 0.5)


def test_equal_scores_stand_by_the_alphabet_and_a_ticket_does_not_find_itself() -> None:
    assert best(["c", "a", "b"], [1.0, 1.0, 2.0], "b") == ["a", "c"]


@pytest.mark.parametrize(("cosine", "words", "wrong"), [(0.95, 0.1, 2.0), (0.8, 0.9, 60.0)])
def test_the_ratio_that_is_fitted_is_one_that_finds_the_answer(cosine: float, words: float, wrong: float) -> None:
    """The answers have the better meaning in the one case, in the other the better words."""
    queries = [[(cosine, words, True), *((0.85 + number / 100, 0.5, False) for number in range(5))]] * 3
    assert reciprocal_rank(queries, best_ratio(queries)) == 1.0
    assert reciprocal_rank(queries, wrong) < 1.0


def test_a_sample_has_what_its_queries_need_and_a_larger_one_has_the_smaller(tmp_path: Path) -> None:
    path = tmp_path / "desk.json"
    rows = [{"id": str(n), "subject": f"s{n}", "description": "d", "priority": None} for n in range(50)]
    path.write_text(json.dumps({"documents": rows, "queries": [{"id": "7", "relevant": ["9"], "language": "en"}]}))
    small, large = duplicate_set(path, documents=5), duplicate_set(path, documents=20)
    names = [{row["ticket_id"] for row in one.rows} for one in (small, large)]
    assert {"7", "9"} <= names[0] < names[1]
    assert [len(one) for one in names] == [5, 20]
    (asked,) = small.queries
    assert (asked.text, asked.itself, asked.relevant) == ("s7\nd", "7", frozenset({"9"}))


def test_each_languages_questions_go_to_its_own_pages_and_to_the_english_ones(tmp_path: Path) -> None:
    path = tmp_path / "manual.json"
    pages = [{"id": name, "title": name, "text": "text"} for name in "abcd"]
    asked = [
        {"id": f"{name}-{language}", "text": f"{name}?", "language": language, "relevant": [name]}
        for language in ("en", "de")
        for name in "abcd"
    ]
    path.write_text(json.dumps({"documents": {"en": pages[:3], "de": pages[1:]}, "queries": asked}))
    found = {one.name: one for one in manual_sets(path, queries=2, pages=2)}
    assert list(found) == ["manual en", "manual de", "manual de -> en"]
    assert [one.language for one in found.values()] == ["en", "de", "en"]
    for one in found.values():
        there = {row["article_id"] for row in one.rows}
        assert len(one.queries) == 2
        assert all(query.relevant <= there for query in one.queries)
    assert len(found["manual de"].rows) == 2
    assert found["manual de -> en"].library == "manual en"

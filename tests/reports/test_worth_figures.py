"""What is told of a month's tickets: an effect that was planted is found again, and none is claimed where none was."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from deskhand.kit.intervals import share_difference
from deskhand.reports.worth.figures import (
    ERROR,
    FIELDS,
    Looked,
    Sides,
    all_sides,
    confidence_for,
    difference,
    groups_of,
    kept_figures,
    share_figure,
    time_figure,
)
from deskhand.reports.worth.schemas import LEAST

HOUR = 3_600_000.0


def looked(after: float | None, *, held: bool | None = False, noted: bool = True, **told: Any) -> Looked:
    fates = {name: told.pop(name) for name in FIELDS if name in told}
    return Looked(company="", noted=noted, held=held, solved_after=after, fates=fates, **told)


def month(seed: int, *, tickets: int, share: float, effect: float) -> list[Looked]:
    """Tickets as a desk has them: half solved within some four hours, some after weeks, one in twenty not at all."""
    lots, made = Random(seed), []
    for _ in range(tickets):
        held = lots.random() < share
        hours = lots.lognormvariate(math.log(4), 1.1) * (1.0 if held else effect)
        made.append(looked(math.inf if lots.random() < 0.05 else hours * HOUR, held=held, noted=not held))
    return made


def test_a_planted_effect_is_found_again() -> None:
    """Notes take a third of the time: the interval holds what was planted, and not zero."""
    planted = 4 * HOUR * (2 / 3) - 4 * HOUR
    found = [difference(Sides.of(month(seed, tickets=1_200, share=0.3, effect=2 / 3)), 0.95) for seed in range(20)]
    assert [one.verdict for one in found].count("less") >= 18
    held = [one.low is not None and one.high is not None and one.low <= planted <= one.high for one in found]
    assert sum(held) >= 18
    first = found[0]
    assert first.words.startswith("With notes, half of the tickets were solved ")
    assert " sooner than half of those held out: between " in first.words
    assert "95 % confidence" in first.words


def test_none_is_claimed_where_none_was_planted() -> None:
    """Of three hundred months without an effect about one in twenty claims one, as was said."""
    claims = 0
    for seed in range(300):
        one = difference(Sides.of(month(seed, tickets=160, share=0.3, effect=1.0)), 0.95)
        assert one.verdict != "withheld"
        claims += one.verdict != "none"
    assert claims <= 0.06 * 300


def test_many_companies_beside_each_other_claim_no_more_than_one() -> None:
    """Forty clients without an effect: told with 95 each, every month would name two of them."""
    wrong = single = 0
    for seed in range(25):
        sides = [Sides.of(month(1_000 * seed + n, tickets=120, share=0.4, effect=1.0)) for n in range(40)]
        confidence = confidence_for(sides)
        assert confidence == pytest.approx(1 - ERROR / 40)
        wrong += any(difference(one, confidence).verdict != "none" for one in sides)
        single += sum(difference(one, 0.95).verdict != "none" for one in sides)
    assert wrong <= 2
    assert single > 20, "what the wider intervals are for"


def test_an_effect_against_notes_is_said_as_plainly() -> None:
    one = difference(Sides.of(month(3, tickets=1_000, share=0.4, effect=1.6)), 0.95)
    assert one.verdict == "more"
    assert " later than half of those held out" in one.words


def test_no_difference_is_said_in_words_that_claim_nothing() -> None:
    one = difference(Sides.of(month(5, tickets=200, share=0.4, effect=1.0)), 0.95)
    assert one.verdict == "none"
    assert one.words.startswith("Time to a solution: no difference that could be told from chance; it lies between ")
    assert " sooner and " in one.words
    assert " later (95 % confidence)" in one.words


def reopenings(seed: int, *, share: float, more: float) -> list[Looked]:
    lots, made = Random(seed), []
    for number in range(240):
        held = number % 2 == 0
        made.append(looked(HOUR, held=held, reopened=lots.random() < share + (more if held else 0)))
    return made


def test_reopenings_are_told_apart_where_they_differ_and_nowhere_else() -> None:
    planted = difference(Sides.of(reopenings(1, share=0.1, more=0.3), "reopened"), 0.95)
    assert planted.verdict == "less"
    assert planted.low is not None
    assert planted.high is not None
    assert planted.low <= -0.3 <= planted.high < 0
    one = difference(Sides.of(reopenings(3, share=0.1, more=0), "reopened"), 0.95)
    assert one.words.startswith("Reopened: no difference that could be told from chance; it lies between ")
    assert " points less often and " in one.words


@pytest.mark.parametrize(("with_notes", "held_out", "share"), [(120, 120, 0.1), (100, 30, 0.3), (200, LEAST, 0.03)])
def test_so_often_is_a_reopening_claimed_where_none_was_planted(with_notes: int, held_out: int, share: float) -> None:
    """Counted through, not drawn: each pair of counts with how often it comes."""

    def chances(of: int) -> list[tuple[int, float]]:
        each = [(hits, math.comb(of, hits) * share**hits * (1 - share) ** (of - hits)) for hits in range(of + 1)]
        return [(hits, chance) for hits, chance in each if chance > 1e-6]

    claimed = 0.0
    for hits, chance in chances(with_notes):
        for others, other in chances(held_out):
            low, high = share_difference((hits, with_notes), (others, held_out))
            claimed += chance * other if low > 0 or high < 0 else 0
    assert 0.02 < claimed <= 0.05


def test_what_no_desk_told_is_compared_by_nothing() -> None:
    assert [one.measure for one in all_sides([looked(HOUR), looked(HOUR, held=True)])] == ["solution"]
    told = [looked(HOUR), looked(HOUR, held=True, touched_after=60_000.0)]
    assert [one.measure for one in all_sides(told)] == ["solution", "first_touch"]
    words = difference(Sides.of(told, "first_touch"), 0.95).words
    assert (
        words == "Time to a first word: nothing is said yet; each group needs 20 tickets, and there are 0 with notes"
        " and 1 held out."
    )


@pytest.mark.parametrize("few", [0, LEAST - 1])
def test_too_few_tickets_are_told_and_not_judged(few: int) -> None:
    tickets = [*[looked(HOUR)] * 200, *[looked(50 * HOUR, held=True)] * few]
    one = difference(Sides.of(tickets), 0.95)
    assert (one.verdict, one.low, one.high, one.value) == ("withheld", None, None, None)
    assert (one.with_notes, one.held_out) == (200, few)
    assert f"each group needs {LEAST} tickets, and there are 200 with notes and {few} held out" in one.words


def test_too_many_open_tickets_are_told_and_not_judged() -> None:
    tickets = [*[looked(HOUR)] * 50, *[looked(HOUR, held=True)] * 20, *[looked(math.inf, held=True)] * 20]
    one = difference(Sides.of(tickets), 0.95)
    assert one.verdict == "withheld"
    assert "too many of the tickets are not solved" in one.words


def test_tickets_stand_where_the_lot_put_them() -> None:
    """One that was held out and got a note because somebody asked stays among those held out."""
    tickets = [looked(1.0), looked(2.0, held=True, noted=True), looked(3.0, held=None), looked(4.0, noted=False)]
    with_notes, held_out = groups_of(tickets, compared=True)
    assert (with_notes.name, with_notes.tickets, with_notes.noted) == ("with_notes", 2, 1)
    assert (held_out.name, held_out.tickets, held_out.noted) == ("held_out", 1, 1)
    noted, not_noted = groups_of(tickets, compared=False)
    assert (noted.name, noted.tickets, not_noted.name, not_noted.tickets) == ("noted", 3, "not_noted", 1)


def test_what_has_not_ended_counts_as_longer_than_all_that_did() -> None:
    figure = time_figure([HOUR, 2 * HOUR, math.inf, None])
    assert (figure.of, figure.ended, figure.median_ms) == (3, 2, 2 * HOUR)
    assert (figure.low_ms, figure.high_ms) == (None, None), "of three tickets nothing is told"
    assert time_figure([HOUR, math.inf]).median_ms is None
    assert time_figure([None]).median_ms is None
    many = time_figure([*(HOUR * n for n in range(1, 31)), *[math.inf] * 10])
    assert many.low_ms is not None
    assert many.median_ms is not None
    assert many.high_ms is not None
    assert many.low_ms < many.median_ms < many.high_ms


def test_shares_have_an_interval_from_twenty_on() -> None:
    assert share_figure(10, LEAST - 1).low is None
    told = share_figure(10, LEAST)
    assert told.low is not None
    assert told.high is not None
    assert told.low < 0.5 < told.high


def test_suggestions_are_counted_where_the_desk_tells() -> None:
    tickets = [
        looked(1.0, category="kept"), looked(1.0, category="changed", priority="kept"),
        looked(math.inf, category="not_told"), looked(1.0),
    ]  # fmt: skip
    category, priority = kept_figures(tickets)
    assert (category.field, category.hits, category.of, category.not_told) == ("category", 1, 2, 1)
    assert (priority.field, priority.hits, priority.of, priority.not_told) == ("priority", 1, 1, 0)
    assert kept_figures([looked(1.0)]) == []

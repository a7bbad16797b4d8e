"""Intervals beside published figures, beside what is drawn by lot, and where there is too little to say anything."""

from __future__ import annotations

import math
from random import Random

import pytest

from deskhand.kit.intervals import (
    Z95,
    median,
    median_difference,
    median_interval,
    share_difference,
    wilson,
    z_of,
)

INF = math.inf


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_of_nothing_everything_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert share_difference((0, 0), (1, 2)) == (-1.0, 1.0)
    assert share_difference((1, 2), (0, 0)) == (-1.0, 1.0)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    # Newcombe 1998 (Interval estimation for the difference), table II, method 10.
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_the_interval_between_two_shares_is_newcombes(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert share_difference(one, other) == pytest.approx((low, high), abs=5e-5)


def test_confidence_and_deviate_belong_together() -> None:
    assert z_of(0.95) == pytest.approx(Z95)
    assert z_of(0.99) > z_of(0.95)


def test_the_median_of_what_has_not_ended_is_infinite() -> None:
    assert median([1.0, 2.0, 9.0]) == 2.0
    assert median([1.0, 3.0]) == 2.0
    assert median([1.0, INF]) == INF
    assert median([1.0, 2.0, INF]) == 2.0


def test_the_interval_of_a_median_is_two_of_its_values() -> None:
    values = [float(value) for value in range(1, 101)]
    low, high = median_interval(values)
    # Hahn and Meeker 1991, table A.15: places 40 and 61 of a hundred.
    assert (low, high) == (40.0, 61.0)
    assert median_interval([*values[:55], *[INF] * 45]) == (40.0, INF)
    assert median_interval([5.0]) == (5.0, 5.0)


def test_medians_that_lie_apart_are_told_apart() -> None:
    one, other = [float(value) for value in range(100)], [float(value + 40) for value in range(100)]
    found = median_difference(one, other)
    assert found is not None
    low, high = found
    assert low < -40 < high < 0
    assert (low + high) / 2 == pytest.approx(-40)
    wider = median_difference(one, other, z_of(0.999))
    assert wider is not None
    assert wider[0] < low < high < wider[1]


def test_nothing_is_told_where_too_many_have_not_ended() -> None:
    ended = [float(value) for value in range(40)]
    assert median_difference(ended, [*ended[:15], *[INF] * 25]) is None, "the median itself"
    assert median_difference(ended, [*ended[:22], *[INF] * 18]) is None, "what its spread is read from"
    assert median_difference(ended, [*ended[:34], *[INF] * 6]) is not None


def test_equal_values_lie_nowhere_apart() -> None:
    assert median_difference([7.0] * 30, [7.0] * 30) == (0.0, 0.0)


def test_many_values_are_judged_as_few_are() -> None:
    """Where the exact tail gives way to the normal one nothing jumps."""
    spreads = []
    for n in (500, 501):
        values = [float(value) / n for value in range(n)]
        found = median_difference(values, values)
        assert found is not None
        spreads.append(found[1])
    assert spreads[0] == pytest.approx(spreads[1], rel=0.02)


@pytest.mark.parametrize(("one", "other", "spread"), [(60, 60, 1.0), (150, 40, 1.4)])
def test_of_a_hundred_intervals_five_miss(one: int, other: int, spread: float) -> None:
    """Of times as tickets have them: most are short, some very long. The seed is fixed, so it is no luck."""
    lots, times, missed = Random(20261130), 400, 0
    for _ in range(times):
        sides = [sorted(lots.lognormvariate(9, spread) for _ in range(n)) for n in (one, other)]
        found = median_difference(*sides)
        assert found is not None
        missed += not found[0] <= 0 <= found[1]
    assert 0.01 * times <= missed <= 0.06 * times

"""Bars of a chart: nothing hangs over the edge, what is small is seen, what is nothing is not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.ui.charts import HEIGHT, WIDTH, Point, bar_chart, scale_top
from deskhand.ui.format import exact_money

AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=8)


def points(*figures: Decimal | int) -> list[Point]:
    return [Point(f"day {number}", "words", {"money": figure}) for number, figure in enumerate(figures)]


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=40))
def test_every_bar_lies_within_the_drawing(figures: list[tuple[Decimal, Decimal]]) -> None:
    chart = bar_chart([Point("a", "b", {"one": low, "two": high}) for low, high in figures], label=str)
    ends = Decimal(0)
    for bar, parts in zip(chart.bars, figures, strict=True):
        assert ends <= Decimal(bar.x) + Decimal("0.01")
        ends = Decimal(bar.x) + Decimal(bar.width)
        foot = Decimal(HEIGHT)
        for part in bar.parts:
            assert abs(Decimal(part.y) + Decimal(part.height) - foot) <= Decimal("0.02"), "parts stand on each other"
            assert Decimal(part.y) >= 0
            foot = Decimal(part.y)
        assert [part.kind for part in bar.parts if Decimal(part.height)] == [
            kind for kind, figure in zip(("one", "two"), parts, strict=True) if figure
        ] or foot < 1, "a figure of nothing has no part; any other is seen, unless the bar is full"
    assert ends <= WIDTH + Decimal("0.01")


@given(AMOUNTS)
def test_the_scale_ends_at_a_round_number_at_or_above_the_highest(highest: Decimal) -> None:
    top = scale_top(highest)
    assert top >= highest
    assert top.normalize().as_tuple().digits in ((1,), (2,), (5,))
    assert highest == 0 or top <= highest * Decimal("2.5")


def test_what_is_small_is_seen_and_what_is_nothing_is_not() -> None:
    chart = bar_chart(points(Decimal(1000), Decimal("0.00000001"), 0), label=exact_money)
    assert [len(bar.parts) for bar in chart.bars] == [1, 1, 0]
    assert Decimal(chart.bars[1].parts[0].height) > Decimal("0.5")
    assert chart.scale == ["$1,000.00", "$500.00", "$0.00"]


def test_days_are_named_at_the_ends_and_in_the_middle() -> None:
    assert bar_chart(points(1, 2, 3, 4, 5), label=str).names == ["day 0", "day 2", "day 4"]
    assert bar_chart(points(1, 2), label=str).names == ["day 0", "day 1"]
    assert bar_chart(points(1), label=str).names == ["day 0"]
    assert bar_chart(points(1), label=str).bars[0].words == "day 0: words"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "$0.00"), ("0.25", "$0.25"), ("0.2", "$0.20"), ("3", "$3.00"), ("1204.5", "$1,204.50"),
        ("0.00042000", "$0.00042"), ("0E-8", "$0.00"), ("7E-8", "$0.00000007"), ("100.00000000", "$100.00"),
    ],
)  # fmt: skip
def test_money_to_the_last_digit(amount: str, words: str) -> None:
    assert exact_money(Decimal(amount)) == words

"""Bars of a chart as shares of a drawing: figures in, places out. Pure; ``ui/_chart.html`` draws them.

The drawing is 1000 wide and 100 high and is stretched to its place, so it holds no text: labels stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 1000, 100
_GAP = 0.22
"""Of a bar's place, left free."""
_STEPS = (Decimal(1), Decimal(2), Decimal(5), Decimal(10))
_LEAST = Decimal("0.8")
"""A figure above nothing is seen, however small it is beside the others."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one bar stands for.

    Attributes:
        name: What it is called, such as a day.
        words: The figures in words, for who points at it.
        parts: The figures that it is made of, by the kind that gives each its colour; from the bottom up.
        unknown: Whether there is something of which nobody knows how much; it gets a mark of its own.
    """

    name: str
    words: str
    parts: Mapping[str, Decimal | int]
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured piece of a bar."""

    kind: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a point is drawn, and what it says to who points at it."""

    x: str
    width: str
    words: str
    parts: list[Part]
    unknown: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything there is to draw.

    Attributes:
        scale: Labels of the scale, from the top down.
        names: What the first, the middle and the last bar are called.
    """

    bars: list[Bar]
    scale: list[str]
    names: list[str]


def bar_chart(points: Sequence[Point], *, label: Callable[[Decimal], str]) -> Chart:
    """Place bars side by side on a scale from zero.

    Args:
        points: At least one.
        label: A figure as the scale's labels show it.
    """
    top = scale_top(max(sum((Decimal(part) for part in point.parts.values()), Decimal(0)) for point in points))
    place = Decimal(WIDTH) / len(points)
    bars = [
        Bar(
            x=_number(place * number + place * Decimal(_GAP) / 2),
            width=_number(place * Decimal(1 - _GAP)),
            words=f"{point.name}: {point.words}",
            parts=_stacked(point.parts, top),
            unknown=point.unknown,
        )
        for number, point in enumerate(points)
    ]
    names = dict.fromkeys(points[index].name for index in (0, len(points) // 2, len(points) - 1))
    return Chart(bars=bars, scale=[label(top), label(top / 2), label(Decimal(0))], names=list(names))


def scale_top(highest: Decimal) -> Decimal:
    """The round number at or above the highest bar, one for a chart of nothing."""
    if highest <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(highest.adjusted())
    return next(step * power for step in _STEPS if step * power >= highest)


def _stacked(parts: Mapping[str, Decimal | int], top: Decimal) -> list[Part]:
    placed, foot = [], Decimal(HEIGHT)
    for kind, figure in parts.items():
        if figure <= 0:
            continue
        height = min(max(HEIGHT * Decimal(figure) / top, _LEAST), foot)
        foot -= height
        placed.append(Part(kind, y=_number(foot), height=_number(height)))
    return placed


def _number(value: Decimal) -> str:
    return f"{value:.2f}"

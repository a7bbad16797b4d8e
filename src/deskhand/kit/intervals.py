"""How far figures of a sample can be trusted: intervals of shares, of medians, and of what lies between two of them.

Closed forms over sorted values: no drawing of lots, so that the same figures give the same interval, and no more time
than sorting takes. What never came to an end stands at infinity, and counts as longer than all that did. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

Interval = tuple[float, float]

Z95 = 1.959963984540054
"""For an interval that holds the true value in 95 of 100 such samples."""
_NORMAL = NormalDist()
_EXACT = 500
"""Up to so many values the binomial is added up; beyond, the normal one is the same to the fourth digit."""


def z_of(confidence: float) -> float:
    """The normal deviate of a two-sided confidence, such as 0.95."""
    return _NORMAL.inv_cdf(0.5 + confidence / 2)


def wilson(hits: int, of: int, z: float = Z95) -> Interval:
    """The interval in which the true share lies (Wilson, 1927)."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, z * z
    middle = share + square / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    below, above = (middle - spread) / (1 + square / of), (middle + spread) / (1 + square / of)
    return max(0.0, below), min(1.0, above)


def share_difference(one: tuple[int, int], other: tuple[int, int], z: float = Z95) -> Interval:
    """The interval of one share less another, each given as hits and of how many (Newcombe, 1998, method 10)."""
    (a, of_a), (b, of_b) = one, other
    if not of_a or not of_b:
        return -1.0, 1.0
    p, q = a / of_a, b / of_b
    (low_p, high_p), (low_q, high_q) = wilson(a, of_a, z), wilson(b, of_b, z)
    below = math.hypot(p - low_p, high_q - q)
    above = math.hypot(high_p - p, q - low_q)
    return max(-1.0, p - q - below), min(1.0, p - q + above)


def median(ordered: Sequence[float]) -> float:
    """The middle of sorted values; infinity where half of them or more are."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def median_interval(ordered: Sequence[float], z: float = Z95) -> Interval:
    """The interval in which the true median lies, of sorted values: two of them, whatever their distribution is."""
    n = len(ordered)
    place = max(1, math.floor(n / 2 - z * math.sqrt(n) / 2))
    return ordered[place - 1], ordered[n - place]


def median_difference(one: Sequence[float], other: Sequence[float], z: float = Z95) -> Interval | None:
    """The interval of one median less another, of sorted values (Bonett and Price, 2002).

    The two samples may have any distribution, and different ones. It is wider for few values, as Student's is: without,
    far out in the tails small samples claimed several times as often as they may.

    Returns:
        None where so many values are infinite that it would be as well.
    """
    spreads = _spread(one), _spread(other)
    between = median(one) - median(other)
    if not math.isfinite(between) or not all(map(math.isfinite, spreads)):
        return None
    reach = _for_few(z, min(len(one), len(other))) * math.hypot(*spreads)
    return between - reach, between + reach


def _for_few(z: float, n: int) -> float:
    # The first term by which Student's quantile lies beyond the normal one.
    return z + (z**3 + z) / (4 * max(1, n - 1))


def _spread(ordered: Sequence[float]) -> float:
    """The standard error of a sample's median, from two values around it."""
    n = len(ordered)
    place = max(1, round((n + 1) / 2 - math.sqrt(n)))
    low, high = ordered[place - 1], ordered[n - place]
    return (high - low) / (2 * _NORMAL.inv_cdf(1 - _tail(n, place)))


def _tail(n: int, place: int) -> float:
    """How often fewer than ``place`` of ``n`` values lie below their median."""
    if n <= _EXACT:
        return math.ldexp(sum(math.comb(n, below) for below in range(place)), -n)
    return _NORMAL.cdf((place - 0.5 - n / 2) / (math.sqrt(n) / 2))


__all__ = ["Z95", "Interval", "median", "median_difference", "median_interval", "share_difference", "wilson", "z_of"]
